"""Whether the server in this container is up, for HEALTHCHECK: exit code 0 or 1.

It reads the settings of the server from the environment. Over stdio there is nothing to ask.
"""

import ssl
import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from connected_apps_mcp.settings.loading import read
from connected_apps_mcp.settings.settings import Settings

EVERY_ADDRESS = {"0.0.0.0", "::"}  # noqa: S104 - to recognise, not to listen on

SECONDS = 4
"""Less than the patience of the HEALTHCHECK."""


def is_up(settings: Settings) -> bool:
    """Whether a server with these settings answers."""
    if "stdio" in settings.transport:
        return True
    own = f"{settings.host}:{settings.port}"
    host = urlsplit(settings.public_url).netloc if settings.public_url else own
    connection = _connection(settings)
    try:
        connection.request("GET", "/healthz", headers={"Host": host})
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _connection(settings: Settings) -> HTTPConnection:
    address = "127.0.0.1" if settings.host in EVERY_ADDRESS else settings.host
    if not settings.tls_cert:
        return HTTPConnection(address, settings.port, timeout=SECONDS)
    # The certificate is for the name that clients use, not for this address. No secret is sent.
    context = ssl._create_unverified_context()  # noqa: S323
    return HTTPSConnection(address, settings.port, timeout=SECONDS, context=context)


def main() -> None:
    """Exit with 0 if the server is up, else with 1."""
    sys.exit(not is_up(read()))


if __name__ == "__main__":
    main()
