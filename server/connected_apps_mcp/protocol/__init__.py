"""MCP: the server, its tools, prompts, resources and completions."""
