"""`connected-apps-mcp console`: the apps on a page in the browser, for a person."""
