"""The configurations of MCP clients, and the entry of this server in them."""
