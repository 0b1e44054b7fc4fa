"""How bytes reach the server, and how it shuts down."""
