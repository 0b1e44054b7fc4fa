"""Patterns of hosts and schemes in the policy.

An asterisk in a pattern stands for whole labels. It is allowed only as the first label of a host or
the last one of a scheme, so that the rest names the owner. `*` is one label, as in a certificate
(RFC 9525, section 6.3), `**` is one or more.
"""

import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from connected_apps_tools.text.printable import printable
from connected_apps_tools.text.urls import ACTIVE_SCHEMES, Url, canonical_host

MAX_RULE_TEXT = 80
"""Most characters shown of a host, a scheme or a malformed URL."""

_WILD = frozenset({"*", "**"})
_NUMBER = re.compile(r"(?:.*\.)?(?:\d+|0x[0-9a-f]*)")
"""A host that ends in a number. Browsers read it as an IPv4 address."""

_SCHEME_GLOB = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)*(?:\.\*\*?)?")


def mistake(value: str, advice: str) -> PydanticCustomError:
    """A value that a rule cannot have, and what to write instead."""
    shown = printable(value, MAX_RULE_TEXT)
    return PydanticCustomError("policy", "{shown}: {advice}", {"shown": shown, "advice": advice})


def _host_glob(text: str) -> str:
    first, _, rest = text.partition(".")
    spelled = rest if first in _WILD else text
    if not spelled or "*" in spelled:
        raise mistake(
            text,
            "an asterisk stands for a whole label before a name: *.corp.example for one label, "
            "**.corp.example for one or more; to allow every host, leave redirect_hosts out",
        )
    # An IPv6 address may be given with or without brackets.
    bare = ":" in spelled and not spelled.startswith("[")
    host = canonical_host(f"[{spelled}]" if bare else spelled)
    if host is None:
        raise mistake(text, "give a host alone, without scheme, port and path")
    if _NUMBER.fullmatch(host) and not _is_ipv4(host):
        raise mistake(text, "write an address out, as in 127.0.0.1")
    if spelled == text:
        return host
    if Url("", host=host).loopback or _is_address(host):
        raise mistake(text, "spell loopback names and addresses out, without an asterisk")
    return f"{first}.{host}"


def _is_ipv4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _is_address(host: str) -> bool:
    return ":" in host or _is_ipv4(host)


def _scheme_glob(text: str) -> str:
    scheme = text.lower()
    if not (text.isascii() and _SCHEME_GLOB.fullmatch(scheme)):
        raise mistake(
            text,
            "give a scheme alone, such as https or com.example.app; an asterisk stands for a "
            "whole label at its end: com.example.* for one label, com.example.** for one or more",
        )
    if scheme in ACTIVE_SCHEMES:
        raise mistake(text, "browsers run or open such URLs, so no policy allows them")
    return scheme


def matches(glob: list[str], labels: list[str]) -> bool:
    """Whether labels match a pattern. Its first label may be an asterisk."""
    first, *rest = glob
    if first == "**":
        return len(labels) > len(rest) and labels[-len(rest) :] == rest
    return labels[1:] == rest if first == "*" else labels == glob


HostGlob = Annotated[str, AfterValidator(_host_glob)]
SchemeGlob = Annotated[str, AfterValidator(_scheme_glob)]
