"""Tokens that do not count, each with the reason: forged, stale, misdirected and malformed ones."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from server.auth.fake_issuer import (
    CLAIMS,
    HEADER,
    ISSUER,
    NOW,
    RESOURCE,
    changed,
    jwk_of,
    key_of,
    part,
    rsa_key,
    signed,
    token,
    token_with,
)

from connected_apps_mcp.auth import Reason


class Forgery(NamedTuple):
    """A token, and why it is refused."""

    name: str
    token: str
    reason: Reason


def forgeries() -> Iterator[Forgery]:
    """All tokens of the table."""
    yield from _members("header", token_with, HEADERS)
    yield from _members("claims", token, TOKENS)
    yield from _of_other_shapes()
    yield from _of_other_json()
    yield from _of_other_keys()
    yield from _with_public_secrets()
    yield from _with_other_signatures()


def _members(
    where: str, make: Any, table: Mapping[Reason, Mapping[str, list[Any]]]
) -> Iterator[Forgery]:
    for reason, members in table.items():
        for member, values in members.items():
            for value in values:
                shown = "nothing" if value is ... else json.dumps(value)[:40]
                yield Forgery(f"{where}: {member} = {shown}", make(**{member: value}), reason)


HEADERS: dict[Reason, dict[str, list[Any]]] = {
    Reason.BAD_ALGORITHM: {
        "alg": [
            *(..., None, "", 5, True, [], {}, ["RS256"], {"RS256": 1}),
            *("none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512"),
            *("rs256", "RS256 ", " RS256", "RS256\0", "RS1", "ES256K", "ES521", "Ed448"),
            *("RSA-OAEP", "dir", "A128KW", "PBES2-HS256+A128KW", "ES256", "ES384", "EdDSA"),
        ],
    },
    Reason.CRITICAL_HEADER: {
        "crit": [None, 5, "exp", "b64", [], ["exp"], ["b64"], [""], ["http://x.example"], {}]
    },
    Reason.NOT_AN_ACCESS_TOKEN: {
        "typ": [
            *(None, "", 5, [], ["JWT"], {}, "ID", "id+jwt", "id_token", "JWE", "JOSE", "JOSE+JSON"),
            *("dpop+jwt", "logout+jwt", "secevent+jwt", "rt+jwt", "kb+jwt", "application/jwt"),
            *(
                "token-introspection+jwt",
                "oauth-authz-req+jwt",
                "at+jwt;v=1",
                "at+jwt ",
                "x/at+jwt",
            ),
        ],
        "cty": ["JWT", "jwt", "application/jwt", "json", None, 5],
    },
    Reason.MALFORMED: {"kid": [None, 5, 1.5, True, [], {}, ["rsa"]], "b64": [False]},
    Reason.UNKNOWN_KEY: {
        "kid": [..., "", "RSA", "rsa ", "other", "../../dev/null", "' OR 1=1 --", "k" * 3000, "\0"]
    },
}
"""Members of a header that no token may have."""

_BAD_NAMES = [5, True, [], {}, ["x"], "", "n" * 257, "a\nb", "a\0b", "a\u202eb", "\ud800", "\u2028"]
_NOT_TIMES = ["", "soon", str(NOW + 300), True, False, [], {}, [NOW], -1, -1e300, 1e300, 10**400]

TOKENS: dict[Reason, dict[str, list[Any]]] = {
    Reason.UNKNOWN_ISSUER: {
        "iss": [
            *(..., None, "", 5, True, [], {}, [ISSUER], {"url": ISSUER}),
            *(f"{ISSUER}/", f"{ISSUER}/other", f"{ISSUER}:443", f" {ISSUER}", f"{ISSUER}\0"),
            *("https://ISSUER.example", "http://issuer.example", "issuer.example"),
            *("https://issuer.example.evil.example", "https://issuer.example@evil.example"),
            *("https://evil.example", "https://tenant-2.issuer.example", "stytch.com/project-1"),
        ]
    },
    Reason.EXPIRED: {"exp": [NOW, NOW - 1, NOW - 0.001, NOW - 29, NOW - 86_400, 0, 0.5]},
    Reason.NOT_YET_VALID: {
        claim: [NOW + 31, NOW + 30.5, NOW + 86_400, 4_000_000_000] for claim in ("nbf", "iat")
    },
    Reason.WRONG_AUDIENCE: {
        "aud": [
            *(..., "", [], [""], "client-1", ["client-1"], "project-1", "*", "mcp", ISSUER),
            *(["https://other.example/mcp", "https://mcp.example.org/mcp"], "mcp.example.com/mcp"),
            *(
                "https://mcp.example.com",
                "https://mcp.example.com/",
                f"{RESOURCE}x",
                f"{RESOURCE}/x",
            ),
            *(f"{RESOURCE}//", f"{RESOURCE}?x", f"{RESOURCE}?", f"{RESOURCE}#x", f"{RESOURCE}#"),
            *("https://mcp.example.com/MCP", "https://mcp.example.com//mcp", "urn:mcp"),
            *("http://mcp.example.com/mcp", "https://mcp.example.com:8443/mcp", RESOURCE + "\n"),
            *("https://mcp.example.com:99999/mcp", "https://mcp.example.com:x/mcp", "https:///mcp"),
            *("https://mcp.example.com.evil.example/mcp", "https://evil.example/mcp"),
            *("https://mcp.example.com@evil.example/mcp", "https://u@mcp.example.com/mcp"),
            *("https://*.example.com/mcp", "https://m\u0441p.example.com/mcp", f" {RESOURCE}"),
            *("https://\uff4dcp.example.com/mcp", "https://mcp.example.com%2fmcp", "//mcp/mcp"),
        ],
    },
    Reason.NOT_AN_ACCESS_TOKEN: {
        "nonce": ["n", "", None],
        "at_hash": ["h"],
        "c_hash": ["h"],
        "s_hash": ["h"],
        "events": [{"http://schemas.openid.net/event/backchannel-logout": {}}],
        "typ": ["ID", "Refresh", "Offline", "Logout", "Serialized-ID", "", None, ["Bearer"]],
        "token_use": ["id", "refresh", "", None, ["access"]],
    },
    Reason.SENDER_CONSTRAINED: {
        "cnf": [{"jkt": "x"}, {"x5t#S256": "x"}, {"jwk": {}}, {}, None, "x"],
    },
    Reason.MALFORMED: {
        "exp": [..., None, *_NOT_TIMES],
        "nbf": _NOT_TIMES,
        "iat": _NOT_TIMES,
        "aud": [None, 5, True, {}, [5], [None], [[RESOURCE]], {RESOURCE: True}, [RESOURCE, 5]],
        "sub": _BAD_NAMES,
        "client_id": _BAD_NAMES,
        "jti": _BAD_NAMES,
        "scope": [None, 5, True, {}, [5], [["apps:read"]], {"apps:read": True}],
        "groups": [None, 5, {}, [5], [["admins"]]],
    },
}
"""Claims that no token may have."""


def _of_other_shapes() -> Iterator[Forgery]:
    good = token()
    header, claims, signature = good.split(".")
    opaque = {
        "one part": header,
        "two parts": f"{header}.{claims}",
        "four parts": f"{good}.{signature}",
        "five parts, as if encrypted": ".".join([header, "", claims, signature, ""]),
        "four dots": "....",
        "only dots": "...",
        "a random string": "kZ81kQ0pLm27",
    }
    malformed = {
        "empty": "",
        "two dots": "..",
        "no header": f".{claims}.{signature}",
        "no claims": f"{header}..{signature}",
        "a space before": f" {good}",
        "a space after": f"{good} ",
        "a line break after": f"{good}\n",
        "a line break within": f"{header}.\n{claims}.{signature}",
        "a header break": f"{good}\r\nX-Evil: 1",
        "a scheme before": f"Bearer {good}",
        "two tokens": f"{good},{good}",
        "a character beyond ASCII": f"{good}é",
        "a dot beyond ASCII": good.replace(".", "\u3002"),
        "a zero": f"{good}\0",
        "quotes": f'"{good}"',
        "padding at the end": f"{good}==",
        "padding in the header": f"{header}=.{claims}.{signature}",
        "the other alphabet": f"{header}.{claims}.{signature[:-4]}+/+/",
        "a tilde in the claims": f"{header}.~{claims}.{signature}",
        "a tilde in the signature": f"{header}.{claims}.~{signature}",
        "a signature of an impossible length": f"{header}.{claims}.AAAAA",
        "the JSON serialisation": json.dumps(
            {"protected": header, "payload": claims, "signature": signature}
        ),
    }
    yield from (Forgery(f"shape: {name}", text, Reason.OPAQUE) for name, text in opaque.items())
    for name, text in malformed.items():
        yield Forgery(f"shape: {name}", text, Reason.MALFORMED)
    yield Forgery("shape: huge claims", token(more="x" * 16_384), Reason.TOO_LONG)
    yield Forgery("shape: huge header", token_with(more="x" * 16_384), Reason.TOO_LONG)
    yield Forgery("shape: huge rubbish", "x" * 5_000_000, Reason.TOO_LONG)


def _of_other_json() -> Iterator[Forgery]:
    header, claims = json.dumps(HEADER).encode(), json.dumps(CLAIMS).encode()
    bad = {
        "nothing": b"",
        "a blank": b" ",
        "null": b"null",
        "a number": b"5",
        "a string": b'"x"',
        "a list": b"[]",
        "a word": b"admin",
        "NaN": b'{"exp": NaN}',
        "Infinity": b'{"exp": Infinity}',
        "minus Infinity": b'{"exp": -Infinity}',
        "a number of 5,000 digits": b'{"exp": ' + b"1" * 5000 + b"}",
        "deep lists": b"[" * 5000,
        "deep objects": b'{"a":' * 1500,
        "single quotes": b"{'alg': 'RS256'}",
        "a comment": b"{} // x",
        "something after it": b"{} {}",
        "a comma too many": b'{"alg": "RS256",}',
        "a break in a string": b'{"alg": "RS\n256"}',
        "no UTF-8": b'{"alg": "\xff"}',
        "a mark before it": b"\xef\xbb\xbf{}",
        "UTF-16": '{"alg": "RS256"}'.encode("utf-16"),
        "UTF-32": '{"alg": "RS256"}'.encode("utf-32"),
    }
    for name, data in bad.items():
        yield Forgery(f"JSON: the header is {name}", signed(data, CLAIMS), Reason.MALFORMED)
        yield Forgery(f"JSON: the claims are {name}", signed(HEADER, data), Reason.MALFORMED)
    for name in HEADER:
        twice = header[:-1] + f', "{name}": {json.dumps(HEADER[name])}}}'.encode()
        yield Forgery(
            f"JSON: {name} is twice in the header", signed(twice, claims), Reason.MALFORMED
        )
    for name in CLAIMS:
        twice = claims[:-1] + f', "{name}": {json.dumps(CLAIMS[name])}}}'.encode()
        yield Forgery(f"JSON: {name} is twice", signed(header, twice), Reason.MALFORMED)
    escaped = claims[:-1] + b', "\\u0069ss": "https://evil.example"}'
    yield Forgery("JSON: iss is twice, once escaped", signed(header, escaped), Reason.MALFORMED)
    within = claims[:-1] + b', "act": {"sub": "a", "sub": "b"}}'
    yield Forgery("JSON: twice in a nested object", signed(header, within), Reason.MALFORMED)
    infinite = claims[:-1].replace(str(NOW + 300).encode(), b"1e999") + b"}"
    yield Forgery("JSON: exp is beyond all numbers", signed(header, infinite), Reason.MALFORMED)
    nested = signed(HEADER, token().encode())
    yield Forgery("JSON: the claims are a token", nested, Reason.MALFORMED)
    wrapped = signed(HEADER | {"cty": "JWT"}, token().encode())
    yield Forgery("JSON: the claims are a token, and it says so", wrapped, Reason.MALFORMED)


def _of_other_keys() -> Iterator[Forgery]:
    stranger = rsa_key("stranger")
    injected = {
        "jwk": jwk_of("stranger"),
        "jku": "https://evil.example/jwks.json",
        "x5u": "https://evil.example/x.pem",
        "x5c": ["MIIB"],
        "x5t": "x",
    }
    yield Forgery("key: of a stranger", signed(HEADER, CLAIMS, stranger), Reason.BAD_SIGNATURE)
    for name, value in injected.items():
        known = signed(HEADER | {name: value}, CLAIMS, stranger)
        yield Forgery(f"key: of a stranger, in {name}", known, Reason.BAD_SIGNATURE)
        unknown = signed(HEADER | {name: value, "kid": "stranger"}, CLAIMS, stranger)
        yield Forgery(f"key: of a stranger, in {name}, by its id", unknown, Reason.UNKNOWN_KEY)
    for alg in ("RS384", "RS512", "PS256", "PS384", "PS512"):
        wrong = signed(HEADER | {"alg": alg}, CLAIMS)
        yield Forgery(f"key: RS256, called {alg}", wrong, Reason.BAD_SIGNATURE)
        other = signed(HEADER, CLAIMS, algorithm=alg)
        yield Forgery(f"key: {alg}, called RS256", other, Reason.BAD_SIGNATURE)
    for kid, alg in [("p256", "ES384"), ("p384", "ES256"), ("p521", "ES256"), ("p256", "EdDSA")]:
        token_ = signed(HEADER | {"alg": alg, "kid": kid}, CLAIMS)
        yield Forgery(f"key: {kid} with {alg}", token_, Reason.BAD_ALGORITHM)
    for kid, alg in [("p256", "ES256"), ("p384", "ES384"), ("p521", "ES512"), ("ed25519", "EdDSA")]:
        token_ = signed(HEADER | {"alg": alg, "kid": kid}, CLAIMS)
        yield Forgery(f"key: {kid}, signed by the RSA key", token_, Reason.BAD_SIGNATURE)
        zeros = f"{part(HEADER | {'alg': alg, 'kid': kid})}.{part(CLAIMS)}.{part(bytes(64))}"
        yield Forgery(f"key: {kid}, a signature of zeros", zeros, Reason.BAD_SIGNATURE)
    for kid in ("p256", "p384", "p521", "ed25519"):
        yield Forgery(f"key: RS256 with {kid}", token_with(kid=kid), Reason.BAD_ALGORITHM)
    twin = ec.generate_private_key(ec.SECP256R1())
    stolen = signed(HEADER | {"alg": "ES256", "kid": "p256"}, CLAIMS, twin, "ES256")
    yield Forgery("key: another one of the same curve", stolen, Reason.BAD_SIGNATURE)


def _with_public_secrets() -> Iterator[Forgery]:
    import hmac

    public = key_of("rsa").public_key()
    secrets = {
        "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "PKCS1": public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
        "JWK": json.dumps(jwk_of("rsa")).encode(),
        "modulus": jwk_of("rsa")["n"].encode(),
        "nothing": b"",
        "kid": b"rsa",
    }
    for alg, digest in [("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")]:
        for name, secret in secrets.items():
            message = f"{part(HEADER | {'alg': alg})}.{part(CLAIMS)}"
            mac = hmac.digest(secret, message.encode(), digest)
            forged = f"{message}.{part(mac)}"
            yield Forgery(f"secret: {alg} with the {name}", forged, Reason.BAD_ALGORITHM)
            renamed = f"{part(HEADER)}.{part(CLAIMS)}.{part(mac)}"
            yield Forgery(
                f"secret: {alg} with the {name}, called RS256", renamed, Reason.BAD_SIGNATURE
            )
    unsigned = f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(CLAIMS)}."
    yield Forgery("secret: none, and no signature", unsigned, Reason.BAD_ALGORITHM)


def _with_other_signatures() -> Iterator[Forgery]:
    header, claims, signature = token().split(".")
    admin = part(CLAIMS | {"sub": "admin"})
    bad = {
        "nothing": "",
        "cut": signature[:-6],
        "doubled": signature * 2,
        "one byte": "AA",
        "zeros": part(bytes(256)),
        "ones": part(b"\xff" * 256),
        "of another token": token(sub="user-2").split(".")[2],
        "of the header": signed(HEADER, b"").split(".")[2],
        "the claims": claims,
    }
    for name, other in bad.items():
        forged = f"{header}.{claims}.{other}"
        yield Forgery(f"signature: {name}", forged, Reason.BAD_SIGNATURE)
    swapped = f"{header}.{admin}.{signature}"
    yield Forgery("signature: for other claims", swapped, Reason.BAD_SIGNATURE)
    renamed = f"{part(HEADER | {'typ': 'at+jwt'})}.{claims}.{signature}"
    yield Forgery("signature: for another header", renamed, Reason.BAD_SIGNATURE)
    no_holder = changed(CLAIMS, {"sub": ..., "client_id": ...})
    yield Forgery("claims: no holder", signed(HEADER, no_holder), Reason.NO_HOLDER)
    plain = changed(CLAIMS, {"client_id": ..., "scope": ...})
    yield Forgery(
        "claims: neither client nor scope", signed(HEADER, plain), Reason.NOT_AN_ACCESS_TOKEN
    )
    session = plain | {"https://stytch.com/session": {"id": "session-1"}}
    yield Forgery("claims: a session", signed(HEADER, session), Reason.NOT_AN_ACCESS_TOKEN)
