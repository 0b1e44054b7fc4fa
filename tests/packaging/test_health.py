"""The check of health in the container, run against a real server on loopback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ports import free_port
from support import running

from project import ROOT

HTTP = {"CONNECTED_APPS_MCP_SANDBOX": "1", "CONNECTED_APPS_MCP_TRANSPORT": "http"}


def health(**settings: str) -> int:
    """The exit code of the check, for a server with these settings."""
    script = [sys.executable, str(ROOT / "packaging" / "docker" / "health.py")]
    return subprocess.run(script, env=os.environ | settings, check=False).returncode


@pytest.fixture
def port() -> str:
    """A free port."""
    return str(free_port())


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, str]:
    """The settings of a server that speaks TLS, with a certificate for another name."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt"]
    made += ["ec_paramgen_curve:P-256", "-subj", "/CN=mcp.corp.example", "-keyout", str(key)]
    subprocess.run([*made, "-out", cert], check=True, capture_output=True)
    return {"CONNECTED_APPS_MCP_TLS_CERT": str(cert), "CONNECTED_APPS_MCP_TLS_KEY": str(key)}


def up_and_down(settings: dict[str, str]) -> tuple[int, int]:
    """What the check says while the server runs, and after its end."""
    with running("serve", **settings) as server:
        assert server.stderr
        assert "Serving" in server.stderr.readline()
        up = health(**settings)
    return up, health(**settings)


def test_a_server_over_stdio_counts_as_up() -> None:
    assert health(CONNECTED_APPS_MCP_SANDBOX="1") == 0


def test_a_server_over_http_is_up_until_it_ends(port: str) -> None:
    assert up_and_down(HTTP | {"CONNECTED_APPS_MCP_PORT": port}) == (0, 1)


def test_the_check_names_the_public_host(port: str) -> None:
    public = {"CONNECTED_APPS_MCP_PUBLIC_URL": "https://localhost:8443"}
    proxy = {"CONNECTED_APPS_MCP_TRUSTED_PROXY": "10.0.0.0/8"}
    settings = HTTP | public | proxy | {"CONNECTED_APPS_MCP_PORT": port}
    assert up_and_down(settings) == (0, 1)


def test_a_server_that_speaks_tls_is_up_until_it_ends(port: str, tls: dict[str, str]) -> None:
    login = {"CONNECTED_APPS_MCP_AUTH": "sandbox"}
    assert up_and_down(HTTP | tls | login | {"CONNECTED_APPS_MCP_PORT": port}) == (0, 1)
