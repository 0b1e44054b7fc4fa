import logging

import pytest
from server.auth.fake_issuer import JWKS, METADATA, Setup
from server.auth.forgeries import Forgery, forgeries
from server.auth.refused import reason_for

from connected_apps_mcp.auth import Reason

FORGERIES = list(forgeries())
BEFORE_ANY_REQUEST = [
    Reason.TOO_LONG,
    Reason.OPAQUE,
    Reason.CRITICAL_HEADER,
    Reason.UNKNOWN_ISSUER,
]


@pytest.mark.parametrize("forgery", FORGERIES, ids=[forgery.name for forgery in FORGERIES])
async def test_a_token_is_refused_with_its_reason(forgery: Forgery, setup: Setup) -> None:
    assert await reason_for(setup, forgery.token) is forgery.reason


@pytest.mark.parametrize("reason", BEFORE_ANY_REQUEST, ids=str)
async def test_a_token_that_no_issuer_need_explain_causes_no_request(
    reason: Reason, setup: Setup
) -> None:
    for forgery in FORGERIES:
        if forgery.reason is reason:
            await reason_for(setup, forgery.token)
    assert not setup.issuer.requests


async def test_no_key_and_no_address_of_a_token_is_fetched(setup: Setup) -> None:
    for forgery in FORGERIES:
        await setup.verifier.verify_token(forgery.token)
    assert {request.url.host for request in setup.issuer.requests} == {"issuer.example"}
    assert setup.issuer.paths == [METADATA, JWKS, JWKS]


async def test_no_text_of_a_token_is_logged(setup: Setup, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for forgery in FORGERIES:
            await setup.verifier.verify_token(forgery.token)
    for forgery in FORGERIES:
        parts = [part for part in forgery.token.split(".") if len(part) > 8]
        assert not any(part in caplog.text for part in parts), forgery.name
    assert f"refused: {Reason.EXPIRED}." in caplog.text


def test_the_table_has_at_least_200_tokens_that_all_differ() -> None:
    assert len({forgery.token for forgery in FORGERIES}) >= 200
    assert len({forgery.name for forgery in FORGERIES}) == len(FORGERIES)
