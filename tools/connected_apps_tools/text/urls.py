"""Parses untrusted URLs."""

import ipaddress
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?![0-9]+(?:[/?#]|$))")
"""A scheme, in ASCII (RFC 3986). A name before a port is a host without a scheme."""

_ADDRESS = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::(?:[0-9]{0,5}|\*))?")
_CANONICAL_LABEL = re.compile(r"[a-z0-9_*-]{1,63}")
_NEVER_IN_URLS = frozenset(' "<>\\^`{|}')
_MAX_HOST = 253

WEB_SCHEMES = frozenset({"https", "http"})
ACTIVE_SCHEMES = frozenset(
    {"about", "blob", "data", "file", "filesystem", "javascript", "vbscript", "view-source"}
)
"""Schemes that a browser runs or opens itself, instead of going to a host or an app."""


@dataclass(frozen=True)
class Url:
    """A parsed URL."""

    text: str
    scheme: str = ""
    """In lower case, as a browser reads it; empty if there is none."""
    host: str = ""
    """In the form of `canonical_host`; empty for schemes other than http and https."""
    user_info: str = ""
    """The text before an @ in front of the host."""
    fragment: bool = False
    """Whether there is a #, even with nothing after it."""
    unicode_written: bool = False
    """Whether the host contains characters outside ASCII."""
    problem: str | None = None
    """Why it is not an absolute URL that all parsers read alike, as the end of a sentence.

    With a problem, only `text` and `scheme` are set.
    """

    @property
    def wildcard(self) -> bool:
        """Whether it contains an asterisk."""
        return "*" in self.text

    @property
    def loopback(self) -> bool:
        """Whether it leads to the user's machine, as names under localhost do (RFC 6761, 6.3)."""
        return is_loopback(self.host) or self.host.endswith(".localhost")

    @property
    def private_use(self) -> bool:
        """Whether the scheme could be an app's own (RFC 8252, section 7.1)."""
        return bool(self.scheme) and self.scheme not in WEB_SCHEMES | ACTIVE_SCHEMES

    @property
    def labels(self) -> list[str]:
        """The labels of the host, with punycode decoded."""
        return [_readable(label) for label in self.host.split(".")]

    @property
    def international(self) -> bool:
        """Whether the host is not only ASCII, written out or in punycode."""
        return self.unicode_written or any(
            label.startswith("xn--") for label in self.host.split(".")
        )


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse(text: str) -> Url:
    """Parse a URL. It never fails: `problem` says what is wrong."""
    # Browsers drop these characters: they read "java\nscript:" as a scheme.
    head = _SCHEME.match(re.sub(r"[\x00-\x20]", "", text))
    scheme = head[1].lower() if head else ""
    if not text.isprintable() or not _NEVER_IN_URLS.isdisjoint(text):
        odd = next(c for c in text if c in _NEVER_IN_URLS or not c.isprintable())
        return Url(text, scheme, problem=f"holds the character U+{ord(odd):04X}")
    if not scheme:
        return Url(text, problem="has no scheme")
    if scheme not in WEB_SCHEMES:
        return Url(text, scheme, fragment="#" in text)
    try:
        authority = urlsplit(text).netloc
    except ValueError:
        return Url(text, scheme, problem="cannot be parsed")
    user_info, _, address = authority.rpartition("@")
    place = _ADDRESS.fullmatch(address)
    host = canonical_host(place[1]) if place else None
    if host is None:
        return Url(text, scheme, problem="has no valid host")
    return Url(text, scheme, host, user_info, "#" in text, unicode_written=not address.isascii())


def host_of(url: str) -> str | None:
    """The host that a URL leads to, in the form of `canonical_host`.

    None if it has no host, or if parsers read the URL differently.
    """
    return parse(url).host or None


def targets_of(urls: Iterable[str]) -> list[str]:
    """The hosts that URLs lead to, each once; the whole URL if it has no certain host."""
    return list(dict.fromkeys(host_of(url) or url for url in urls))


def origins_of(urls: Iterable[str]) -> list[str]:
    """The origin of each URL: scheme, host and port (RFC 6454); the whole URL if it has none.

    Loopback URLs differ only by having a port or not: programs on one machine trust each other, and
    the service lets one without a port stand for every port (KNOWN).
    """
    return [_origin(url) for url in urls]


def _origin(text: str) -> str:
    url = parse(text)
    if not url.host:
        return text
    port = urlsplit(text).netloc.rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    if url.loopback:
        return f"{url.scheme}://{url.host}{':*' if port else ''}"
    default = {"https": "443", "http": "80"}[url.scheme]
    return f"{url.scheme}://{url.host}:{port or default}"


def canonical_host(name: str) -> str | None:
    """The spelling by which hosts are compared; None if it is not a valid host.

    It is in lower case, ASCII (punycode) and without a final dot. An address is in its shortest
    form, an IPv6 address without brackets. A label may contain an asterisk.
    """
    if name.startswith("[") and name.endswith("]"):
        return _ipv6(name[1:-1])
    if len(name) > _MAX_HOST:
        return None
    plain = unicodedata.normalize("NFKC", name).replace("\u3002", ".").lower().removesuffix(".")
    if len(plain) > _MAX_HOST:  # before punycode, which takes quadratic time
        return None
    labels = [_to_ascii(label) for label in plain.split(".")]
    return ".".join(labels) if all(map(_CANONICAL_LABEL.fullmatch, labels)) else None


def _ipv6(address: str) -> str | None:
    if "%" in address:  # a zone, which may hold any text
        return None
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return None
    return str(parsed.ipv4_mapped or parsed)


def _to_ascii(label: str) -> str:
    return label if label.isascii() else "xn--" + label.encode("punycode").decode("ascii")


def _readable(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except ValueError:
        return label
