"""`connected-apps-mcp doctor`: finds what is wrong, and says what to do about it."""

from __future__ import annotations

import json
import logging
import sys
from typing import TYPE_CHECKING

import click

from .common import run, setting_flags

if TYPE_CHECKING:
    from connected_apps_mcp.diagnosis.catalogue import Findings
    from connected_apps_mcp.diagnosis.check import Result

MARKS = {"ok": "✓", "warning": "!", "broken": "✗"}
PLAIN_MARKS = {"ok": "ok", "warning": "!", "broken": "X"}
"""Marks for a terminal that knows only ASCII."""

MAX_TEXT = 1_000
"""Longest sentence to print, in characters."""


@click.command()
@setting_flags()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
def doctor(*, as_json: bool, **flags: object) -> None:
    """Find what is wrong here, and say what to do.

    Give the flags that the server runs with. It looks at the installation, settings, credentials,
    secret store, logs and clients. It changes nothing, but it writes a probe to the secret store
    and removes it, and it starts and stops the server of each client.

    Exit code 0: nothing is broken. 1: something is broken.
    """
    from connected_apps_mcp.diagnosis.catalogue import diagnose
    from connected_apps_mcp.diagnosis.machine import machine_with
    from connected_apps_mcp.egress import redact_logs

    redact_logs()
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)  # the report says it all
    found = run(diagnose, machine_with(flags))
    click.echo(_as_json(found) if as_json else _as_text(found))
    if any(result.state == "broken" for _, result in found):
        raise SystemExit(1)


def _as_json(found: Findings) -> str:
    checks = [
        {
            "check": check.name,
            "state": result.state,
            "text": _shown(result.text),
            "remedy": _shown(result.remedy) or None,
        }
        for check, result in found
    ]
    return json.dumps({"checks": checks, **_counts(found)}, indent=2)


def _as_text(found: Findings) -> str:
    width = max(len(check.name) for check, _ in found)
    lines = [line for check, result in found for line in _lines(check.name.ljust(width), result)]
    counts = _counts(found)
    summary = f"{counts['broken']} broken, {counts['warnings']} to look at."
    lines += ["", summary if counts["broken"] or counts["warnings"] else "All is well."]
    return "\n".join(lines).encode(_encoding(), "replace").decode(_encoding())


def _lines(name: str, result: Result) -> list[str]:
    line = f"{_marks()[result.state]:2} {name}  {_shown(result.text)}"
    indent = " " * (len(name) + 5)
    return [line, f"{indent}{_shown(result.remedy)}"] if result.remedy else [line]


def _counts(found: Findings) -> dict[str, int]:
    states = [result.state for _, result in found]
    return {"broken": states.count("broken"), "warnings": states.count("warning")}


def _encoding() -> str:
    """That of standard output, if there is one."""
    return (sys.stdout and sys.stdout.encoding) or "ascii"


def _marks() -> dict[str, str]:
    try:
        "".join(MARKS.values()).encode(_encoding())
    except UnicodeError:
        return PLAIN_MARKS
    return MARKS


def _shown(text: str) -> str:
    from connected_apps_tools.text.printable import printable
    from connected_apps_tools.text.redaction import REDACTOR

    return printable(REDACTOR.redact(text), MAX_TEXT)
