"""Seeds, which fill a sandbox, and examples."""
