"""What this server costs a model, in bytes, beside a server that is generated from OpenAPI.

Both run as processes of their own behind the same MCP client over stdio, on copies of the same
apps, and are asked the same questions. `questions.py` holds the calls: here, those that the tools
are made for; there, those that a competent model would make with what is offered, the cheapest
where in doubt. FastMCP works with the version of mcp that this project uses, so both share one
environment.

UTF-8 bytes of compact JSON are counted. A question costs its requests (tool name and arguments,
which the model writes) and its answers: `text` counts the content, which hosts hand to the model,
`whole` the complete result, which holds the same once more as structured content. `tools/list` is
counted as listed. Tokens are not estimated: every model counts its own, and the tokenizers that can
be had are downloaded on first use.
"""

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

import anyio
import click

from connected_apps_tools.api.models import ConnectedApp
from conversation import Conversation, Cost, NotOffered, size
from population import populate
from questions import QUESTIONS, Steps
from servers import CannotCompare, Server, generated, here

PARTS = ("description", "inputSchema", "outputSchema", "annotations")


@dataclass
class Report:
    """What one server costs. A question that it cannot be asked has a text that says why."""

    listing: dict[str, int]
    tools: dict[str, dict[str, int]]
    questions: dict[str, Cost | str]


async def measure(servers: Mapping[str, Server]) -> dict[str, Report]:
    """Ask every server every question. Each works on its own copy of the same apps."""
    reports: dict[str, Report] = {}
    with tempfile.TemporaryDirectory() as folder:
        for apps, questions in groupby(QUESTIONS, lambda question: question.apps):
            asked, original = list(questions), Path(folder) / f"{apps}.sqlite3"
            target = await populate(original, apps)
            for side, start in servers.items():
                copy = Path(shutil.copy(original, Path(folder) / f"{side}.sqlite3"))
                async with start(copy) as server:
                    report = reports.setdefault(side, Report(*_read_listing(server), {}))
                    for question in asked:
                        steps: Steps = getattr(question, side)
                        report.questions[question.asked] = await _ask(server, steps, target)
    return reports


async def _ask(server: Conversation, steps: Steps, target: ConnectedApp) -> Cost | str:
    server.cost = Cost()
    try:
        await steps(server, target)
    except NotOffered as reason:
        return f"not offered ({reason})"
    return server.cost


def _read_listing(server: Conversation) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    listing = {}
    for name, tools in {"five app tools": server.app_tools, "all tools": server.tools}.items():
        lean = [{key: tool[key] for key in tool if key != "outputSchema"} for tool in tools]
        listing[name] = size({"tools": tools})
        listing[f"{name}, without output schemas"] = size({"tools": lean})
    parts = {
        tool["name"]: {"whole": size(tool)}
        | {part: size(tool[part]) for part in PARTS if part in tool}
        for tool in server.tools
    }
    return listing, parts


Row = tuple[str, ...]


def table(rows: Iterable[Row]) -> str:
    """Rows in columns: the first to the left, the others, figures, to the right."""
    kept = list(rows)
    widths = [max(map(len, column)) for column in zip(*kept, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in kept
    )


def _listing_rows(reports: Mapping[str, Report]) -> Iterable[Row]:
    yield ("tools/list, bytes", *reports)
    for row in reports["here"].listing:
        yield (row, *(f"{report.listing[row]:,}" for report in reports.values()))


def _tool_rows(report: Report) -> Iterable[Row]:
    yield ("each tool here, bytes", "whole", *PARTS)
    for name, parts in report.tools.items():
        yield (name, *(f"{parts.get(part, 0):,}" for part in ("whole", *PARTS)))


def _question_rows(reports: Mapping[str, Report]) -> Iterable[Row]:
    yield ("", *(cell for side in reports for cell in ("", "", side)), "")
    yield ("questions, bytes", *(part for _ in reports for part in asdict(Cost())), "times")
    for question in QUESTIONS:
        costs = [report.questions[question.asked] for report in reports.values()]
        yield (question.asked, *(cell for cost in costs for cell in _cells(cost)), _times(*costs))


def _cells(cost: Cost | str) -> Row:
    if isinstance(cost, str):
        return ("-", "-", "-")
    return tuple(f"{figure:,}" for figure in asdict(cost).values())


def _reasons(reports: Mapping[str, Report]) -> Iterable[str]:
    for side, report in reports.items():
        for asked, cost in report.questions.items():
            if isinstance(cost, str):
                yield f"{asked}, {side}: {cost}"


def _times(mine: Cost | str, theirs: Cost | str | None = None) -> str:
    """How many times as much text the generated server gives a model to read and write."""
    if isinstance(mine, Cost) and isinstance(theirs, Cost):
        return f"{theirs.text / mine.text:.1f}"
    return ""


@click.command()
@click.option(
    "--openapi",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="OpenAPI description of the Connected Apps API; without it there is nothing beside.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON in place of tables.")
def main(*, openapi: Path | None, as_json: bool) -> None:
    """Measure what this server costs a model, beside one that FastMCP generates from OpenAPI."""
    servers: dict[str, Server] = {"here": here}
    if openapi:
        try:
            servers["generated"] = generated(openapi)
        except CannotCompare as reason:
            raise click.UsageError(str(reason)) from None
    reports = anyio.run(measure, servers)
    if as_json:
        click.echo(json.dumps({side: asdict(report) for side, report in reports.items()}, indent=2))
        return
    click.echo(table(_listing_rows(reports)))
    click.echo("\n" + table(_tool_rows(reports["here"])))
    click.echo("\n" + table(_question_rows(reports)))
    click.echo("\n".join(["", *_reasons(reports)]))


if __name__ == "__main__":
    main()
