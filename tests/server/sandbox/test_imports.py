"""The sandbox is cheap to import and stands on its own."""

from __future__ import annotations

import subprocess
import sys


def modules_after(code: str) -> set[str]:
    code += "\nimport sys; print(*sys.modules)"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    return {module.partition(".")[0] for module in output.stdout.split()}


def test_importing_the_package_loads_nothing_heavy() -> None:
    loaded = modules_after("import connected_apps_mcp.sandbox")
    assert not loaded & {"starlette", "pydantic", "anyio"}


def test_a_sandbox_shares_no_code_with_the_tools() -> None:
    loaded = modules_after("import connected_apps_mcp.sandbox as s; s.create_sandbox()")
    assert "starlette" in loaded
    assert not loaded & {"jwt", "cryptography", "aiohttp"}, "only an issuer that is used needs them"
    assert not loaded & {"connected_apps_tools", "mcp", "mcp_types"}
