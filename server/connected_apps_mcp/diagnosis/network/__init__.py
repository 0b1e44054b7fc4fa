"""The service, and the network on the way to it and to this server."""
