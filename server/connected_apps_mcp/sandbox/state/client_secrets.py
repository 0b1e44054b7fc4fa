"""Client secrets: made once, shown once, kept only as a salted hash."""

from __future__ import annotations

import hmac
import secrets

SALT_BYTES = 16
SECRET_BYTES = 36
"""Gives 48 base64url characters, as in the one real test secret that was seen."""


def new_client_secret() -> str:
    """Return 288 random bits as 48 base64url characters."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_secret(secret: str) -> bytes:
    """Return what the store keeps of a secret: a random salt, then HMAC-SHA256 under it."""
    # A slow password hash guards guessable words. No one guesses 288 random bits, so speed costs
    # nothing here; the salt keeps equal secrets from looking equal.
    salt = secrets.token_bytes(SALT_BYTES)
    return salt + hmac.digest(salt, secret.encode(), "sha256")


def secret_matches(secret: str, kept: bytes | None) -> bool:
    """Compare in constant time; nothing matches a hash that is not there."""
    if kept is None:
        return False
    salt, digest = kept[:SALT_BYTES], kept[SALT_BYTES:]
    return hmac.compare_digest(hmac.digest(salt, secret.encode(), "sha256"), digest)


def last_four(secret: str) -> str:
    """Return the characters by which people tell secrets apart."""
    return secret[-4:]
