"""The demo over HTTP: a client logs in, is refused, asks for more, and is named in the log."""

import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from mcp import Client
from mcp.client.stdio import get_default_environment

from connected_apps_mcp.audit.reading import FolderSnapshot, last_lines
from connected_apps_mcp.commands.common import log_to_stderr

from .person import Person, http_client
from .steps import DEMO_NAME, PROGRAM, StepFailed, call, check, show

AUDIT_LOG = "audit"

FLAGS = ["serve", "--sandbox", "--transport", "http", "--auth", "sandbox", "--port", "0"]
FLAGS += ["--audit-log", AUDIT_LOG]

MANY = 100
"""More lines than the audit log of the demo has."""


async def run_http_demo() -> None:
    """Print the transcript.

    Raises:
        StepFailed: a step failed, or the server did not start.
        MCPError: the server does not respond.
        OAuthFlowError: the client cannot log in.
        HTTPError: the server does not speak HTTP as it should.
    """
    log_to_stderr("warning")  # without the tracebacks of libraries
    click.echo(f"$ connected-apps-mcp {' '.join(FLAGS)}")
    person = Person()
    with TemporaryDirectory() as folder, _server(folder) as url:
        async with person.client(url, elicitation_callback=person.confirm) as client:
            await show(_transcript(client, person, url, Path(folder)))


@contextmanager
def _server(folder: str) -> Iterator[str]:
    """The URL of a server that works in a folder. It ends with the context."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [*PROGRAM, *FLAGS],
        cwd=folder,
        env=get_default_environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield _url_in(next(iter(process.stderr or ()), ""))
        finally:
            process.terminate()
            _, rest = process.communicate()
            click.echo(rest, nl=False, err=True)


def _url_in(line: str) -> str:
    if not line.startswith("Serving "):
        raise StepFailed(f"The server did not start. {line.strip()}")
    return line.rsplit(maxsplit=1)[-1]


async def _transcript(client: Client, person: Person, url: str, folder: Path) -> AsyncIterator[str]:
    check("the client logged in", passed=len(person.asked) == 1)
    first = _token(person)
    yield f"login        the client asked for {_words(person.asked[0])}"
    yield "consent      this demo plays the person, and allowed it"

    created = await call(client, "create_app", client_type="first_party", client_name=DEMO_NAME)
    this = {"client_id": created["app"]["client_id"]}
    yield f"create_app   {this['client_id']}, which these scopes permit"

    needed = await _scopes_missed(url, first, "delete_app", this)
    yield f"delete_app   with this token: HTTP 403, it needs {_words(needed)}"

    await call(client, "delete_app", **this)
    check("the client asked for more", passed=needed <= person.asked[-1])
    more = person.asked[-1] - person.asked[0]
    yield f"step-up      the client asked for {_words(more)} too, and the person allowed it"
    check("a person was asked to confirm", passed=len(person.questions) == 1)
    yield "delete_app   deleted, after the person confirmed"

    records = _recorded(folder / AUDIT_LOG, "delete_app", [first, _token(person)])
    yield f"audit log    {', '.join(each['event'] for each in records)} of delete_app, no token"
    yield f"caller       {_caller_in(records, person)}"


def _words(scopes: Iterable[str]) -> str:
    return ", ".join(sorted(scopes))


def _token(person: Person) -> str:
    tokens = person.memory.tokens
    return tokens.access_token if tokens else ""


async def _scopes_missed(
    url: str, token: str, tool: str, arguments: Mapping[str, object]
) -> set[str]:
    """The scopes that a refused call needs, as the refusal names them."""
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }
    async with http_client() as http:
        refused = await http.post(url, json=message, headers={"Authorization": f"Bearer {token}"})
    challenge = refused.headers.get("WWW-Authenticate", "")
    named = re.search('scope="([^"]+)"', challenge)
    is_refused = refused.status_code == HTTPStatus.FORBIDDEN and "insufficient_scope" in challenge
    if not (is_refused and named):
        raise StepFailed(f"{tool} got HTTP {refused.status_code} instead of a refusal.")
    return set(named[1].split())


def _recorded(log: Path, tool: str, tokens: Iterable[str]) -> list[dict[str, Any]]:
    """What the audit log says of the calls of a tool."""
    lines = last_lines(FolderSnapshot(log), MANY)
    leaked = [line for line in lines for token in tokens if token.encode() in line]
    check("no token is in the audit log", passed=not leaked)
    return [record for record in map(json.loads, lines) if record.get("tool") == tool]


def _caller_in(records: Iterable[Mapping[str, Any]], person: Person) -> str:
    """Who called, as the records of an audit log name it."""
    named = [record["caller"] for record in records if record["event"] != "outcome"]
    subjects = {caller.get("subject") for caller in named}
    clients = {caller.get("client_id") for caller in named}
    ours = person.memory.client and person.memory.client.client_id
    check("each call names its caller", passed=clients == {ours} and len(subjects) == 1)
    return f"{subjects.pop()} through {ours}"
