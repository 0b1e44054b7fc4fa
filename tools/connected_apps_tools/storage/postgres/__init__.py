"""Shared state in PostgreSQL, for servers on several machines."""
