"""Apps, the manifest and the page as MCP resources, and who hears of their changes."""
