"""Brings a stored client secret to a destination: a command, or a key of a dotenv file."""
