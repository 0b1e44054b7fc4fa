"""`connected-apps-mcp audit`: the audit log, for people and for whoever checks on it."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import click

from connected_apps_mcp.settings import settings as config

from .common import Commands, setting_flags

if TYPE_CHECKING:
    from pathlib import Path

    from connected_apps_mcp.audit.chain import ChainLink
    from connected_apps_mcp.audit.verify import Verification

TAMPERED = 1
NOTHING_YET = "Nothing is recorded yet"
MAX_LINE = 2_000
"""Characters of one line that are shown."""


class _CannotTell(click.ClickException):
    """There is nothing to tell about: no log, or one that cannot be read."""

    exit_code = 2


class _LastLine(click.ParamType["ChainLink"]):
    """A last line as `verify` prints it."""

    name = "NUMBER:DIGEST"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> ChainLink:
        from connected_apps_mcp.audit.chain import ChainLink

        found = re.fullmatch(r"([1-9]\d{0,18}):([0-9a-f]{64})", value)
        if found is None:
            self.fail("give what an earlier verify printed as the last line", param, ctx)
        return ChainLink(int(found[1]), found[2])


@click.group(cls=Commands)
def audit() -> None:
    """Look at the audit log, and check that nothing was done to it."""


@audit.command()
@setting_flags(("audit_log", "audit_key_file", "data_dir"))
@click.option(
    "--first",
    type=click.IntRange(1),
    default=1,
    help="Number of the oldest file that is expected, where earlier ones were archived.",
)
@click.option(
    "--remembered",
    type=_LastLine(),
    help="The last line of an earlier verify, which must still be there.",
)
def verify(first: int, remembered: ChainLink | None, **flags: object) -> None:
    """Check that no line was removed, added, moved or changed.

    With --audit-log - the log is read from the standard input, as containers wrote it, and needs
    --audit-key-file. Exit code 0: the log is whole. 1: it was tampered with. 2: it cannot be read.
    """
    from connected_apps_mcp.audit.verify import Unreadable
    from connected_apps_mcp.audit.verify import verify as verify_folder

    settings = config.read(**flags)
    try:
        if settings.audit_log == "-":
            report = _verify_input(settings.audit_key_file)
        else:
            folder = _folder(settings)
            report = verify_folder(
                folder, settings.audit_key_file, first=first, remembered=remembered
            )
            click.echo(f"The audit log in {folder}")
    except Unreadable as error:
        raise _CannotTell(str(error)) from None
    _tell(report)
    if report.problems:
        raise SystemExit(TAMPERED)


@audit.command()
@setting_flags(("audit_log", "data_dir"))
@click.option("-n", "count", type=click.IntRange(1), default=20, show_default=True, help="Lines.")
def tail(count: int, **flags: object) -> None:
    """Show the last lines readably. It does not check them: verify does.

    Standard error says in which folder they are.
    """
    from connected_apps_mcp.audit.verify import Unreadable, last_lines

    folder = _folder(config.read(**flags))
    try:
        lines = last_lines(folder, count)
    except Unreadable as error:
        raise _CannotTell(str(error)) from None
    click.echo(f"The audit log in {folder}" if lines else f"{NOTHING_YET} in {folder}.", err=True)
    for line in lines:
        click.echo(readable(line))


def _folder(settings: config.Settings) -> Path:
    folder = settings.audit_folder
    if folder is None:
        raise _CannotTell("That log is not kept: name a folder with --audit-log.")
    return folder


def _verify_input(key_file: Path | None) -> Verification:
    from connected_apps_mcp.audit.verify import verify_stream

    if key_file is None:
        raise _CannotTell("What was written to standard error needs --audit-key-file.")
    return verify_stream(sys.stdin.buffer.read(), key_file)


def _tell(report: Verification) -> None:
    if not report.lines and not report.problems:
        click.echo(f"{NOTHING_YET}.")
        return
    click.echo(f"{report.lines} lines in {report.files} files.")
    if report.torn:
        click.echo(
            f"{report.torn} torn, as by a crash. Later lines may have been cut off there: "
            "compare with --remembered."
        )
    if report.pending:
        click.echo(
            f"{len(report.pending)} calls without an outcome: under way, or cut off by a crash."
        )
    for problem in report.problems:
        click.echo(f"TAMPERED: {problem}")
    if not report.problems:
        click.echo("The chain is whole.")
        click.echo(f"Last line: {report.last.seq}:{report.last.mac}")


def readable(line: bytes) -> str:
    """A line of the log on one line for a person, without what could act on a terminal."""
    from connected_apps_tools.text.printable import printable

    try:
        told = json.loads(line)
        shown = f"{told['time']}  {told['seq']:>6}  {told['event']:7}  {_details(told)}"
    except (ValueError, RecursionError, KeyError, TypeError):
        shown = f"(no whole line) {line[:MAX_LINE].decode(errors='replace')}"
    return printable(shown, MAX_LINE)


def _details(told: dict[str, Any]) -> str:
    event = told["event"]
    if event == "opened":
        return f"file {told['file']}"
    if event == "torn":
        return f"{told['bytes']} bytes that a crash left"
    if event == "refusals":
        each = ", ".join(f"{_word(tool)} {count}" for tool, count in told["tools"].items())
        return f"{told['count']} more calls refused: {each}"
    parts = [told["entry"], told["tool"], _ended(told) if event == "outcome" else _asked(told)]
    return "  ".join(map(str, filter(None, parts)))


def _asked(told: dict[str, Any]) -> str:
    caller, software = told["caller"], told.get("software", {})
    through = f"{_word(caller.get('subject'))} through {_word(caller.get('client_id'))}"
    by = _word(caller["user"]) if "user" in caller else through
    parts = [
        f"on {told['project_id']} by {by}",
        f"with {_word(software.get('name'))} {_word(software.get('version', ''))}"
        if software
        else "",
        f"human: {told['answer']}" if "answer" in told else "",
        f"refused: {_json(told['reason'])}" if "reason" in told else "",
        *(f"{_word(name)}={_json(value)}" for name, value in told["arguments"].items()),
    ]
    return "  ".join(filter(None, parts))


def _ended(told: dict[str, Any]) -> str:
    parts = [
        "ok" if told["ok"] else f"failed: {_word(told['error'])}",
        "may have taken effect" if told.get("may_have_taken_effect") else "",
        f"showed {told['revealed']}" if "revealed" in told else "",
        _word(told.get("request_id", "")),
        f"{told['duration_ms']} ms",
    ]
    return "  ".join(filter(None, parts))


def _word(value: object) -> str:
    """A value that need not be a single word, and then stands between quotes: it is not ours."""
    return value if isinstance(value, str) and re.fullmatch(r"[\w.@/+-]*", value) else _json(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
