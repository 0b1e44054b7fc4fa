"""What the server asks issuers: their metadata, their keys, and whether a token is active."""
