from typing import Any

import httpx2
import pytest
from server.auth.fake_issuer import (
    CLAIMS,
    HEADER,
    ISSUER,
    JWKS,
    METADATA,
    OPENID,
    FakeIssuer,
    Setup,
    signed,
    token,
)
from server.auth.refused import reason_for
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from support import serving

from connected_apps_mcp.auth import AuthConfig, Reason, TrustedIssuer, Verifier
from connected_apps_mcp.auth.issuers.fetching import resolve
from connected_apps_mcp.auth.issuers.issuer import metadata_urls


@pytest.mark.parametrize(
    ("issuer", "oauth", "openid"),
    [
        (ISSUER, f"{ISSUER}{METADATA}", f"{ISSUER}{OPENID}"),
        (f"{ISSUER}/", f"{ISSUER}{METADATA}", f"{ISSUER}{OPENID}"),
        (f"{ISSUER}/a", f"{ISSUER}{METADATA}/a", f"{ISSUER}/a{OPENID}"),
        (f"{ISSUER}/a/b/", f"{ISSUER}{METADATA}/a/b", f"{ISSUER}/a/b{OPENID}"),
    ],
)
def test_metadata_is_where_the_standards_say(issuer: str, oauth: str, openid: str) -> None:
    assert metadata_urls(issuer) == (oauth, openid)


async def test_openid_metadata_serve_where_there_are_no_others(setup: Setup) -> None:
    setup.issuer.responses[METADATA] = httpx2.Response(404)
    setup.issuer.responses[OPENID] = httpx2.Response(200, json=setup.issuer.metadata)
    assert await setup.verifier.check(token())
    assert setup.issuer.paths == [METADATA, OPENID, JWKS]


@pytest.mark.parametrize(
    "name",
    [None, "", 5, [ISSUER], f"{ISSUER}/", "https://ISSUER.example", "https://evil.example"],
)
async def test_metadata_of_another_issuer_do_not_count(name: Any, setup: Setup) -> None:
    setup.issuer.metadata["issuer"] = name
    assert await reason_for(setup, token()) is Reason.ISSUER_UNAVAILABLE
    assert JWKS not in setup.issuer.paths


@pytest.mark.parametrize(
    "url",
    [
        *(
            None,
            "",
            5,
            [],
            {},
            ["https://issuer.example/keys"],
            "keys",
            "/keys",
            "//issuer.example/k",
        ),
        *("http://issuer.example/keys", "http://keys.example/keys", "ftp://keys.example/keys"),
        *("file:///etc/passwd", "data:application/json,{}", "javascript:x", "unix:/run/x"),
        *("http://127.0.0.1/keys", "http://localhost/keys", "http://[::1]/keys"),
        *("http://169.254.169.254/latest/meta-data", "https://u:p@keys.example/keys"),
        *(
            "https://keys.example:99999/keys",
            "https://keys.example\\@x/keys",
            "https://keys.example#x",
        ),
        *("https:// keys.example/keys", "https://*.example/keys", "https://k\u0435ys.example/keys"),
    ],
)
async def test_metadata_that_point_to_an_unsafe_place_are_not_followed(
    url: Any, setup: Setup
) -> None:
    setup.issuer.metadata["jwks_uri"] = url
    assert await reason_for(setup, token()) is Reason.ISSUER_UNAVAILABLE
    assert setup.issuer.paths == [METADATA]


PRIVATE = [
    *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1"),  # noqa: S104
    *("169.254.169.254", "100.64.0.1", "192.0.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255"),
    *("::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "fc00::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
]


@pytest.mark.parametrize("address", PRIVATE)
async def test_metadata_that_point_into_the_network_are_not_followed(
    address: str, setup: Setup
) -> None:
    setup.issuer.metadata["jwks_uri"] = "https://keys.example/keys"
    for addresses in ([address], ["8.8.8.8", address], [address, "8.8.8.8"]):
        setup.later(60)
        setup.addresses = addresses
        assert await reason_for(setup, token()) is Reason.ISSUER_UNAVAILABLE
    assert set(setup.issuer.paths) == {METADATA}


@pytest.mark.parametrize("addresses", [[], None])
async def test_a_host_without_an_address_gives_no_keys(addresses: Any, setup: Setup) -> None:
    setup.issuer.metadata["jwks_uri"] = "https://keys.example/keys"
    setup.addresses = addresses or []
    assert await reason_for(setup, token()) is Reason.ISSUER_UNAVAILABLE


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1111"])
async def test_a_request_elsewhere_goes_to_the_address_that_was_checked(
    address: str, setup: Setup
) -> None:
    setup.issuer.metadata["jwks_uri"] = f"https://keys.example:8443{JWKS}"
    setup.addresses = [address]
    assert await setup.verifier.check(token())
    request = setup.issuer.requests[-1]
    assert (request.url.host, request.url.port) == (address, 8443)
    assert request.headers["host"] == "keys.example:8443"
    assert request.extensions["sni_hostname"] == "keys.example"
    assert setup.looked_up == [("keys.example", 8443)]


async def test_the_place_of_the_keys_that_the_operator_names_is_not_doubted() -> None:
    issuer = TrustedIssuer(ISSUER, "https://keys.corp.example/.well-known/jwks.json")
    setup = Setup(issuers=(issuer,))
    assert await setup.verifier.check(token())
    assert [request.url.host for request in setup.issuer.requests] == ["keys.corp.example"]
    assert not setup.looked_up


async def test_an_issuer_on_this_machine_may_point_to_this_machine() -> None:
    local = FakeIssuer("http://localhost:8080")
    local.metadata["jwks_uri"] = f"http://127.0.0.1:9090{JWKS}"
    setup = Setup(local)
    assert await setup.verifier.check(token(iss=local.url))
    assert not setup.looked_up


async def test_an_issuer_on_this_machine_may_not_point_into_the_network() -> None:
    local = FakeIssuer("http://localhost:8080")
    local.metadata["jwks_uri"] = f"https://keys.example{JWKS}"
    setup = Setup(local)
    setup.addresses = ["10.0.0.1"]
    assert await reason_for(setup, token(iss=local.url)) is Reason.ISSUER_UNAVAILABLE


async def test_a_verifier_works_over_a_real_connection() -> None:
    issuer = FakeIssuer()

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        found: dict[str, Any] = {METADATA: issuer.metadata, JWKS: {"keys": issuer.keys}}
        await JSONResponse(found[request.url.path])(scope, receive, send)

    with serving(serve) as url:
        issuer.metadata = {"issuer": url, "jwks_uri": url + JWKS}
        config = AuthConfig((TrustedIssuer(url),), ("https://mcp.example.com/mcp",))
        verifier = Verifier(config, wall_clock=lambda: CLAIMS["exp"] - 60)
        assert await verifier.check(signed(HEADER, CLAIMS | {"iss": url}))
        await verifier.aclose()


async def test_a_verifier_that_was_never_used_can_be_closed(setup: Setup) -> None:
    await setup.verifier.aclose()
    assert not setup.issuer.requests


async def test_the_addresses_of_a_host_are_looked_up() -> None:
    assert set(await resolve("localhost", 80)) <= {"127.0.0.1", "::1"}
