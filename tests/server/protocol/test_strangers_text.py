"""What strangers wrote is data wherever it leaves the server, and does nothing to who reads it."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from anyio import to_thread
from click.testing import CliRunner
from examples import EXAMPLES
from hostile import CORPUS, HONEST, SERVICE, STRANGER, TOGETHER, Service, deceives
from mcp import Client, MCPError, types
from server.people import with_destination
from support import SANDBOX, project_on, serving

from connected_apps_mcp.commands.cli import main
from connected_apps_mcp.commands.common import report_losses
from connected_apps_mcp.protocol.server import build_server
from connected_apps_tools import ToolContext
from connected_apps_tools.api.models import CreateApp
from connected_apps_tools.errors import ConnectedAppsError, UnexpectedAnswer
from connected_apps_tools.secrets.journal import Act, Intent
from connected_apps_tools.storage.console_record import ConsoleRecord, RunningConsole

pytestmark = pytest.mark.series

ARGUMENTS: dict[str, Any] = {
    "client_id": "app",
    "user_id": "bob",
    "organization_id": "acme",
    "member_id": "ann",
    "which": "next",
    "destination": "env",
    "reason": "It is known elsewhere.",
    "client_type": "third_party",
    "min_severity": "info",
    "max_bytes": 300_000,
    **EXAMPLES["apply_manifest"].arguments,
    "bindings": f'[{SANDBOX.project_id}]\nold = "app"\n',
}
"""What is given for arguments of these names, whatever takes them."""

CONSOLE = RunningConsole("http://127.0.0.1:47110", SANDBOX.project_id)
"""The console to which a person can be led."""

COMBINED: list[dict[str, Any]] = [
    {"force": True, "reason": ARGUMENTS["reason"]},
    {"destination": "env", "which": "next"},
    {"client_name": "New", "redirect_urls": ["https://new.example/cb"], "dry_run": True},
    {"add_redirect_urls": ["https://new.example/cb"], "dry_run": True},
    {"redirect_urls": [f"https://{number}.example/cb" for number in range(100)]},
    {"bindings": f'[{SANDBOX.project_id}]\nold = "app"\n', "prune": True},
    {"query": STRANGER, "detail": "full", "max_bytes": 300_000},
]
"""Arguments that mean more together, for whatever takes all of them."""

BOUNDS = {
    **dict.fromkeys(["client_description", "fact"], 1000),
    **dict.fromkeys(["redirect_urls", "post_logout_redirect_urls"], 2000),
    **dict.fromkeys(["logo_url", "client_id_metadata_url"], 2000),
    **dict.fromkeys(["access_token_template_content", "id_token_template_content"], 8000),
    **dict.fromkeys(["client_name", "client_type", "status", "creation_method", "scopes"], 200),
}
MOST = 700
"""Characters that are shown of a text, by the name of its field, and else."""

WHOLE = {"nextCursor", "next_cursor", "uri", "former"}
"""What is whole: what is handed back, and a deleted app, which nobody else can tell any more."""


def samples(name: str, schema: dict[str, Any]) -> list[Any]:
    """Values that fit an argument."""
    if name in ARGUMENTS:
        return [ARGUMENTS[name]]
    kinds: dict[str, list[Any]] = {
        "boolean": [True],
        "integer": [schema.get("minimum")],
        "array": [["https://new.example/cb"]],
        "string": schema.get("enum", ["New"]),
    }
    return kinds[schema["type"]]


def calls_of(tool: types.Tool) -> Iterator[dict[str, Any]]:
    """Calls of a tool that give, between them, each of its arguments."""
    known = tool.input_schema.get("properties", {})
    least = {name: samples(name, known[name])[0] for name in tool.input_schema.get("required", [])}
    yield least
    for name in known.keys() - least.keys():
        for value in samples(name, known[name]):
            yield {**least, name: value}
    yield from ({**least, **more} for more in COMBINED if more.keys() <= known.keys())


def plain(model: Any) -> dict[str, Any]:
    """What goes over the wire."""
    result: dict[str, Any] = model.model_dump(by_alias=True, mode="json", exclude_none=True)
    return result


@dataclass
class Reader:
    """Goes through all that a server lists, with a person who agrees, and keeps what it reads."""

    text: str
    """What is given for arguments of prompts that take any text."""
    said_first: list[dict[str, Any]] = field(default_factory=list)
    """The instructions, and what is listed of tools, prompts and templates."""
    answers: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Answers of tools, resources and completions, with what was asked."""
    failures: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)
    progress: list[str] = field(default_factory=list)

    async def agree(self, context: Any, params: Any) -> types.ElicitResult:
        """Answer as a person who agrees to everything."""
        assert context
        self.questions.append(params.message)
        return types.ElicitResult(action="accept", content={"confirm": True})

    async def read_all(self, client: Client, project: ToolContext) -> None:
        """Call, read and complete everything that is listed."""
        tools = (await client.list_tools()).tools
        prompts = (await client.list_prompts()).prompts
        templates = (await client.list_resource_templates()).resource_templates
        self.said_first.append({"instructions": client.instructions})
        self.said_first += map(plain, [*tools, *prompts, *templates])
        for tool in tools:
            with suppress(ConnectedAppsError):
                await project.secrets.start_rotation("app", revealed=False)
            for arguments in calls_of(tool):
                await self.call(client, tool.name, arguments)
        for prompt in prompts:
            await self.ask(client, prompt)
        for template in templates:
            await self.read(client, template.uri_template)
        with self.failing("resources"):
            page = await client.list_resources()
            self.answers.append(("resources", plain(page)))
            following = await client.list_resources(cursor=page.next_cursor)
            self.answers.append(("resources", plain(following)))

    async def call(self, client: Client, tool: str, arguments: dict[str, Any]) -> None:
        """Call a tool."""

        async def hear(progress: float, total: float | None, message: str | None) -> None:
            assert total is None or progress <= total
            self.progress.append(message or "")

        result = await client.call_tool(tool, arguments, progress_callback=hear)
        (block,) = result.content
        assert isinstance(block, types.TextContent)
        found = json.loads(block.text)
        if result.is_error:
            self.failures.append((tool, found))
        else:
            assert result.structured_content == found
            self.answers.append((tool, found))

    async def ask(self, client: Client, prompt: types.Prompt) -> None:
        """Ask for a prompt, and complete its arguments."""
        names = [argument.name for argument in prompt.arguments or []]
        with self.failing(prompt.name):
            given = {name: str(ARGUMENTS.get(name, self.text[:100])) for name in names}
            for message in (await client.get_prompt(prompt.name, given)).messages:
                assert isinstance(message.content, types.TextContent)
                self.prompts.append(message.content.text)
        ref = types.PromptReference(name=prompt.name)
        for name in names:
            await self.complete(client, ref, name)

    async def read(self, client: Client, template: str) -> None:
        """Read a resource, and complete what names it."""
        names = re.findall(r"{(\w+)}", template)
        with self.failing(template):
            uri = template.format(**{name: ARGUMENTS[name] for name in names})
            for content in (await client.read_resource(uri)).contents:
                assert isinstance(content, types.TextResourceContents)
                self.answers.append((template, json.loads(content.text)))
        for name in names:
            await self.complete(client, types.ResourceTemplateReference(uri=template), name)

    async def complete(self, client: Client, ref: Any, name: str) -> None:
        """Complete an argument, from nothing and from a part of a name."""
        for value in ("", STRANGER):
            completed = await client.complete(ref, {"name": name, "value": value})
            self.answers.append(("completion", plain(completed)))

    @contextmanager
    def failing(self, what: str) -> Iterator[None]:
        """Add the texts of a JSON-RPC error."""
        try:
            yield
        except MCPError as error:
            result = {"message": error.error.message, **(error.error.data or {})}
            self.failures.append((what, result))


@asynccontextmanager
async def connected(
    service: Service, reader: Reader, era: str = "auto", **options: Any
) -> AsyncIterator[tuple[Client, ToolContext]]:
    async with project_on(httpx2.ASGITransport(service)) as opened:
        project = replace(opened, policy=with_destination(None, opened.folder))
        assert ConsoleRecord(project.folder).claim(CONSOLE)
        server = build_server(project, **options)
        async with Client(server, mode=era, elicitation_callback=reader.agree) as client:
            yield client, project


async def read_through(service: Service, era: str = "auto") -> Reader:
    reader = Reader(service.text)
    async with connected(service, reader, era) as (client, project):
        await reader.read_all(client, project)
    return reader


Case = tuple[str, str, int]
WRITTEN: list[Case] = [*((name, "auto", 0) for name in CORPUS), (TOGETHER, "legacy", 0)]
FAILING: list[Case] = [(TOGETHER, "auto", status) for status in (400, 401, 404, 429, 500)]
_READ: dict[Case, Reader] = {}


async def reader_of(case: Case) -> Reader:
    """Who has read all that a server lists, where every text is one of the corpus."""
    name, era, status = case
    if case not in _READ:
        failing = {"*": status} if status else {}
        _READ[case] = await read_through(Service(CORPUS.get(name, HONEST), failing), era)
    return _READ[case]


def label(case: Case) -> str:
    return "-".join(map(str, filter(None, case)))


@pytest.fixture(scope="module")
async def reader(request: pytest.FixtureRequest) -> Reader:
    return await reader_of(request.param)


def _reading(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("reader", cases, ids=label, indirect=True)


EACH_TEXT = _reading(WRITTEN)
EACH_FAILURE = _reading(FAILING)
EACH = _reading([*WRITTEN, *FAILING])


def strings(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every string in a JSON value, the keys of objects included, with the keys that lead there."""
    match value:
        case str():
            yield path, value
        case dict():
            for key, each in value.items():
                yield path, key
                yield from strings(each, (*path, key))
        case list():
            for each in value:
                yield from strings(each, path)


def is_strangers(text: str) -> bool:
    return STRANGER.casefold() in text.casefold() or "xn--kil" in text


def untrusted_in(result: dict[str, Any]) -> set[str]:
    """The fields that an answer names as such, wherever it does."""
    meta = result.get("_meta", {})
    return {
        *result.get("untrusted", []),
        *(name for key in meta if "untrusted" in key for name in meta[key]),
    }


@EACH_TEXT
async def test_everything_that_is_listed_is_reached(reader: Reader) -> None:
    names = {listed["name"] for listed in reader.said_first[1:] if "inputSchema" in listed}
    answered = {where for where, result in reader.answers if result}
    assert names <= answered
    assert reader.prompts
    assert reader.questions
    assert reader.progress
    shown = {
        where
        for where, result in reader.answers
        if any(is_strangers(t) for _, t in strings(result))
    }
    assert shown >= {
        "get_app",
        "search_apps",
        "review_apps",
        "delete_app",
        "plan_manifest",
        "resources",
    }


@EACH
async def test_nothing_unseen_leaves_in_an_answer(reader: Reader) -> None:
    for where, result in [*reader.answers, *reader.failures]:
        raw = [(path, text[:100]) for path, text in strings(result) if deceives(text)]
        assert raw == [], where


@EACH
async def test_every_text_is_cut_at_its_bound(reader: Reader) -> None:
    for where, result in [*reader.answers, *reader.failures]:
        for path, text in strings(result):
            if not WHOLE & {*path}:
                bound = max((BOUNDS.get(key, 0) for key in path), default=0) or MOST
                assert len(text) <= bound + 1, (where, path)


@EACH_TEXT
async def test_what_is_cut_is_said(reader: Reader) -> None:
    for where, result in reader.answers:
        for view in views_in(result):
            shown = {path[-1] for path, text in strings(view) if text.endswith("…")}
            # The type of an app is there a second time.
            assert shown - {"party"} == set(view.get("cut", [])), where


def views_in(result: Any) -> Iterator[dict[str, Any]]:
    """The apps in an answer that are shown in full."""
    match result:
        case {"oauth_config": dict()}:
            sections = ("client", "oauth_config", "lifecycle")
            yield {
                "cut": result["cut"],
                **{k: v for name in sections for k, v in result[name].items()},
            }
        case {"client_id": str(), "redirect_urls": list()}:
            yield result
        case dict() | list():
            for each in result.values() if isinstance(result, dict) else result:
                yield from views_in(each)


@EACH
async def test_every_field_of_strangers_is_named(reader: Reader) -> None:
    for where, result in [*reader.answers, *reader.failures]:
        named = untrusted_in(result)
        unnamed = {
            path for path, text in strings(result) if is_strangers(text) and not named & {*path}
        }
        assert unnamed == set(), where


@EACH
async def test_nothing_of_strangers_is_in_what_is_the_servers_own(reader: Reader) -> None:
    ours = [
        reader.said_first,
        reader.progress,
        [result.get("hint", "") for _, result in reader.failures],
    ]
    assert [text for _, text in strings(ours) if is_strangers(text)] == []


ANYBODY: Case = ("", "auto", 0)


@EACH_TEXT
async def test_a_prompt_has_the_lines_that_it_has_for_anybody(reader: Reader) -> None:
    honest = await reader_of(ANYBODY)
    for prompt, usual in zip(reader.prompts, honest.prompts, strict=True):
        lines = prompt.split("\n")
        assert not any(map(deceives, lines))
        assert len(lines) == len(usual.split("\n"))


def labels(question: str) -> list[str]:
    """What stands before the colon of each line."""
    return [line.partition(":")[0] for line in question.split("\n")]


def shapes(questions: list[str]) -> list[list[str]]:
    """The labels of the questions, each list of them once: some are asked anew for some texts."""
    return [list(each) for each in dict.fromkeys(tuple(labels(text)) for text in questions)]


@EACH_TEXT
async def test_a_question_has_the_lines_that_it_has_for_anybody(reader: Reader) -> None:
    honest = await reader_of(ANYBODY)
    assert shapes(reader.questions) == shapes(honest.questions)


@EACH_TEXT
async def test_no_line_of_a_question_begins_anew_in_a_narrow_window(reader: Reader) -> None:
    for question in reader.questions:
        for line in question.split("\n"):
            assert not deceives(line)
            assert not re.search(r"\s\s", line)
            assert len(line) < 2_100


@EACH_TEXT
async def test_a_question_tells_the_type_whatever_the_name_says(reader: Reader) -> None:
    asked = [question.split("\n") for question in reader.questions]
    named = [lines for lines in asked if any(line.startswith("App: ") for line in lines)]
    assert named
    for lines in named:
        (at,) = (number for number, line in enumerate(lines) if line.startswith("App: "))
        assert re.fullmatch(r'App: "(?:[^"\\]|\\.)*"', lines[at])
        assert not is_strangers(lines[at + 1])
        assert lines[at + 1].startswith("Type: ")


@EACH_FAILURE
async def test_every_tool_fails_as_the_service_does(reader: Reader) -> None:
    named = [result.get("status") for _, result in reader.failures if "status" in result]
    assert len(named) > 50
    assert len(set(named)) == 1


async def test_text_that_is_no_unicode_is_no_answer() -> None:
    reader = Reader("New")
    async with connected(Service("Kilroy\ud800"), reader) as (client, project):
        with pytest.raises(UnexpectedAnswer):
            await project.api.get("app")
        await reader.call(client, "get_app", {"client_id": "app"})
        await reader.call(client, "search_apps", {})
    assert [result["error"] for _, result in reader.failures] == ["UnexpectedAnswer"] * 2
    assert not any(is_strangers(text) for _, text in strings(reader.failures))


TEXTS = pytest.mark.parametrize("name", CORPUS)


def outside_quotes(line: str) -> str:
    """What of a line is not between quotes, whether or not they are cut off."""
    return re.sub(r'"(?:[^"\\]|\\.)*("|$)', "", line)


async def marked(service: Service, folder: Path) -> None:
    """Record calls with the same text in their arguments, client and service."""
    text = service.text
    calls: list[tuple[str, dict[str, Any]]] = [
        ("create_app", {"client_type": "third_party", "client_name": text}),
        ("update_app", {"client_id": "app", "client_description": text}),
        ("delete_app", {"client_id": "app", text[:2_000]: text}),
        ("revoke_user_grant", {"client_id": "app", "user_id": "bob"}),
    ]
    async with project_on(httpx2.ASGITransport(service), folder=folder) as project:
        info = types.Implementation(name=text, version=text)
        async with Client(build_server(project), client_info=info, mode="legacy") as client:
            for tool, arguments in calls:
                await client.call_tool(tool, arguments)


@TEXTS
async def test_the_audit_log_holds_a_line_a_record_in_ascii(name: str, tmp_path: Path) -> None:
    await marked(Service(CORPUS[name]), tmp_path)
    (file,) = (tmp_path / "audit").glob("audit.*.jsonl")
    recorded = file.read_bytes().decode("ascii").split("\n")
    assert recorded.pop() == ""
    events = [json.loads(line)["event"] for line in recorded]
    assert events == ["opened", *["intent", "outcome"] * 2, "refusal", "intent", "outcome"]
    assert all(line.isprintable() for line in recorded)


@TEXTS
async def test_audit_tail_shows_what_strangers_wrote_between_quotes(
    name: str, tmp_path: Path
) -> None:
    await marked(Service(CORPUS[name]), tmp_path)
    shown = CliRunner().invoke(main, ["audit", "tail", "--audit-log", str(tmp_path / "audit")])
    *result, end = shown.stdout.split("\n")
    assert (len(result), end) == (8, "")
    assert is_strangers(shown.stdout)
    for line in result:
        assert not deceives(line)
        assert not is_strangers(outside_quotes(line))
        assert len(line) < 2_100


@TEXTS
async def test_approve_shows_the_question_in_its_lines(name: str, tmp_path: Path) -> None:
    asked = {}
    for text in (CORPUS[name], HONEST):
        folder = tmp_path / text[:1]
        async with (
            project_on(httpx2.ASGITransport(Service(text)), folder=folder) as project,
            Client(build_server(project, confirm="always")) as client,
        ):
            arguments = {"client_id": "app", "access_token_template_content": f"{text}!"}
            await client.call_tool("update_app", arguments)
        shown = CliRunner().invoke(main, ["approve", "--data-dir", str(folder)])
        asked[text] = shown.stdout.strip().split("\n")
        assert not any(map(deceives, asked[text]))
    assert is_strangers("".join(asked[CORPUS[name]]))
    # The first line tells the time.
    assert list(map(labels, asked[CORPUS[name]][1:])) == list(map(labels, asked[HONEST][1:]))


CREDENTIALS = {
    "STYTCH_PROJECT_ID": SANDBOX.project_id,
    "STYTCH_SECRET": SANDBOX.secret.get_secret_value(),
}
POLICY = """
redirect_hosts = ["good.example"]
redirect_schemes = ["https"]
[protected_apps]
names = ["Kil\u202eroy"]
"""


@TEXTS
def test_policy_check_shows_an_app_in_its_lines(name: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(POLICY)
    shown = {}
    for text in (CORPUS[name], HONEST):
        with serving(Service(text)) as url:
            arguments = ["policy", "check", "--policy", str(file), "--base-url", url]
            done = CliRunner().invoke(main, arguments, env=CREDENTIALS)
        assert done.exit_code == 1
        shown[text] = done.stdout.split("\n")
        assert not any(map(deceives, shown[text]))
        assert max(map(len, shown[text])) < 1_000
    assert is_strangers("".join(shown[CORPUS[name]]))
    assert len(shown[CORPUS[name]]) == len(shown[HONEST])


async def left_behind(service: Service, folder: Path) -> ToolContext:
    """A project with a doubtful secret and two interrupted calls."""
    async with project_on(httpx2.ASGITransport(service), folder=folder) as project:
        app = CreateApp(client_type="third_party", client_name=service.text)
        await project.secrets.create(app)
        acts: tuple[Act, ...] = ("create_app", "start_secret_rotation")
        for act in acts:
            project.secrets.journal.record(
                Intent(
                    act=act,
                    project_id=project.api.project_id,
                    client_id="app",
                    client_name=service.text,
                )
            )
        return project


@TEXTS
async def test_secrets_list_shows_a_secret_a_line_and_a_loss_a_line(
    name: str, tmp_path: Path
) -> None:
    service = Service(CORPUS[name])
    await left_behind(service, tmp_path)
    flags = ["--secret-store", "file", "--data-dir", str(tmp_path)]
    with serving(service) as url:
        arguments = ["secrets", "list", *flags, "--base-url", url]
        done = await to_thread.run_sync(
            lambda: CliRunner().invoke(main, arguments, env=CREDENTIALS)
        )
    listed, losses = done.stdout.splitlines(), done.stderr.splitlines()
    losses = [line for line in losses if line.startswith("Warning: ")]
    assert (len(listed), len(losses)) == (1, 3)
    assert SERVICE in listed[0]
    for line in [*listed, *losses]:
        assert not deceives(line)
        assert len(line) < 1_100
    assert all(map(is_strangers, losses))


@pytest.mark.parametrize("status", [0, 400, 500])
async def test_the_instructions_tell_losses_without_a_word_of_strangers(
    status: int, tmp_path: Path
) -> None:
    service = Service(CORPUS[TOGETHER])
    await left_behind(service, tmp_path)
    service.failing = {"*": status} if status else {}
    async with project_on(httpx2.ASGITransport(service), folder=tmp_path) as project:
        losses = await report_losses(project)
        about = replace(project.server, losses=losses)
        async with Client(build_server(replace(project, server=about))) as client:
            assert len(losses) == 3
            assert client.instructions
            assert all(loss in client.instructions for loss in losses)
            assert not is_strangers(client.instructions)
            assert not deceives(client.instructions)
