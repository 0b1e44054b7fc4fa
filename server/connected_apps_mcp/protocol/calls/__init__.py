"""Calls of tools: planned, confirmed, recorded, performed, and answered."""
