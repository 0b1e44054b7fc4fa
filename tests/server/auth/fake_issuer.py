"""An issuer of tokens, good and bad ones, behind a transport without a network."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any

import httpx2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from connected_apps_mcp.auth import AuthConfig, TrustedIssuer, Verifier

NOW = 1_800_000_000
ISSUER = "https://issuer.example"
RESOURCE = "https://mcp.example.com/mcp"
JWKS = "/.well-known/jwks.json"
METADATA = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"

CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "user-1",
    "aud": [RESOURCE],
    "client_id": "client-1",
    "scope": "apps:read apps:write other",
    "exp": NOW + 300,
    "nbf": NOW - 10,
    "iat": NOW - 10,
    "jti": "token-1",
}
"""What a good token claims."""

HEADER: dict[str, Any] = {"alg": "RS256", "typ": "JWT", "kid": "rsa"}

Private = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """An RSA key that all tests share by its name."""
    del name
    return rsa.generate_private_key(65537, bits)


@cache
def key_of(name: str) -> Private:
    """A key of the type that its name says."""
    curves = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}
    if name == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(curves[name]) if name in curves else rsa_key(name)


ALGORITHM_OF = {"p256": "ES256", "p384": "ES384", "p521": "ES512", "ed25519": "EdDSA"}


def jwk_of(name: str, **members: Any) -> dict[str, Any]:
    """The public key as a member of a set, with its name as its id."""
    algorithm: Any = get_default_algorithms()[ALGORITHM_OF.get(name, "RS256")]
    public: dict[str, Any] = algorithm.to_jwk(key_of(name).public_key(), as_dict=True)
    return {**public, "kid": name, **members}


def part(value: object) -> str:
    """A part of a JWT; bytes stay as they are."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(data).decode().rstrip("=")


def signed(header: object, claims: object, key: Any = "rsa", algorithm: str = "RS256") -> str:
    """A JWT with a fitting signature, whatever its header says."""
    message = f"{part(header)}.{part(claims)}"
    signer: Any = get_default_algorithms()[algorithm]
    private = key_of(key) if isinstance(key, str) else key
    return f"{message}.{part(signer.sign(message.encode(), private))}"


def changed(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The base with other members; without those that are `...`."""
    return {name: value for name, value in {**base, **changes}.items() if value is not ...}


def token(**claims: Any) -> str:
    """A good token with other claims; `...` leaves one out."""
    return signed(HEADER, changed(CLAIMS, claims))


def token_with(**header: Any) -> str:
    """A good token with another header; `...` leaves a member out."""
    return signed(changed(HEADER, header), CLAIMS)


class Clock:
    """A clock that stands until a test moves it."""

    def __init__(self, start: float = NOW) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now


Prepared = httpx2.Response | Callable[[httpx2.Request], Awaitable[httpx2.Response]]


class FakeIssuer:
    """An issuer that counts its requests. A test changes its keys and responses."""

    def __init__(self, url: str = ISSUER) -> None:
        self.url = url
        self.keys: list[Any] = [jwk_of(name) for name in ("rsa", *ALGORITHM_OF)]
        self.metadata: dict[str, Any] = {
            "issuer": url,
            "jwks_uri": url + JWKS,
            "introspection_endpoint": url + "/introspect",
        }
        self.responses: dict[str, Prepared] = {}
        self.requests: list[httpx2.Request] = []

    @property
    def paths(self) -> list[str]:
        """The paths of the requests so far."""
        return [request.url.path for request in self.requests]

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Serve a request."""
        self.requests.append(request)
        prepared = self.responses.get(request.url.path)
        if isinstance(prepared, httpx2.Response):
            return httpx2.Response(
                prepared.status_code, headers=prepared.headers, content=prepared.content
            )
        if prepared:
            return await prepared(request)
        if request.url.path == METADATA:
            return httpx2.Response(200, json=self.metadata)
        if request.url.path == JWKS:
            return httpx2.Response(200, json={"keys": self.keys})
        return httpx2.Response(404)


class Setup:
    """A verifier in front of a fake issuer, with clocks that stand."""

    def __init__(self, issuer: FakeIssuer | None = None, **config: Any) -> None:
        self.issuer = issuer or FakeIssuer()
        self.wall = Clock()
        self.clock = Clock(1000)
        self.addresses = ["93.184.215.14"]
        self.looked_up: list[tuple[str, int]] = []
        settings = {"issuers": (TrustedIssuer(self.issuer.url),), "resources": (RESOURCE,)}
        self.verifier = Verifier(
            AuthConfig(**{**settings, **config}),
            transport=httpx2.MockTransport(self.issuer),
            resolve=self._resolve,
            wall_clock=self.wall,
            clock=self.clock,
        )

    async def _resolve(self, host: str, port: int) -> list[str]:
        self.looked_up.append((host, port))
        return self.addresses

    def later(self, seconds: float) -> None:
        """Move both clocks."""
        self.wall.now += seconds
        self.clock.now += seconds
