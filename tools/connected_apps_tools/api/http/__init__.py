"""Sends requests over HTTP, and explains why a connection failed."""
