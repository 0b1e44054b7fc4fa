"""The answers over stdio are, byte for byte, those that were recorded.

So a change of the code proves here that it changes no answer. If it should change some, record them
again with `pytest --snapshot-update`, and read the difference.
"""

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha512
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from subprocess import Popen
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from examples import APP, EXAMPLES, MEMBER, ORGANIZATION, USER
from hostile import CORPUS, STRANGER, TOGETHER, Service
from server.people import Wire
from starlette.types import ASGIApp, Receive, Scope, Send
from support import EVERY_SETTING, HELLO, LISTED, MODERN, lines, on_service, talk
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension

from connected_apps_mcp.client_configs.entries import PROGRAM
from connected_apps_mcp.sandbox import ProjectKind
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed, SeedApp

ERAS = ["handshake", "modern"]
ASKS: dict[str, Any] = {"elicitation": {"form": {}}}
"""The capabilities of a client that asks a person."""

YES = {"action": "accept", "content": {"confirm": True}}
NO = {"action": "decline"}

MANY_URLS = "connected-app-test-many"
PUBLIC = "connected-app-test-public"
LONG = "connected-app-test-long"
ODD = "connected-app-test-odd"
NONE = "connected-app-test-none"

Call = tuple[str, dict[str, Any]]
"""A method and its parameters."""


def tool(name: str, **arguments: Any) -> Call:
    return "tools/call", {"name": name, "arguments": arguments}


def complete(kind: str, name: str, argument: str, value: str) -> Call:
    key = "name" if kind == "ref/prompt" else "uri"
    ref = {"type": kind, key: name}
    return "completion/complete", {"ref": ref, "argument": {"name": argument, "value": value}}


def prompt(name: str, **arguments: str) -> Call:
    return "prompts/get", {"name": name, "arguments": arguments}


def read(client_id: str) -> Call:
    return "resources/read", {"uri": f"connected-app://{quote(client_id, safe='')}"}


def examples(kind: ProjectKind) -> list[Call]:
    """The examples of the tools, those last that take the app away, with what they need."""
    names = [tool.name for tool in LISTED if EXAMPLES[tool.name].kind in {None, kind}]
    fitting = {name: each for name, each in EXAMPLES.items() if name in names}
    calls: list[Call] = []
    for name, each in fitting.items():
        if name != "delete_app":
            calls += [tool("start_secret_rotation", client_id=APP)] if each.rotating else []
            calls.append(tool(name, **each.arguments))
    return [*calls, tool("delete_app", **EXAMPLES["delete_app"].arguments)]


LISTS: list[Call] = [
    (method, {})
    for method in ("tools/list", "prompts/list", "resources/templates/list", "resources/list")
]

READS: list[Call] = [
    *(tool("get_app", client_id=app) for app in (APP, MANY_URLS, PUBLIC, LONG, ODD, NONE)),
    tool("search_apps"),
    tool("search_apps", limit=3),
    tool("search_apps", limit=100, max_bytes=4_000),
    tool("search_apps", limit=5, detail="full"),
    tool("search_apps", query="many", detail="full", max_bytes=4_000),
    tool("search_apps", query="billing", limit=4),
    tool("search_apps", query="biling"),
    tool("search_apps", redirect_host="a.example"),
    tool("search_apps", client_type="first_party_public", limit=2),
    tool("search_apps", rotating=True),
    tool("search_apps", max_scanned=7),
    tool("search_apps", cursor="eyJvZmZzZXQiOjN9", limit=2),
    tool("review_apps"),
    tool("review_apps", min_severity="high"),
    tool("review_apps", client_id=MANY_URLS),
    tool("review_apps", max_bytes=4_000),
    tool("review_apps", max_scanned=5),
    *(read(app) for app in (APP, MANY_URLS, LONG, ODD, NONE)),
    ("resources/list", {"cursor": "mine"}),
    ("resources/read", {"uri": "file:///etc/passwd"}),
    complete("ref/prompt", "rotate-secret", "client_id", ""),
    complete("ref/prompt", "rotate-secret", "client_id", "mi"),
    complete("ref/prompt", "register-app", "client_type", "public"),
    complete("ref/prompt", "register-app", "client_typ", ""),
    complete("ref/resource", "connected-app://{client_id}", "client_id", "billing"),
    complete("ref/resource", "other://{client_id}", "client_id", ""),
    prompt("register-app", client_name="New", client_type="third_party", redirect_urls="a b"),
    prompt("rotate-secret", client_id=APP),
    prompt("review-apps"),
    prompt("offboard-user", user_id=USER),
    prompt("register-app", client_name=CORPUS[TOGETHER][:200]),
    prompt("rotate-secrets"),
]

REFUSED: list[Call] = [
    tool("get_apps", client_id=APP),
    tool("get_app"),
    tool("get_app", client_id=7),
    tool("get_app", id=APP),
    tool("get_app", client_id=f"{APP}/../x"),
    tool("search_apps", limit="many", max_bytes=1, detail="all", query=" "),
    tool("search_apps", cursor="mine"),
    tool("search_apps", redirect_host="https://a.example/"),
    tool("create_app", client_type="second_party", client_name=["New"]),
    tool("create_app", client_type="third_party", redirect_urls=["not a URL"]),
    tool("create_app", client_type="third_party", full_access_allowed=True),
    tool("update_app", client_id=APP),
    tool("update_app", client_id=APP, add_redirect_urls=["x"], redirect_urls=["y"]),
    tool("update_app", client_id=APP, remove_redirect_urls=["https://a.example/c"]),
    tool("update_app", client_id=APP, client_name="New", if_unchanged="old"),
    tool("update_app", client_id=APP, access_token_expiry_minutes=0),
    tool("delete_app", client_id=NONE),
    tool("clone_app", client_id=NONE, client_name="Copy"),
    tool("start_secret_rotation", client_id=PUBLIC),
    tool("complete_secret_rotation", client_id=APP),
    tool("complete_secret_rotation", client_id=APP, force=True),
    tool("cancel_secret_rotation", client_id=APP),
    tool("reveal_client_secret", client_id=APP),
    tool("reveal_client_secret", client_id=APP, which="next"),
    tool("revoke_user_grant", user_id=USER, client_id=NONE),
    tool("list_organization_apps", organization_id=ORGANIZATION),
    ("tools/call", {"arguments": {}}),
    ("tools/call", {"name": "get_app", "arguments": []}),
    ("no/method", {}),
]

ADDED = {"add_redirect_urls": ["https://b.example/cb"]}
DRY: list[Call] = [
    tool("create_app", client_type="first_party", dry_run=True, **EVERY_SETTING),
    tool("update_app", client_id=APP, dry_run=True, client_name="New", **ADDED),
    tool("update_app", client_id=APP, dry_run=True, client_name="Mi\u202ene"),
    tool("clone_app", client_id=MANY_URLS, client_name="Copy", dry_run=True),
    tool("delete_app", client_id=APP, dry_run=True),
]

WRITES: list[Call] = [
    tool("create_app", client_type="first_party", **EVERY_SETTING),
    tool("create_app", client_type="first_party_public", client_name="CLI"),
    tool("create_app", client_type="first_party", client_name="Seen", reveal_secret=True),
    tool("update_app", client_id=MANY_URLS, client_name="Fewer", redirect_urls=[]),
    tool("update_app", client_id=MANY_URLS, client_name="Fewer"),
    tool("update_app", client_id=APP, **ADDED),
    tool("clone_app", client_id=ODD, client_name="Copy"),
    tool("start_secret_rotation", client_id=APP, reveal_secret=True),
    tool("start_secret_rotation", client_id=APP),
    tool("reveal_client_secret", client_id=APP, which="next"),
    tool("cancel_secret_rotation", client_id=APP),
]

ASKED: list[Call] = [
    tool("update_app", client_id=APP, full_access_allowed=True, **ADDED),
    tool("create_app", client_type="first_party", client_name="Seen", reveal_secret=True),
    tool("start_secret_rotation", client_id=APP),
    tool("complete_secret_rotation", client_id=APP),
    tool("revoke_user_grant", user_id=USER, client_id=APP),
    tool("delete_app", client_id=MANY_URLS),
]

OF_STRANGERS: list[Call] = [
    *LISTS[-1:],
    tool("get_app", client_id="app"),
    tool("search_apps", query=STRANGER, detail="full", max_bytes=20_000),
    tool("search_apps", max_bytes=8_000),
    tool("review_apps"),
    tool("create_app", client_type="third_party"),
    tool("update_app", client_id="app", client_name="New", dry_run=True),
    tool("update_app", client_id="app", client_name="New"),
    tool("delete_app", client_id="app"),
    tool("list_user_grants", user_id=USER),
    tool("get_organization_app", organization_id=ORGANIZATION, client_id="app"),
    tool("list_member_grants", organization_id=ORGANIZATION, member_id=MEMBER),
    read("app"),
    complete("ref/prompt", "rotate-secret", "client_id", STRANGER),
]

FAILING: list[Call] = [
    tool("get_app", client_id="app"),
    tool("search_apps"),
    tool("create_app", client_type="third_party_public"),
    tool("update_app", client_id="app", client_name="New"),
    tool("list_user_grants", user_id=USER),
    tool("get_server_status"),
    read("app"),
    ("resources/list", {}),
]


class Counted:
    """A sandbox in which nothing is random: ids and secrets follow from the number of writes."""

    def __init__(self, kind: ProjectKind, monkeypatch: pytest.MonkeyPatch) -> None:
        self._writes = 0
        sandbox = "connected_apps_mcp.sandbox"
        monkeypatch.setattr(f"{sandbox}.credentials.uuid4", lambda: UUID(int=self._writes))
        monkeypatch.setattr(
            f"{sandbox}.state.client_secrets.secrets.token_urlsafe",
            lambda size: urlsafe_b64encode(sha512(b"%d" % self._writes).digest()[:size]).decode(),
        )
        self._app = Wire(kind).app
        urls = [f"https://{number}.many.example/cb?x=é" for number in range(100)]
        many = SeedApp(client_id=MANY_URLS, client_type="first_party", redirect_urls=urls)
        many.client_name = "Many"
        public = SeedApp(client_id=PUBLIC, client_type="third_party_public", client_name="Public")
        long = SeedApp(client_id=LONG, client_type="third_party", client_name="Long " * 100)
        long.client_description = 'It says "ä\\n\u20ac\U0001f511" again. ' * 500
        long.access_token_template_content = '{"role": "é"}' * 1_000
        odd = SeedApp(client_id=ODD, client_type="first_party", client_name=CORPUS[TOGETHER])
        odd.client_description, odd.logo_url = CORPUS[TOGETHER], "https://o\u200bdd.example/é"
        seed(self._app, Seed(apps=[many, public, long, odd], generated_apps=150))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._writes += scope["method"] != "GET" and not scope["path"].endswith("/search")
        await self._app(scope, receive, send)


@dataclass
class Recording:
    """What a client says and hears, in lines; the random part of a line has a placeholder.

    Attributes:
        hides: patterns of what is random, with what stands for it.
        answers: what a person says to the next questions; later a yes.
    """

    process: Popen[str]
    era: str
    capabilities: dict[str, Any]
    hides: dict[bytes, bytes]
    answers: list[dict[str, Any]] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)
    _count: int = 0

    def greet(self) -> None:
        """Say hello, as the era does it."""
        if self.era == "handshake":
            hello, initialized = HELLO
            self.ask("initialize", hello["params"] | {"capabilities": self.capabilities})
            self._say(initialized)
        else:
            self.ask("server/discover", {})

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Send a request, and return the response to it."""
        self._count += 1
        meta: dict[str, Any] = {"progressToken": self._count}
        if self.era == "modern":
            meta |= MODERN | {"io.modelcontextprotocol/clientCapabilities": self.capabilities}
        params = {**params, "_meta": meta}
        self._say({"jsonrpc": "2.0", "id": self._count, "method": method, "params": params})
        return self._hear(self._count)

    def call(self, method: str, params: dict[str, Any]) -> None:
        """Send a request, and answer what it asks."""
        result = self.ask(method, params).get("result", {})
        while result.get("resultType") == "input_required":
            given = {name: self._answer() for name in result["inputRequests"]}
            more = {"inputResponses": given, "requestState": result["requestState"]}
            result = self.ask(method, params | more).get("result", {})

    def _answer(self) -> dict[str, Any]:
        return self.answers.pop(0) if self.answers else YES

    def _say(self, message: dict[str, Any]) -> None:
        talk(self.process, lines(message))
        self._keep(b"> ", lines(message).encode())

    def _hear(self, request: int) -> dict[str, Any]:
        assert isinstance(self.process.stdout, TextIOWrapper)
        while line := self.process.stdout.buffer.readline():
            self._keep(b"< ", line)
            message: dict[str, Any] = json.loads(line)
            if message.get("method") == "elicitation/create":
                self._say({"jsonrpc": "2.0", "id": message["id"], "result": self._answer()})
            elif message.get("id") == request and "method" not in message:
                return message
        raise AssertionError("the server ended")

    def _keep(self, sign: bytes, line: bytes) -> None:
        for pattern, placeholder in self.hides.items():
            line = re.sub(pattern, placeholder, line)
        self.heard.append(sign + line)


class Lines(SingleFileSnapshotExtension):
    """A recording in a file of its own."""

    file_extension = "jsonl"


@dataclass(frozen=True)
class Script:
    """What a recording is made of.

    Attributes:
        service: what the server works on: a kind of sandbox, or what fails at the hostile service.
        flags: of the server.
        asks: whether the client can ask a person.
        answers: what the person says to the first questions.
    """

    calls: Sequence[Call]
    service: ProjectKind | Mapping[str, int] = "consumer"
    flags: Sequence[str] = ()
    asks: bool = False
    answers: Sequence[dict[str, Any]] = ()


SCRIPTS = {
    "lists and examples": Script([*LISTS, *examples("consumer")]),
    "examples of B2B": Script(examples("b2b"), "b2b"),
    "reads": Script(READS),
    "refused": Script([*REFUSED, *DRY]),
    "writes": Script(WRITES),
    "asked": Script([*ASKED, *ASKED], asks=True, answers=[NO] * len(ASKED)),
    "cannot ask": Script(ASKED, flags=["--confirm", "always"]),
    "read-only": Script([*LISTS, *DRY, tool("get_server_status")], flags=["--read-only"]),
    "strangers": Script(OF_STRANGERS, {}),
    "unauthorized": Script(FAILING, {"*": 401}),
    "not found": Script(FAILING, {"*": 404}),
}


@pytest.fixture
def service(script: Script, monkeypatch: pytest.MonkeyPatch) -> ASGIApp:
    if isinstance(script.service, str):
        return Counted(script.service, monkeypatch)
    return Service(CORPUS[TOGETHER], failing=script.service)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_the_answers_are_those_that_were_recorded(
    script: Script, era: str, service: ASGIApp, tmp_path: Path, snapshot: SnapshotAssertion
) -> None:
    hides = {
        rb'("requestState": ?)"[^"]+"': rb'\1"<state>"',
        rb'("connected-apps-mcp/reveals": ?)"[0-9a-f]{32}"': rb'\1"<ticket>"',
        rb'(stored_at\\*":\\*)"[^"\\]+': rb'\1"<time>',
        re.escape(str(tmp_path)).encode(): b"<folder>",
        rf"/[^ ]*/{PROGRAM}(?= secrets )".encode(): PROGRAM.encode(),
        rf'("version":)"{re.escape(version(PROGRAM))}"'.encode(): rb'\1"<version>"',
    }
    capabilities = ASKS if script.asks else {}
    with on_service(service, tmp_path, *script.flags) as process:
        recording = Recording(process, era, capabilities, hides, list(script.answers))
        recording.greet()
        for method, params in script.calls:
            recording.call(method, params)
    assert b"".join(recording.heard) == snapshot(extension_class=Lines)
