"""Ports for servers that cannot say which one they got."""

import secrets
import socket

BELOW_OURS, OURS = 20_000, 12_000
"""Linux gives no port of these to a connection, so nothing else takes one meanwhile."""


def free_port() -> int:
    """A port that nothing listens on."""
    while True:
        port = BELOW_OURS + secrets.randbelow(OURS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
