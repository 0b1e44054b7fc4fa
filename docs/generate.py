"""Writes the parts of the documents that repeat the code: `make docs`.

Each part stands between `<!-- generated: NAME -->` and `<!-- end -->`. People write the rest.
"""

import ast
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from connected_apps_mcp import limits
from connected_apps_mcp.audit import refusals
from connected_apps_mcp.commands import stderr_log
from connected_apps_mcp.confirmation import approvals
from connected_apps_mcp.diagnosis.catalogue import CHECKS
from connected_apps_mcp.settings import settings
from connected_apps_tools import TOOLSETS
from connected_apps_tools.api import http_client
from connected_apps_tools.secrets import uninterrupted
from links import markdown, registry_line

ROOT = Path(__file__).parents[1]

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*/*.md")])

PART = re.compile(
    r"(?P<begin><!-- generated: (?P<name>\w+) -->\n).*?(?P<end><!-- end -->)", re.DOTALL
)

FIRST_SENTENCE = re.compile(r".+?\.(?= [A-Z`]|$)")

MIB = 1024 * 1024


def summary(text: str) -> str:
    """The first sentence of a text."""
    line = " ".join(text.split())
    sentence = FIRST_SENTENCE.match(line)
    return sentence[0] if sentence else line


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""
    head = list(head)
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, ["---"] * len(head), *rows])


def tools() -> str:
    """Every tool: its toolset, its effect, and what it does."""
    return table(
        ["tool", "toolset", "effect", "what it does"],
        (
            [f"`{tool.name}`", toolset or "always", tool.effect.value, summary(tool.description)]
            for toolset, members in TOOLSETS.items()
            for tool in members
        ),
    )


def flags() -> str:
    """Every setting that has a flag: its variable, and what it means."""
    return table(
        ["flag", "variable", "meaning"],
        (
            [
                f"`{settings.flag(name)}`",
                f"`{settings.variable(name)}`",
                re.sub(r"([*|<])", r"\\\1", field.description or ""),
            ]
            for name, field in settings.FLAGS.items()
        ),
    )


def default_of(name: str) -> str:
    """The default of a setting."""
    return str(settings.FLAGS[name].default)


def bounds() -> str:
    """What one caller can make the server store or wait for."""
    error = f"an error ({limits.TOO_MANY_REQUESTS})"
    rows: list[tuple[str, str, str]] = [
        ("a request body over HTTP", f"{limits.MAX_BODY_BYTES // MIB} MiB", "413"),
        ("a message over stdio", f"{limits.MAX_MESSAGE_BYTES // MIB} MiB", "the input ends"),
        ("the head of an HTTP request", f"{limits.MAX_HEAD_BYTES // 1024} KiB", "431"),
        (
            "the time for that head to arrive, and for a TLS handshake before",
            f"{limits.HEADER_SECONDS:.0f} s",
            "the connection closes",
        ),
        (
            "requests that wait on one HTTP connection",
            f"{limits.MAX_PIPELINED}",
            "the connection closes",
        ),
        ("the body of an HTTP request", f"{limits.BODY_SECONDS:.0f} s", "408"),
        ("an HTTP response left unread", f"{limits.SEND_SECONDS:.0f} s", "the connection closes"),
        ("HTTP connections", f"{limits.MAX_CONNECTIONS}", "503"),
        ("sessions of the handshake era", f"{limits.MAX_SESSIONS}", "503"),
        ("sessions, per caller with a token", f"{limits.MAX_SESSIONS_OF_CALLER}", "503"),
        (
            "a session without a request or a stream",
            f"{limits.SESSION_IDLE_SECONDS / 60:.0f} min",
            "it ends",
        ),
        ("streams of the SSE transport", f"{limits.MAX_SSE_SESSIONS}", "503"),
        ("streams of all kinds, per caller with a token", f"{limits.MAX_STREAMS_OF_CALLER}", "503"),
        ("`subscriptions/listen` streams", f"{limits.MAX_LISTEN_STREAMS}", "an error"),
        (
            "apps (each must exist) that a connection or stream watches",
            f"{limits.MAX_WATCHED}",
            "an error",
        ),
        ("apps watched in the handshake era", f"{limits.MAX_WATCHED_TOTAL:,}", "an error"),
        (
            "requests in flight, per stdio client or HTTP session",
            f"{limits.MAX_CALLS}",
            error,
        ),
        (
            "requests in flight, per caller with a token",
            f"{limits.MAX_CALLS_OF_CALLER}",
            error,
        ),
        ("requests in flight, all HTTP sessions", f"{limits.MAX_CALLS_TOTAL:,}", error),
        (
            "calls that read, per caller with a token",
            f"{default_of('rate_reads')} a minute (`--rate-reads`)",
            "an error that says when",
        ),
        (
            "calls that change something or show a secret, per caller with a token",
            f"{default_of('rate_changes')} a minute (`--rate-changes`)",
            "an error that says when",
        ),
        (
            "callers with a rate that is known",
            f"{limits.MAX_RATED_CALLERS:,}",
            "the one with the oldest last call is forgotten",
        ),
        (
            "requests to the service at once, shared fairly among callers",
            f"{http_client.MAX_IN_FLIGHT}",
            "they wait",
        ),
        (
            "changes of secrets under way, also after their callers are gone",
            f"{uninterrupted.MAX_UNDER_WAY}",
            "an error",
        ),
        (
            "responses that a stdio client leaves unread",
            f"{limits.MAX_UNREAD_BYTES // MIB} MiB",
            "the server reads no more of its input meanwhile",
        ),
        (
            "events stored for streams that break off",
            f"{limits.MAX_EVENTS:,} and {limits.MAX_EVENT_BYTES // MIB} MiB",
            "the oldest go",
        ),
        (
            "calls that wait for a person",
            f"{approvals.MAX_OF_ONE_APP} on one app, {approvals.MAX_WAITING} in all",
            "the oldest go",
        ),
        (
            "refusals of one caller in the audit log",
            f"{refusals.BURST} at once, {60 / refusals.SECONDS_EACH:.0f} more a minute",
            "they are counted",
        ),
        (
            "log lines that wait to be written",
            f"{stderr_log.MAX_QUEUED_LINES:,}",
            "they are dropped and counted",
        ),
        (
            "log lines of one kind",
            f"{stderr_log.MAX_SIMILAR} in {stderr_log.SIMILAR_SECONDS:.0f} s",
            "they are counted",
        ),
    ]
    return table(["what", "bound", "beyond it"], rows)


def checks() -> str:
    """Every check of the doctor, and what it asks."""
    return table(
        ["check", "what it asks"],
        ([check.name, " ".join((check.look.__doc__ or "").split())] for check in CHECKS),
    )


def storeys() -> str:
    """The storeys of both packages, from the contracts in pyproject.toml: upper import lower."""
    drawing = [
        line
        for package, folder in (("connected_apps_mcp", "server"), ("connected_apps_tools", "tools"))
        for line in [*_package(folder, package), ""]
    ]
    return "\n".join(["```text", *drawing[:-1], "```", ""])


def _package(folder: str, package: str) -> Iterable[str]:
    path = ROOT / folder / package
    yield f"{folder}/{package}"
    for layer in _layers(package):
        for at, module in enumerate(layer.split(" | ")):
            yield f"  {'├─' if at == 0 else '│ '} {module:<14} {_purpose(path / module)}"


def _layers(package: str) -> list[str]:
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = config["tool"]["importlinter"]["contracts"]
    (layers,) = [each["layers"] for each in contracts if each.get("containers") == [package]]
    return list(layers)


def _purpose(module: Path) -> str:
    """The first sentence of the docstring of a module or package."""
    file = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
    return summary(ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "")


def targets() -> str:
    """The targets of the Makefile that have a comment."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    found = re.findall(r"^([a-z-]+):.*## (.+)$", makefile, re.MULTILINE)
    return table(["target", "what it does"], ([f"`make {name}`", said] for name, said in found))


PARTS: Mapping[str, Callable[[], str]] = {
    "tools": tools,
    "flags": flags,
    "bounds": bounds,
    "checks": checks,
    "storeys": storeys,
    "targets": targets,
    "links": markdown,
    "registry": registry_line,
}


def generated(document: str) -> str:
    """A document, with its generated parts as they have to be."""
    return PART.sub(lambda part: part["begin"] + PARTS[part["name"]]() + part["end"], document)


def main() -> None:
    """Write the generated parts of every document."""
    for path in DOCUMENTS:
        path.write_text(generated(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
