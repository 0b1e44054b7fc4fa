"""Without telemetry nothing of it is imported, and nothing is observed."""

import os
import subprocess
import sys

import pytest
from support import REAL

from connected_apps_tools import observing

START = (
    "import atexit, sys; "
    "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    "from connected_apps_mcp.__main__ import main; main()"
)


def started(*without: str, **environment: str) -> str:
    """What a server over stdio writes, and what it has imported; without some packages."""
    hide = "".join(f"import sys; sys.modules[{name!r}] = None; " for name in without)
    done = subprocess.run(
        [sys.executable, "-c", hide + START],
        env=os.environ | REAL | environment,
        input="",
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr


@pytest.mark.parametrize(
    "environment", [{}, {"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}], ids=str
)
def test_nothing_is_imported_for_telemetry_that_is_off(environment: dict[str, str]) -> None:
    loaded = set(started(**environment).split())
    assert "connected_apps_mcp.transports.stdio" in loaded
    assert not {name for name in loaded if name.startswith(("opentelemetry.sdk", "prometheus"))}
    assert not {name for name in loaded if name.startswith(("opentelemetry.exporter", "requests"))}
    assert "connected_apps_mcp.telemetry.opening" not in loaded


def test_variables_without_the_extra_are_warned_of() -> None:
    written = started("prometheus_client", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert "the extra otel is missing" in written
    assert "connected_apps_mcp.transports.stdio" in written


def test_a_missing_propagator_stops_no_server() -> None:
    assert "connected_apps_mcp.transports.stdio" in started(OTEL_PROPAGATORS="b3")


def test_an_act_without_an_observer_is_always_the_same_object() -> None:
    assert observing.act("session") is observing.act("service_request", method="GET")
