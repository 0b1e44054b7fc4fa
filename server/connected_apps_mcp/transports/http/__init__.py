"""MCP over HTTP, and all that protects it."""
