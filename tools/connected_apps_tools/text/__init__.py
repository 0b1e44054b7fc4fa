"""Makes text printable, redacts secrets, parses URLs. It knows nothing about apps."""
