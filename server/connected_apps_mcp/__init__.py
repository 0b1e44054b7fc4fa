"""The MCP server: how agents reach the tools."""
