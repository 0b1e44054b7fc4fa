"""The clients on this machine, and their entries of this server."""
