"""What can be told from a redirect URL, however hostile it is."""

from urllib.parse import urlsplit


def host_of(url: str) -> str | None:
    """The host that a URL leads to, in lower case; None where it has none or cannot be parsed."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
