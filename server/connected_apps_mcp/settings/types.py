"""Types of settings, and the hint for a value that is not allowed."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, StringConstraints
from pydantic_core import ErrorDetails, PydanticCustomError

from connected_apps_tools.text.printable import did_you_mean
from connected_apps_tools.text.urls import is_loopback

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}

Auth = Literal["none", "issuer", "stytch", "sandbox"]

LogLevel = Literal["debug", "info", "warning", "error"]


def _comma_separated(value: object) -> object:
    return tuple(value.split(",")) if isinstance(value, str) else value


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise PydanticCustomError("home", "there is no such home folder") from None


HomePath = Annotated[Path, AfterValidator(_expanded)]
"""A path that may begin with ~: no shell expands it in a host's configuration file."""

NameList = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1)], ...],
    BeforeValidator(_comma_separated),
]


def _origin(text: str) -> str:
    """An origin, as browsers and clients send it: in lower case, without the default port."""
    parts = urlsplit(text.lower())
    exact = f"{parts.scheme}://{parts.netloc}"
    port = _DEFAULT_PORTS.get(parts.scheme)
    named = parts.hostname and text.isascii() and not {"@", "*"} & set(text)
    if port is None or exact != text.lower() or not named:
        raise PydanticCustomError("origin", "give an origin, such as https://corp.example")
    return exact.removesuffix(port)


def _public_url(text: str) -> str:
    origin = _origin(text.removesuffix("/"))
    if not origin.startswith("https:") and not is_loopback(urlsplit(origin).hostname or ""):
        raise PydanticCustomError("url", "must be https, or http to a loopback address")
    return origin


def _network(text: str) -> str:
    try:
        network = ip_network(text)
    except ValueError:
        raise PydanticCustomError("network", "give networks as in 10.0.0.0/8") from None
    if not network.prefixlen:
        raise PydanticCustomError("network", "this network is everybody: name the proxies")
    return str(network)


PROFILE_NAME = r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?"
"""The name of a profile is in the name of a file, and of a server in a client."""


def _profile_name(text: str) -> str:
    if not re.fullmatch(PROFILE_NAME, text):
        raise PydanticCustomError(
            "profile", "a profile has a name of up to 32 lower-case letters, digits and hyphens"
        )
    return text


ProfileName = Annotated[str, AfterValidator(_profile_name)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
Origins = Annotated[
    tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_comma_separated)
]
Networks = Annotated[
    tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(_comma_separated)
]

Transports = Annotated[
    tuple[Literal["stdio", "http", "sse"], ...], BeforeValidator(_comma_separated)
]


def nearest_value(problem: ErrorDetails) -> str:
    """A hint at the allowed value closest to the given one, which is not shown."""
    if problem["type"] != "literal_error":
        return ""
    allowed = re.findall("'(.+?)'", problem["ctx"]["expected"])
    return did_you_mean(str(problem["input"]).casefold(), allowed)
