"""Encrypts a secret for the key of one page, so that nobody else can read it."""

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

KEY_BITS = 3_072
EXPONENT = 65_537
MAX_SEALED_BYTES = 318
"""The most bytes that such a key encrypts at once: 384, without two digests of 32 and 2."""


class SealingError(Exception):
    """A key is not one of a page, or a secret is too long for it."""


def page_key(public_key: str) -> "RSAPublicKey":
    """The key of a page, from its SubjectPublicKeyInfo in base64.

    Raises:
        SealingError: it is another kind of key, or no key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(b64decode(public_key, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if isinstance(key, RSAPublicKey) and key.key_size == KEY_BITS:
        numbers = key.public_numbers()
        if numbers.e == EXPONENT and numbers.n % 2:  # nothing can be encrypted for an even one
            return key
    raise SealingError(
        f"must be an RSA key of {KEY_BITS} bits with the exponent {EXPONENT}, "
        "as SubjectPublicKeyInfo in base64"
    )


def sealed(secret: str, key: "RSAPublicKey") -> str:
    """The secret under RSA-OAEP with SHA-256, in base64.

    Raises:
        SealingError: the secret is too long.
    """
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
    from cryptography.hazmat.primitives.hashes import SHA256

    plain = secret.encode()
    if len(plain) > MAX_SEALED_BYTES:
        raise SealingError(f"the secret has more than {MAX_SEALED_BYTES} bytes")
    return b64encode(key.encrypt(plain, OAEP(MGF1(SHA256()), SHA256(), label=None))).decode()
