"""`connected-apps-mcp demo`: a client at work, over stdio and over HTTP."""
