"""Client secrets: shown once, stored only as a salted hash."""

from __future__ import annotations

import hmac
import secrets

SALT_BYTES = 16
SECRET_BYTES = 36
"""Gives 48 base64url characters, like the one real test secret that we know."""


def new_client_secret() -> str:
    """Return 288 random bits as 48 base64url characters."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_secret(secret: str) -> bytes:
    """Return the stored hash of a secret: a random salt, then HMAC-SHA256 with it."""
    # A slow password hash protects guessable words. 288 random bits cannot be guessed, so a fast
    # hash is safe; the salt hides that two secrets are equal.
    salt = secrets.token_bytes(SALT_BYTES)
    return salt + hmac.digest(salt, secret.encode(), "sha256")


def secret_matches(secret: str, stored: bytes | None) -> bool:
    """Compare in constant time. Without a stored hash, nothing matches."""
    if stored is None:
        return False
    salt, digest = stored[:SALT_BYTES], stored[SALT_BYTES:]
    return hmac.compare_digest(hmac.digest(salt, secret.encode(), "sha256"), digest)


def last_four(secret: str) -> str:
    """Return the last four characters, which identify a secret to people."""
    return secret[-4:]
