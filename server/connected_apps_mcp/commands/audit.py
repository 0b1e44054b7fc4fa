"""`connected-apps-mcp audit`: show and verify the audit log."""

from __future__ import annotations

import json
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings import settings as config

from .common import Commands, setting_flags

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from connected_apps_mcp.audit.chain import ChainLink
    from connected_apps_mcp.audit.reading import Snapshot
    from connected_apps_mcp.audit.verify import Verification

TAMPERED = 1
NOTHING_YET = "Nothing is recorded yet"
MAX_LINE = 2_000
"""Longest line to show, in characters."""


class _CannotRead(click.ClickException):
    """There is no audit log, or it cannot be read."""

    exit_code = 2


class _LastLine(click.ParamType["ChainLink"]):
    """The last line, as `verify` prints it."""

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
    """Show, export or verify the audit log."""


@audit.command()
@setting_flags(("profile", "audit_log", "audit_key_file", "data_dir"))
@click.option(
    "--first",
    type=click.IntRange(1),
    default=1,
    help="Number of the oldest file to expect, if older files were archived. Default: 1.",
)
@click.option(
    "--remembered",
    type=_LastLine(),
    help="Last line that an earlier verify printed. The log must still contain it.",
)
def verify(first: int, remembered: ChainLink | None, **flags: object) -> None:
    """Check that no line was removed, added, moved or changed.

    With --audit-log - and --audit-key-file, it reads from standard input a log that a server wrote
    to standard error.

    Exit code 0: the log is intact. 1: it was tampered with. 2: it cannot be read.
    """
    from connected_apps_mcp.audit.verify import verify as verify_log

    settings = loading.read(**flags)
    key_file = settings.audit_key_file
    if settings.audit_log == "-":
        report = _verify_input(key_file)
    else:
        with _log(settings) as log:
            report = verify_log(log, key_file, first=first, remembered=remembered)
            click.echo(f"The audit log in {log.place}")
    _print_report(report)
    if report.problems:
        raise SystemExit(TAMPERED)


@audit.command()
@setting_flags(("profile", "audit_log", "data_dir"))
@click.option(
    "-n", "count", type=click.IntRange(1), default=20, show_default=True, help="Number of lines."
)
def tail(count: int, **flags: object) -> None:
    """Show the last lines, without checking them.

    To check them, use verify. The folder of the log goes to standard error.
    """
    from connected_apps_mcp.audit.reading import last_lines

    with _log(loading.read(**flags)) as log:
        lines = last_lines(log, count)
        found = f"The audit log in {log.place}" if lines else f"{NOTHING_YET} in {log.place}."
    click.echo(found, err=True)
    for line in lines:
        click.echo(readable(line))


@audit.command()
@setting_flags(("profile", "audit_log", "data_dir"))
def export(**flags: object) -> None:
    """Write all lines as they are, one JSON object a line, for an archive.

    It does not check them: use verify.
    """
    from connected_apps_mcp.audit.reading import all_lines

    with _log(loading.read(**flags)) as log:
        sys.stdout.buffer.writelines(line + b"\n" for line in all_lines(log))


@contextmanager
def _log(settings: config.Settings) -> Iterator[Snapshot]:
    """The log that the settings name, as it is now."""
    from connected_apps_mcp.audit.reading import FolderSnapshot, Unreadable

    try:
        if settings.audits_in_database:
            from connected_apps_mcp.wiring import open_audit_database

            with open_audit_database(settings) as database:
                from connected_apps_mcp.audit.table import TableSnapshot

                yield TableSnapshot(database)
        else:
            yield FolderSnapshot(_folder(settings))
    except Unreadable as error:
        raise _CannotRead(str(error)) from None


def _folder(settings: config.Settings) -> Path:
    folder = settings.audit_folder
    if folder is None:
        raise _CannotRead("This log is in no folder that lasts: give its folder with --audit-log.")
    return folder


def _verify_input(key_file: Path | None) -> Verification:
    from connected_apps_mcp.audit.reading import Unreadable
    from connected_apps_mcp.audit.verify import verify_stream

    if key_file is None:
        raise _CannotRead("A log that was written to standard error needs --audit-key-file.")
    try:
        return verify_stream(sys.stdin.buffer.read(), key_file)
    except Unreadable as error:
        raise _CannotRead(str(error)) from None


def _print_report(report: Verification) -> None:
    if not report.lines and not report.problems:
        click.echo(f"{NOTHING_YET}.")
        return
    click.echo(f"{report.lines} lines in {report.files} files.")
    if report.torn:
        click.echo(
            f"{report.torn} torn lines, as a crash leaves them. Later lines may have been cut off: "
            "check with --remembered."
        )
    if report.pending:
        click.echo(
            f"{len(report.pending)} calls without an outcome: in flight, or interrupted by a crash."
        )
    for problem in report.problems:
        click.echo(f"TAMPERED: {problem}")
    if not report.problems:
        click.echo("The chain is intact.")
        click.echo(f"Last line: {report.last.seq}:{report.last.mac}")


def readable(line: bytes) -> str:
    """A line of the log as one printable line for a person."""
    from connected_apps_tools.text.printable import printable

    try:
        record = json.loads(line)
        shown = f"{record['time']}  {record['seq']:>6}  {record['event']:7}  {_details(record)}"
    except (ValueError, RecursionError, KeyError, TypeError):
        shown = f"(incomplete line) {line[:MAX_LINE].decode(errors='replace')}"
    return printable(shown, MAX_LINE)


def _details(record: dict[str, Any]) -> str:
    event = record["event"]
    if event == "opened":
        return f"file {record['file']}"
    if event == "torn":
        return f"{record['bytes']} bytes left by a crash"
    if event == "refusals":
        each = ", ".join(f"{_word(tool)} {count}" for tool, count in record["tools"].items())
        return f"{record['count']} more calls refused: {each}"
    parts = [
        record["entry"],
        record["tool"],
        _outcome(record) if event == "outcome" else _request(record),
    ]
    return "  ".join(map(str, filter(None, parts)))


def _request(record: dict[str, Any]) -> str:
    caller, software = record["caller"], record.get("software", {})
    through = f"{_word(caller.get('subject'))} through {_word(caller.get('client_id'))}"
    by = _word(caller["user"]) if "user" in caller else through
    parts = [
        f"on {record['project_id']} by {by}",
        f"with {_word(software.get('name'))} {_word(software.get('version', ''))}"
        if software
        else "",
        f"human: {record['answer']}" if "answer" in record else "",
        f"part of {record['part_of']}" if "part_of" in record else "",
        f"refused: {_json(record['reason'])}" if "reason" in record else "",
        *(f"{_word(name)}={_json(value)}" for name, value in record["arguments"].items()),
    ]
    return "  ".join(filter(None, parts))


def _outcome(record: dict[str, Any]) -> str:
    parts = [
        "ok" if record["ok"] else f"failed: {_word(record['error'])}",
        "may have taken effect" if record.get("may_have_taken_effect") else "",
        f"showed {record['revealed']}" if "revealed" in record else "",
        _word(record.get("request_id", "")),
        f"{record['duration_ms']} ms",
    ]
    return "  ".join(filter(None, parts))


def _word(value: object) -> str:
    """An untrusted value: quoted, unless it is a single plain word."""
    return value if isinstance(value, str) and re.fullmatch(r"[\w.@/+-]*", value) else _json(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
