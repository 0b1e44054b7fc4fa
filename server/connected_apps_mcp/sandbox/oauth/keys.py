"""The keys that sign tokens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KEY_BITS = 2048
PUBLISHED_KEYS = 2
"""KNOWN: after a rotation the service publishes the former key too, for a month."""


class SigningKeys:
    """The keys of one issuer. They are made when they are first needed, and never stored."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._lock = threading.Lock()
        self._keys: list[tuple[str, RSAPrivateKey]] = []

    def prepare(self) -> None:
        """Make the first key. It takes a while, so not in a transaction of the database."""
        with self._lock:
            if not self._keys:
                self._add()

    def rotate(self) -> None:
        """Sign with a new key from now on."""
        with self._lock:
            self._add()

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return a JWT with these claims."""
        import jwt

        self.prepare()
        key_id, key = self._keys[0]
        # The type is UNKNOWN; the default of most libraries is "JWT".
        return jwt.encode(dict(claims), key, algorithm="RS256", headers={"kid": key_id})

    def public(self) -> dict[str, Any]:
        """Return the JSON Web Key Set (RFC 7517), the newest key first."""
        from jwt.algorithms import RSAAlgorithm

        self.prepare()
        keys = []
        for key_id, key in self._keys:
            numbers = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
            described = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": key_id}
            keys.append({**described, "n": numbers["n"], "e": numbers["e"]})
        return {"keys": keys}

    def _add(self) -> None:
        from cryptography.hazmat.primitives.asymmetric import rsa

        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        self._keys = [(self._new_id(), key), *self._keys][:PUBLISHED_KEYS]
