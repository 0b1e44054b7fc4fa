"""`connected-apps-mcp serve`: opens what the settings name, and serves clients."""
