"""What fills a sandbox: a seed, and examples of one."""
