"""What tests of verification share."""

import pytest
from server.auth.fake_issuer import Setup


@pytest.fixture
def setup() -> Setup:
    """A verifier of one issuer."""
    return Setup()


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fetch that hangs ends at once."""
    for module in ("fetching", "kept"):
        monkeypatch.setattr(f"connected_apps_mcp.auth.issuers.{module}.FETCH_SECONDS", 0.02)
