import gzip
import json
import tracemalloc
from typing import Any

import anyio
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from server.auth.fake_issuer import (
    CLAIMS,
    HEADER,
    ISSUER,
    JWKS,
    METADATA,
    Setup,
    jwk_of,
    signed,
    token,
    token_with,
)
from server.auth.refused import reason_for

from connected_apps_mcp.auth import Reason
from connected_apps_mcp.auth.issuers.kept import (
    MAX_AGE_SECONDS,
    PAUSE_SECONDS,
    REFRESH_SECONDS,
)

OLD = signed(HEADER | {"kid": "old"}, CLAIMS, "old")
NEW = signed(HEADER | {"kid": "new"}, CLAIMS, "new")


@pytest.fixture
def rotating() -> Setup:
    """A verifier of an issuer that has one key, and another one later."""
    setup = Setup()
    setup.issuer.keys = [jwk_of("old")]
    return setup


async def test_a_new_key_counts_at_once(rotating: Setup) -> None:
    await rotating.verifier.check(OLD)
    rotating.issuer.keys = [jwk_of("old"), jwk_of("new")]
    assert await rotating.verifier.check(NEW)
    assert await rotating.verifier.check(OLD)
    assert rotating.issuer.paths.count(JWKS) == 2


async def test_a_key_that_is_withdrawn_no_longer_counts_once_another_came(rotating: Setup) -> None:
    await rotating.verifier.check(OLD)
    rotating.later(PAUSE_SECONDS)
    rotating.issuer.keys = [jwk_of("new")]
    assert await rotating.verifier.check(NEW)
    assert await reason_for(rotating, OLD) is Reason.UNKNOWN_KEY


async def test_a_key_that_is_withdrawn_counts_ten_minutes_at_most(rotating: Setup) -> None:
    await rotating.verifier.check(OLD)
    rotating.issuer.keys = []
    rotating.wall.now -= REFRESH_SECONDS  # the token is as long valid
    rotating.later(REFRESH_SECONDS)
    assert await reason_for(rotating, OLD) is Reason.UNKNOWN_KEY


async def test_keys_are_fetched_again_after_ten_minutes_and_not_before(setup: Setup) -> None:
    good = token(exp=4_000_000_000)
    for seconds, fetched in [(0, 1), (REFRESH_SECONDS - 1, 1), (1, 2), (REFRESH_SECONDS, 3)]:
        setup.later(seconds)
        await setup.verifier.check(good)
        assert setup.issuer.paths.count(JWKS) == fetched


async def test_unknown_keys_are_asked_for_once_in_half_a_minute(setup: Setup) -> None:
    await setup.verifier.check(token())
    for fetched in (2, 3):
        for number in range(5):
            assert await reason_for(setup, token_with(kid=f"x{number}")) is Reason.UNKNOWN_KEY
        assert setup.issuer.paths.count(JWKS) == fetched
        setup.later(PAUSE_SECONDS - 1)
        assert await reason_for(setup, token_with(kid="x")) is Reason.UNKNOWN_KEY
        assert setup.issuer.paths.count(JWKS) == fetched
        setup.later(1)


async def test_64_callers_cause_one_request(setup: Setup) -> None:
    async def slow(_: httpx2.Request) -> httpx2.Response:
        await anyio.sleep(0.01)
        return httpx2.Response(200, json={"keys": setup.issuer.keys})

    setup.issuer.responses[JWKS] = slow
    good = token()
    async with anyio.create_task_group() as group:
        for _ in range(64):
            group.start_soon(setup.verifier.check, good)
    assert setup.issuer.paths == [METADATA, JWKS]


async def test_64_callers_with_a_new_key_cause_one_request(rotating: Setup) -> None:
    await rotating.verifier.check(OLD)
    rotating.later(PAUSE_SECONDS)
    rotating.issuer.keys = [jwk_of("old"), jwk_of("new")]
    async with anyio.create_task_group() as group:
        for number in range(64):
            group.start_soon(rotating.verifier.check, (OLD, NEW)[number % 2])
    assert rotating.issuer.paths.count(JWKS) == 2


async def test_callers_with_a_known_key_do_not_wait_for_a_fetch(setup: Setup) -> None:
    good, began, go_on = token(exp=4_000_000_000), anyio.Event(), anyio.Event()
    await setup.verifier.check(good)

    async def slow(_: httpx2.Request) -> httpx2.Response:
        began.set()
        await go_on.wait()
        return httpx2.Response(200, json={"keys": setup.issuer.keys})

    setup.issuer.responses[JWKS] = slow
    setup.later(REFRESH_SECONDS)
    async with anyio.create_task_group() as group:
        group.start_soon(setup.verifier.check, good)
        await began.wait()
        assert await setup.verifier.check(good)
        go_on.set()


async def test_a_caller_that_hangs_up_does_not_stop_the_fetch(rotating: Setup) -> None:
    await rotating.verifier.check(OLD)
    rotating.later(PAUSE_SECONDS)
    rotating.issuer.keys = [jwk_of("new")]
    with anyio.CancelScope() as hung_up:
        hung_up.cancel()
        await rotating.verifier.check(NEW)
    assert await rotating.verifier.check(NEW)


async def test_known_keys_count_for_an_hour_while_the_issuer_fails(setup: Setup) -> None:
    good = token(exp=4_000_000_000)
    await setup.verifier.check(good)
    setup.issuer.responses[JWKS] = httpx2.Response(500)
    setup.later(MAX_AGE_SECONDS - 1)
    assert await setup.verifier.check(good)
    setup.later(1)
    assert await reason_for(setup, good) is Reason.ISSUER_UNAVAILABLE


async def test_an_issuer_that_fails_is_asked_once_in_half_a_minute(setup: Setup) -> None:
    good = token(exp=4_000_000_000)
    await setup.verifier.check(good)
    setup.issuer.responses[JWKS] = httpx2.Response(500)
    setup.later(REFRESH_SECONDS)
    for _ in range(5):
        assert await setup.verifier.check(good)
    assert setup.issuer.paths.count(JWKS) == 2


async def test_an_issuer_that_comes_back_counts_again(setup: Setup) -> None:
    setup.issuer.responses[METADATA] = httpx2.Response(503)
    assert await reason_for(setup, token()) is Reason.ISSUER_UNAVAILABLE
    del setup.issuer.responses[METADATA]
    setup.later(PAUSE_SECONDS)
    assert await setup.verifier.check(token())


async def test_one_key_needs_no_id() -> None:
    setup = Setup()
    setup.issuer.keys = [jwk_of("rsa", kid=None)]
    assert await setup.verifier.check(token_with(kid=...))


async def test_an_id_is_needed_where_there_are_several_keys(setup: Setup) -> None:
    assert await reason_for(setup, token_with(kid=...)) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize("twins", [("rsa", "old"), ("old", "rsa"), ("p256", "rsa")])
async def test_keys_that_share_an_id_are_all_tried(twins: tuple[str, str], setup: Setup) -> None:
    setup.issuer.keys = [jwk_of(name, kid="rsa") for name in twins]
    assert await setup.verifier.check(token())
    assert await reason_for(setup, signed(HEADER, CLAIMS, "stranger")) is Reason.BAD_SIGNATURE


UNUSABLE: dict[str, Any] = {
    "for encryption": jwk_of("rsa", use="enc"),
    "for an unknown use": jwk_of("rsa", use="tls"),
    "a use that is no text": jwk_of("rsa", use=["sig"]),
    "for signing only": jwk_of("rsa", key_ops=["sign"]),
    "for no operation": jwk_of("rsa", key_ops=[]),
    "operations that are no list": jwk_of("rsa", key_ops="verify"),
    "for an encryption algorithm": jwk_of("rsa", alg="RSA-OAEP"),
    "for a symmetric algorithm": jwk_of("rsa", alg="HS256"),
    "for no algorithm": jwk_of("rsa", alg="none"),
    "for an algorithm of another type": jwk_of("rsa", alg="ES256"),
    "private": jwk_of("rsa", d="AQAB"),
    "symmetric": {"kty": "oct", "kid": "rsa", "k": "c2VjcmV0"},
    "of no type": jwk_of("rsa", kty=...) | {"kty": None},
    "of an unknown type": jwk_of("rsa", kty="AKP"),
    "of a type that is no text": jwk_of("rsa", kty=["RSA"]),
    "of another type": jwk_of("rsa", kty="EC", crv="P-256"),
    "of an unused curve": jwk_of("p256", kid="rsa", crv="secp256k1"),
    "of another curve": jwk_of("p256", kid="rsa", crv="P-384"),
    "beside its curve": jwk_of("p256", kid="rsa", x="AAAA", y="AAAA"),
    "of the curve Ed448": {"kty": "OKP", "crv": "Ed448", "kid": "rsa", "x": "AAAA"},
    "for key agreement": {"kty": "OKP", "crv": "X25519", "kid": "rsa", "x": "AAAA"},
    "without a modulus": {"kty": "RSA", "kid": "rsa", "e": "AQAB"},
    "an empty modulus": jwk_of("rsa", n=""),
    "a modulus that is no text": jwk_of("rsa", n=65537),
    "a modulus that is rubbish": jwk_of("rsa", n="!!!"),
    "an exponent of one": jwk_of("rsa", e="AQ"),
    "an even exponent": jwk_of("rsa", e="Ag"),
    "an id that is no text": jwk_of("rsa", kid=5),
    "an id in a list": jwk_of("rsa", kid=["rsa"]),
    "null": None,
    "a text": "rsa",
    "a list": [],
    "empty": {},
}


@pytest.mark.parametrize("name", UNUSABLE)
async def test_a_key_for_something_else_verifies_nothing(name: str, setup: Setup) -> None:
    setup.issuer.keys = [UNUSABLE[name], jwk_of("other")]
    assert await reason_for(setup, token()) is Reason.UNKNOWN_KEY
    assert await setup.verifier.check(signed(HEADER | {"kid": "other"}, CLAIMS, "other"))


async def test_a_short_rsa_key_verifies_nothing(setup: Setup) -> None:
    from jwt.algorithms import RSAAlgorithm
    from server.auth.fake_issuer import rsa_key

    short = rsa_key("short", 1024)
    setup.issuer.keys = [RSAAlgorithm.to_jwk(short.public_key(), as_dict=True) | {"kid": "rsa"}]
    assert await reason_for(setup, signed(HEADER, CLAIMS, short)) is Reason.UNKNOWN_KEY


@pytest.mark.parametrize("algorithm", ["RS512", "PS256"])
async def test_a_key_serves_only_the_algorithm_that_it_names(algorithm: str, setup: Setup) -> None:
    setup.issuer.keys = [jwk_of("rsa", alg=algorithm)]
    assert await reason_for(setup, token()) is Reason.BAD_ALGORITHM
    assert await setup.verifier.check(signed(HEADER | {"alg": algorithm}, CLAIMS, "rsa", algorithm))


_JSON = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text(), max_size=2)


@given(
    st.sampled_from(["rsa", "p256", "ed25519"]),
    st.sampled_from(["kty", "crv", "n", "e", "x", "y", "alg", "use", "kid"]),
    _JSON,
)
async def test_no_key_makes_the_verifier_fail(name: str, member: str, value: Any) -> None:
    setup = Setup()
    setup.issuer.keys = [jwk_of(name, **{member: value})]
    await setup.verifier.verify_token(token())


def _json(status: int = 200, *, content: bytes | str = "{}", **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.Response(
        status, headers={"content-type": "application/json"} | named, content=content
    )


async def _hang(_: httpx2.Request) -> httpx2.Response:
    await anyio.sleep(20)
    return httpx2.Response(200)


async def _drop(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.RemoteProtocolError("peer closed", request=request)


async def _refuse(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("refused", request=request)


async def _trickle(_: httpx2.Request) -> httpx2.Response:
    async def body() -> Any:
        while True:
            yield b" "
            await anyio.sleep(0.001)

    return httpx2.Response(200, headers={"content-type": "application/json"}, content=body())


GOOD_SET = json.dumps({"keys": [jwk_of("rsa")]})
BAD_RESPONSES: dict[str, Any] = {
    "hangs": _hang,
    "trickles": _trickle,
    "breaks off": _drop,
    "refuses the connection": _refuse,
    **{
        f"redirects with {status}": _json(status, location=f"{ISSUER}/keys", content=GOOD_SET)
        for status in (301, 302, 303, 307, 308)
    },
    **{
        f"responds with {status}": _json(status, content=GOOD_SET)
        for status in (201, 203, 206, 400, 401, 403, 404, 410, 429, 500, 502, 503)
    },
    "says HTML": _json(content_type="text/html", content=GOOD_SET),
    "says text": _json(content_type="text/plain; charset=utf-8", content=GOOD_SET),
    "says no type": httpx2.Response(200, content=GOOD_SET),
    "says a type like JSON": _json(content_type="application/jsonp", content=GOOD_SET),
    "is HTML": _json(content="<html>"),
    "is empty": _json(content=""),
    "is cut": _json(content=GOOD_SET[:-3]),
    "is a list": _json(content="[]"),
    "is null": _json(content="null"),
    "is a token": _json(content=json.dumps(token())),
    "has a member twice": _json(content=GOOD_SET[:-1] + ', "keys": []}'),
    "is not UTF-8": _json(content=b'{"keys": "\xff"}'),
    "is deep": _json(content="[" * 100_000),
    "is huge": _json(content=GOOD_SET[:-1] + " " * 300_000 + "}"),
    "is compressed": _json(content_encoding="x-unknown", content=GOOD_SET),
}


@pytest.mark.usefixtures("short_timeouts")
@pytest.mark.parametrize("path", [JWKS, METADATA])
@pytest.mark.parametrize("trouble", BAD_RESPONSES)
async def test_an_issuer_in_trouble_lets_no_caller_in(
    trouble: str, path: str, setup: Setup
) -> None:
    setup.issuer.responses[path] = BAD_RESPONSES[trouble]
    assert await reason_for(setup, token()) is Reason.ISSUER_UNAVAILABLE


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"keys": None},
        {"keys": {}},
        {"keys": "x"},
        {"keys": [jwk_of("rsa")] * 101},
        {"key": [jwk_of("rsa")]},
    ],
)
async def test_what_is_no_set_of_keys_lets_no_caller_in(document: Any, setup: Setup) -> None:
    setup.issuer.responses[JWKS] = httpx2.Response(200, json=document)
    assert await reason_for(setup, token()) is Reason.ISSUER_UNAVAILABLE


async def test_an_issuer_without_keys_lets_no_caller_in(setup: Setup) -> None:
    setup.issuer.keys = []
    assert await reason_for(setup, token()) is Reason.UNKNOWN_KEY


async def test_a_compressed_bomb_is_not_expanded(setup: Setup) -> None:
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    bomb = gzip.compress(b" " * 50_000_000, 1)

    async def respond(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers=headers, stream=httpx2.ByteStream(bomb))

    setup.issuer.responses[JWKS] = respond
    tracemalloc.start()
    assert await reason_for(setup, token()) is Reason.ISSUER_UNAVAILABLE
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


async def test_the_log_says_why_there_are_no_keys(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    setup.issuer.responses[JWKS] = _json(302, location="https://evil.example/?canary")
    await setup.verifier.verify_token(token())
    assert f"Could not fetch the keys of {ISSUER}: status 302." in caplog.text
    assert "canary" not in caplog.text
