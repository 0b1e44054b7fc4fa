"""Services and proxies with faults, on loopback ports."""

import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import time
from typing import Any

NO_APPS: dict[str, Any] = {
    "status_code": 200,
    "request_id": "request-id-test-1",
    "connected_apps": [],
    "results_metadata": {"total": 0, "next_cursor": ""},
}


@contextmanager
def answering(
    status: int = 200,
    body: object = NO_APPS,
    *,
    ahead: float = 0.0,
    tls: ssl.SSLContext | None = None,
) -> Iterator[str]:
    """The base URL of a service with one response.

    Args:
        status: its status.
        body: its body, as JSON or as text.
        ahead: how far the clock of the service is ahead of ours, in seconds.
        tls: how it speaks TLS.
    """
    content = body if isinstance(body, str) else json.dumps(body)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content.encode())

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate((timestamp or time()) + ahead, usegmt=True)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def silent() -> Iterator[str]:
    """The base URL of a service that takes connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def self_signed(folder: Path) -> ssl.SSLContext:
    """How to speak TLS with a certificate that nobody signed."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-keyout", str(key), "-out", str(cert), "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context
