"""What agents can do with Connected Apps; knows nothing of MCP."""
