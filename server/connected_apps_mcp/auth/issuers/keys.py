"""The keys with which an issuer signs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connected_apps_mcp.auth.json_objects import JsonObject

from .fetching import FetchFailed

MAX_KEYS = 100
_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_FAMILIES: Mapping[tuple[str, str], frozenset[str]] = {
    ("RSA", ""): _RSA,
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
}
ALGORITHMS = frozenset().union(*_FAMILIES.values())
"""The algorithms that a token may be signed with. All are asymmetric."""


@dataclass(frozen=True)
class Key:
    """A public key, and the algorithms that it may be used with."""

    kid: str | None
    algorithms: frozenset[str]
    public_key: Any = field(repr=False)


def keys_of(jwks: JsonObject) -> tuple[Key, ...]:
    """The keys of a set that can verify signatures. Keys for other purposes are left out.

    Raises:
        FetchFailed: it is not a set of keys, or it is too large.
    """
    entries = jwks.get("keys")
    if not isinstance(entries, list):
        raise FetchFailed("no set of keys")
    if len(entries) > MAX_KEYS:
        raise FetchFailed(f"more than {MAX_KEYS} keys")
    return tuple(key for entry in entries if isinstance(entry, dict) and (key := _key(entry)))


def _key(entry: JsonObject) -> Key | None:
    kid = entry.get("kid")
    family = _FAMILIES.get((str(entry.get("kty")), str(entry.get("crv", ""))), frozenset())
    algorithms = family & {entry["alg"]} if isinstance(entry.get("alg"), str) else family
    if not (algorithms and _signs(entry) and (kid is None or isinstance(kid, str))):
        return None
    public_key = _public_key(entry, min(algorithms))
    return Key(kid, algorithms, public_key) if public_key else None


def _signs(entry: JsonObject) -> bool:
    """Whether it may verify signatures, and is no private key that everybody can read."""
    operations = entry.get("key_ops", ["verify"])
    return (
        entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and "d" not in entry
    )


def _public_key(entry: JsonObject, algorithm: str) -> object:
    from jwt import PyJWK, PyJWTError

    try:
        key = PyJWK(entry, algorithm)
    except PyJWTError:
        return None
    too_short = key.Algorithm.check_key_length(key.key)
    return None if too_short else key.key
