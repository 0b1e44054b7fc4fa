"""The sandbox as an HTTP service."""
