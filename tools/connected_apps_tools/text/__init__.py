"""Text: made printable, redacted, and read as URLs. It knows nothing of apps."""
