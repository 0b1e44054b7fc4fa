"""Checks that a token is refused."""

import pytest
from server.auth.fake_issuer import Setup

from connected_apps_mcp.auth import Reason, TokenRefused


async def reason_for(setup: Setup, token: str) -> Reason:
    """Why a token is refused."""
    with pytest.raises(TokenRefused) as refusal:
        await setup.verifier.check(token)
    return refusal.value.reason
