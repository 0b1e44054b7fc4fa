"""Verifies access tokens that are JWTs."""

from collections.abc import Mapping, Sequence

from .issuers.issuer import Issuer
from .issuers.keys import ALGORITHMS, Key
from .json_objects import JsonObject, read_object
from .refusals import Reason, TokenRefused

_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})


def is_jwt(token: str) -> bool:
    """Whether a token has the three parts of a signed JWT. Every other one is opaque."""
    return token.count(".") == 2  # noqa: PLR2004


async def read_jwt(token: str, issuers: Mapping[str, Issuer]) -> tuple[Issuer, JsonObject]:
    """The issuer and the claims of a JWT, once its signature was verified. The claims are not.

    The claims are read before the signature is verified only to find the keys of the issuer.

    Raises:
        TokenRefused: it is not a JWT, or no trusted issuer signed it.
    """
    header, claims = _parse(token)
    _check_header(header)
    name = claims.get("iss")
    issuer = issuers.get(name) if isinstance(name, str) else None
    if issuer is None:
        raise TokenRefused(Reason.UNKNOWN_ISSUER)
    _verify(token, header["alg"], await issuer.keys_for(header.get("kid")))
    return issuer, claims


def _parse(token: str) -> tuple[JsonObject, JsonObject]:
    from jwt.utils import base64url_decode

    header, claims, _ = token.split(".")
    if "=" in token:  # PyJWT lets padding pass, the standard does not
        raise TokenRefused(Reason.MALFORMED)
    try:
        return read_object(base64url_decode(header)), read_object(base64url_decode(claims))
    except ValueError:
        raise TokenRefused(Reason.MALFORMED) from None


def _check_header(header: JsonObject) -> None:
    if "crit" in header:
        raise TokenRefused(Reason.CRITICAL_HEADER)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenRefused(Reason.BAD_ALGORITHM)
    if "cty" in header or str(header.get("typ", "JWT")).lower() not in _TYPES:
        raise TokenRefused(Reason.NOT_AN_ACCESS_TOKEN)
    if not isinstance(header.get("kid", ""), str):
        raise TokenRefused(Reason.MALFORMED)


def _verify(token: str, algorithm: str, keys: Sequence[Key]) -> None:
    fitting = [key for key in keys if algorithm in key.algorithms]
    if not fitting:
        raise TokenRefused(Reason.BAD_ALGORITHM)
    if not any(_is_signed_with(key, token, algorithm) for key in fitting):
        raise TokenRefused(Reason.BAD_SIGNATURE)


def _is_signed_with(key: Key, token: str, algorithm: str) -> bool:
    from jwt import InvalidSignatureError, PyJWTError
    from jwt.api_jws import decode

    try:
        decode(token, key.public_key, algorithms=[algorithm])
    except InvalidSignatureError:
        return False
    except PyJWTError:
        raise TokenRefused(Reason.MALFORMED) from None
    return True
