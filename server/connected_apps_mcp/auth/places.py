"""Compares and checks URLs of issuers and resources."""

from functools import lru_cache
from urllib.parse import urlsplit

from connected_apps_tools.text.urls import parse

Origin = tuple[str, str, int]
"""Scheme, host and port."""

_DEFAULT_PORTS = {"https": 443, "http": 80}


def origin_of(text: str) -> Origin | None:
    """The origin of an http or https URL; None if it has none, or a user."""
    url = parse(text)
    if not (url.host and text.isascii()) or url.user_info or url.wildcard:
        return None
    try:
        port = urlsplit(text).port
    except ValueError:
        return None
    return url.scheme, url.host, _DEFAULT_PORTS[url.scheme] if port is None else port


@lru_cache(maxsize=256)
def canonical(text: str) -> tuple[Origin, str] | None:
    """A URL as audiences are compared: a trailing slash does not count. None if it is not one."""
    origin = origin_of(text)
    if origin is None or "#" in text:
        return None
    parts = urlsplit(text)
    return origin, parts.path.removesuffix("/") + (f"?{parts.query}" if "?" in text else "")


def is_loopback(text: str) -> bool:
    """Whether a URL leads to this machine."""
    return parse(text).loopback


def is_safe_endpoint(text: str) -> bool:
    """Whether the response of a URL can be trusted: https, or http on this machine."""
    origin = origin_of(text)
    return origin is not None and (origin[0] == "https" or is_loopback(text)) and "#" not in text
