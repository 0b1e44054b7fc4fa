"""The URLs and limits of the service, and the project's credentials."""

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import SecretStr

from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.text.urls import is_loopback

_HOST_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_AUTHORITY = rf"(?:{_HOST_LABEL}(?:\.{_HOST_LABEL})*|\[[0-9A-Fa-f:.]+\])(?::\d+)?"

LIVE_URL = "https://api.stytch.com"
TEST_URL = "https://test.stytch.com"

INT32_MAX = 2**31 - 1
"""The largest number that it accepts: its description has 32-bit integers (KNOWN)."""

CALL_DEADLINE = 30.0
"""Timeout of a call (seconds), with all its attempts and waits."""


@dataclass(frozen=True)
class Credentials:
    """The credentials of a project, sent with HTTP Basic (KNOWN)."""

    project_id: str
    secret: SecretStr = field(repr=False)

    @property
    def base_url(self) -> str:
        """The API of the project's environment (KNOWN)."""
        return LIVE_URL if is_live(self.project_id) else TEST_URL


def is_live(project_id: str) -> bool:
    """Whether real users depend on a project, by the prefix of its id (KNOWN)."""
    return project_id.startswith("project-live-")


def is_local(url: str) -> bool:
    """Whether a URL points at this machine."""
    return is_loopback(urlsplit(url).hostname or "")


def address_of(url: str) -> dict[str, str | int]:
    """The host and the port that a URL leads to."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {"host": parts.hostname or "", "port": port}


def check_base_url(url: str) -> str:
    """The URL without a trailing slash, if it is safe to send the credentials there.

    Raises:
        InvalidRequest: it is neither https nor http to a loopback host, or has more than a scheme,
            host, port and path.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise InvalidRequest("the URL cannot be parsed") from None
    if not parts.hostname or parts.scheme not in {"https", "http"}:
        raise InvalidRequest("the URL must be absolute and start with https://")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise InvalidRequest("the URL must use https; http is allowed for a loopback address only")
    if parts.username is not None or "?" in url or "#" in url:
        raise InvalidRequest("the URL must have no user, password, query or fragment")
    if not re.fullmatch(_AUTHORITY, parts.netloc) or not re.fullmatch(r"[\w./~-]*", parts.path):
        raise InvalidRequest("the URL's host or path is malformed")
    if parts.path.rstrip("/").endswith("/v1"):
        raise InvalidRequest("the URL must not end in /v1: every operation adds it")
    return url.rstrip("/")
