"""The Connected Apps API: its requests and responses, and its client."""
