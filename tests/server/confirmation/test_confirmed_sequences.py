"""Random sessions: no write off the record, and none unasked where a person has to agree."""

import json
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from examples import APP, EXAMPLES
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import Client, MCPError, types
from server.audit.logs import lines_of, verify
from server.people import CONFIRMED, NO, YES, A, B, Wire, asking, rotating
from sizes import sized
from support import json_of, offering, project_on

from connected_apps_mcp.confirmation.approvals import KIND, Approvals
from connected_apps_tools import ToolContext
from connected_apps_tools.api.models import UpdateApp
from connected_apps_tools.safety.policy import Policy
from connected_apps_tools.storage.records import FolderState

URLS = [A, B, "https://a.example/other"]
ALLOWED = "a.example"
GUARDS: dict[str, dict[str, Any]] = {
    "none": {},
    "read-only": {"offer": offering(read_only=True)},
    "live guard": {"offer": offering(live_guard=True)},
    "hosts": {"policy": Policy(redirect_hosts=(ALLOWED,))},
    "protected": {"policy": Policy.model_validate({"protected_apps": {"client_ids": [APP]}})},
}
"""What keeps calls from being made."""

# Calls, right and wrong.

APPS = st.sampled_from([APP, APP, APP, "connected-app-test-none", "../x"])
LISTS = st.lists(st.sampled_from(URLS), max_size=2, unique=True)
BOOLEANS = st.booleans()
TEMPLATES = st.sampled_from(["", "{}"])
DRY_RUN = {"dry_run": BOOLEANS}
IF_UNCHANGED = {"if_unchanged": st.just("x")}
UNKNOWN = {"colour": st.just("red")}
SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "client_name": st.sampled_from(["Other", "\x1b[2J\u202e", "x" * 2000, 7]),
    "redirect_urls": LISTS,
    "access_token_expiry_minutes": st.sampled_from([1, 60, 61, 600, "60", 0]),
    "access_token_custom_audience": st.sampled_from(["", "https://x.example"]),
    "access_token_template_content": TEMPLATES,
    "id_token_template_content": TEMPLATES,
    "full_access_allowed": BOOLEANS,
    "bypass_consent_for_offline_access": BOOLEANS,
}
EDITS = {"add_redirect_urls": LISTS, "remove_redirect_urls": LISTS}
TYPES = st.sampled_from(["first_party", "first_party_public", "third_party", "fifth_party"])


def some_of(
    required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments: those that are required, and a few others."""
    few = st.lists(st.sampled_from(sorted(optional)), max_size=3, unique=True)
    return few.flatmap(
        lambda names: st.fixed_dictionaries(required | {name: optional[name] for name in names})
    )


ONE = {"client_id": APPS}
BOB = {"user_id": st.sampled_from(["bob", "nobody"])}
ANN = {"organization_id": st.just("acme"), "member_id": st.sampled_from(["ann", "nobody"])}
REVEAL = {"reveal_secret": BOOLEANS}
DELIVERY = {"destination": "env", "which": "next"}
FORCED = {"force": BOOLEANS, "reason": st.just("It is known elsewhere.")}
ONE_APP = {"client_id": APP}
FORCED_RIGHTLY = {"client_id": APP, "force": True, "reason": "It is known elsewhere."}
AS_SEEDED = {"client_id": APP, "redirect_urls": [A], "access_token_expiry_minutes": 60}
"""An update that changes nothing, unless the app has been changed meanwhile."""

RANDOM: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "create_app": some_of({"client_type": TYPES}, **SETTINGS, **REVEAL, **DRY_RUN),
    "get_app": some_of(ONE, **UNKNOWN),
    "update_app": some_of(ONE, **SETTINGS, **EDITS, **DRY_RUN, **IF_UNCHANGED, **UNKNOWN)
    | st.just(AS_SEEDED),
    "delete_app": some_of(ONE, **DRY_RUN, **IF_UNCHANGED, **UNKNOWN),
    "start_secret_rotation": some_of(ONE, **REVEAL, **UNKNOWN),
    "complete_secret_rotation": some_of(ONE, **FORCED) | st.just(FORCED_RIGHTLY),
    "cancel_secret_rotation": some_of(ONE, **UNKNOWN),
    "reveal_client_secret": some_of(ONE, which=st.sampled_from(["current", "next", "last"])),
    "deliver_client_secret": some_of(
        ONE | {"destination": st.sampled_from(["env", "env", "nowhere"])},
        which=st.sampled_from(["current", "next"]),
        **DRY_RUN,
    ),
    "list_user_grants": some_of(BOB, **UNKNOWN),
    "revoke_user_grant": some_of(BOB | ONE, **UNKNOWN),
    "list_member_grants": some_of(ANN, **UNKNOWN),
    "revoke_member_grant": some_of(ANN | ONE, **UNKNOWN),
    "get_server_status": some_of({}, **UNKNOWN),
}
ARGUMENTS = {name: st.just(example.arguments) for name, example in EXAMPLES.items()} | RANDOM
ANY = st.sampled_from([*ARGUMENTS]).flatmap(lambda tool: st.tuples(st.just(tool), ARGUMENTS[tool]))
SHARP = st.sampled_from(
    [
        ("update_app", AS_SEEDED),
        ("complete_secret_rotation", FORCED_RIGHTLY),
        ("start_secret_rotation", ONE_APP),
        ("reveal_client_secret", ONE_APP | {"which": "next"}),
        ("deliver_client_secret", ONE_APP | DELIVERY),
        *((tool, arguments) for tool, arguments, _ in CONFIRMED.values()),
    ]
)
CALLS = SHARP | SHARP | ANY

# People, and what happens elsewhere.

ANSWERS = st.sampled_from(
    [
        YES,
        YES,
        YES,
        YES,
        NO,
        NO,
        types.ElicitResult(action="cancel"),
        types.ElicitResult(action="accept", content={"confirm": "yes"}),
        types.ElicitResult(action="accept"),
        types.ErrorData(code=-32000, message="broken"),
    ]
)


async def add_host(project: ToolContext) -> None:
    """Let the app have another redirect host."""
    await project.api.update(UpdateApp(client_id=APP, redirect_urls=[B]))


async def tighten(project: ToolContext) -> None:
    """Give the app's tokens a shorter life, so that what was harmless no longer is."""
    await project.api.update(UpdateApp(client_id=APP, access_token_expiry_minutes=1))


async def start(project: ToolContext) -> None:
    """Start a rotation of the app's secret."""
    await project.api.start_rotation(APP)


ELSEWHERE = st.sampled_from([None, None, None, add_host, tighten, start])
STEPS = st.fixed_dictionaries(
    {
        "call": CALLS,
        "answers": st.lists(ANSWERS, min_size=1, max_size=3),
        "after_the_first_read": ELSEWHERE,
        "with_the_question": ELSEWHERE,
        "after_the_answer": ELSEWHERE,
        "approves": BOOLEANS,
        "instead": SHARP,
    }
)
SESSIONS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["consumer", "consumer", "b2b"]),
        "client": st.sampled_from([("legacy", True), ("auto", True), ("auto", False)]),
        "rotating": BOOLEANS,
        "confirm": st.sampled_from(["auto", "auto", "auto", "always", "always", "never"]),
        "live": BOOLEANS,
        "guard": st.sampled_from(["none"] * 4 + ["hosts"] * 4 + [*GUARDS]),
        "steps": st.lists(STEPS, min_size=4, max_size=8),
    }
)


def needs_agreement(wire: Wire, request: httpx2.Request) -> bool:
    """Whether a person has to agree to a write: what it is, against the last look at the app."""
    if request.method == "DELETE":
        return True
    path, body = request.url.path, json.loads(request.content or b"{}")
    if path.endswith("/revoke"):
        return path.split("/")[-2] in wire.grants()
    if path.endswith("/rotate"):
        return bool(wire.looked_at.get("next_client_secret_last_four"))
    return request.method == "PUT" and weakens(wire.looked_at, body)


CLAIMS = [
    "access_token_custom_audience",
    "access_token_template_content",
    "id_token_template_content",
]
SWITCHES = ["full_access_allowed", "bypass_consent_for_offline_access"]


def weakens(before: dict[str, Any], body: dict[str, Any]) -> bool:
    after = before | body
    return bool(
        hosts_of(after) - hosts_of(before)
        or set(before["redirect_urls"]) - set(after["redirect_urls"])
        or any(after[switch] and not before[switch] for switch in SWITCHES)
        or after["access_token_expiry_minutes"] > before["access_token_expiry_minutes"]
        or any((after[claim] or "") != (before[claim] or "") for claim in CLAIMS)
    )


def hosts_of(app: dict[str, Any]) -> set[str | None]:
    return {urlsplit(url).hostname for url in app.get("redirect_urls", [])}


UNBOUND = {"create_app", "revoke_user_grant", "revoke_member_grant"}
"""The tools of which an agreement holds whatever the settings of the app are by then."""


class Session:
    """A session that is played, and what in it should not have been."""

    def __init__(self, plan: dict[str, Any], folder: Path) -> None:
        self.plan = plan
        self.era, self.asks = plan["client"]
        self.folder = folder
        self.wire = Wire(plan["kind"])
        self.faults: list[str] = []
        self.judged = 0
        self.tool = ""
        self.arguments: dict[str, Any] = {}
        self.answers: list[Any] = []
        self.questions: list[str] = []
        self.accepted = False
        self.written = ""
        self.agreements: list[str] = []
        self.with_the_question: Callable[[], Awaitable[object]] | None = None
        self.after_the_answer: Callable[[], Awaitable[object]] | None = None

    @property
    def strict(self) -> bool:
        """Whether this server lets nothing pass to which nobody has agreed."""
        confirm = self.plan["confirm"]
        return bool(confirm != "never" and (self.asks or self.plan["live"] or confirm == "always"))

    def the_call(self) -> str:
        """The call under way, on the app as the server last saw it: what an agreement holds for."""
        app = None if self.tool in UNBOUND else self.wire.looked_at
        return json.dumps([self.tool, self.arguments, app], sort_keys=True)

    def agreed(self, call: str) -> bool:
        """Whether a person has agreed to a call, which counts once."""
        if call not in self.agreements:
            return False
        self.agreements.remove(call)
        return True

    async def person(self, _context: Any, params: Any) -> Any:
        self.questions.append(params.message)
        shown = self.the_call()
        if happens := self.with_the_question:
            self.with_the_question = None
            await happens()
        if self.after_the_answer:  # after the last look: nobody sees that, and nothing else may
            self.wire.meanwhile, self.after_the_answer = self.after_the_answer, None
        given = self.answers.pop(0) if self.answers else NO
        self.accepted = given is YES
        self.agreements = [shown] if self.accepted else []
        return given

    def judge(self, request: httpx2.Request) -> None:
        """Look at a write before the service gets it."""
        write = f"{self.tool} {self.arguments}: {request.method} {request.url.path}"
        *_, last = lines_of(self.folder / "audit") or [{}]
        of_the_call = last.get("tool") == self.tool or "part_of" in last
        if last.get("event") != "intent" or not of_the_call:
            self.faults.append(f"{write} without an intent")
        if self.arguments.get("dry_run"):
            self.faults.append(f"{write} in a dry run")
        self.written = self.the_call()
        body = json.loads(request.content or b"{}")
        if self.strict and needs_agreement(self.wire, request):
            if not self.agreed(self.written):
                self.faults.append(f"{write} to which nobody has agreed, as the app was seen")
            elif self.asks and any(str(host) not in self.questions[-1] for host in hosts_of(body)):
                self.faults.append(f"{write} with a host that nobody saw")
        self.judge_guard(write, body, request.url.path)
        self.judged += 1

    def judge_guard(self, write: str, body: dict[str, Any], path: str) -> None:
        match self.plan["guard"]:
            case "read-only" | "live guard":
                self.faults.append(f"{write} although nothing may be changed")
            case "protected" if APP in path:
                self.faults.append(f"{write} although the app is protected")
            case "hosts" if "redirect_urls" in body:
                before = hosts_of(self.wire.app_as_it_is(APP)) if APP in path else set()
                if hosts_of(body) - {ALLOWED, *before}:
                    self.faults.append(f"{write} with a host that is not allowed")

    async def play(self) -> None:
        """Play it from its beginning to its end."""
        plan, elsewhere = self.plan, httpx2.ASGITransport(self.wire.app)
        person: Any = self.person if self.asks else None
        options = GUARDS[plan["guard"]] | {"confirm": plan["confirm"], "live": plan["live"]}
        async with (
            project_on(elsewhere) as other,
            asking(self.wire, person, self.era, folder=self.folder, **options) as (client, mine),
        ):
            if plan["rotating"]:
                await rotating(mine)
            self.wire.witness, before = self.judge, len(self.wire.writes)
            for step in plan["steps"]:
                self.wire.restore()
                self.wire.meanwhile = happening(step["after_the_first_read"], other)
                self.with_the_question = happening(step["with_the_question"], other)
                self.after_the_answer = happening(step["after_the_answer"], other)
                await self.take(step, client)
            assert self.judged == len(self.wire.writes) - before
        if (self.folder / "audit").exists():
            report = verify(self.folder / "audit")
            self.faults += report.problems + [f"{tool}: no outcome" for tool in report.pending]

    async def take(self, step: dict[str, Any], client: Client) -> None:
        """Make a call; where it waits for a person at a terminal, perhaps twice more."""
        self.tool, self.arguments = step["call"]
        result = await self.call(step["call"], step["answers"], client)
        if not step["approves"] or "connected-apps-mcp approve" not in result:
            return
        # The app may have changed during the call, and then the question was put anew.
        (self.tool, self.arguments), waits = step["call"], self.the_call()
        approvals = Approvals(FolderState(self.folder).records(KIND))
        approvals.approve(max(approvals, key=lambda waiting: waiting.since))
        self.agreements.append(waits)
        if happens := self.with_the_question:
            await happens()
        for call in (step["instead"], step["call"], step["call"]):
            await self.call(call, step["answers"], client)

    async def call(
        self, call: tuple[str, dict[str, Any]], answers: list[Any], client: Client
    ) -> str:
        """Make a call, and look at what has become of it."""
        (self.tool, self.arguments), self.answers = call, list(answers)
        self.questions.clear()
        self.written = ""
        quiet = not (self.wire.meanwhile or self.with_the_question or self.after_the_answer)
        before, written, recorded = self.wire.state(), len(self.wire.writes), len(self.events())
        result: dict[str, Any] = {}
        with suppress(MCPError):  # a tool that is off, or a client that breaks off
            result = json_of(await client.call_tool(self.tool, self.arguments))
        wrote, events = len(self.wire.writes) > written, self.events()[recorded:]
        if self.questions and not self.accepted and wrote:
            self.faults.append(f"{self.tool}: done against the answer")
        if quiet and not wrote and self.wire.state() != before:
            self.faults.append(f"{self.tool}: changed although nothing was written")
        shows = any(
            "value" in part for part in (result, *result.values()) if isinstance(part, dict)
        )
        delivers = self.take_delivery()
        if delivers and self.plan["guard"] in {"read-only", "live guard", "protected"}:
            self.faults.append("a secret was delivered although nothing may be changed")
        if (wrote or shows or delivers) and events[-2:] != ["intent", "outcome"]:
            self.faults.append(f"{self.tool}: on record as {events}")
        secret_left = (shows or delivers) and self.strict
        if secret_left and not self.agreed(self.written or self.the_call()):
            self.faults.append(f"{self.tool}: a secret was shown or delivered unasked")
        return str(result)

    def take_delivery(self) -> bool:
        """Whether a secret was delivered, which is taken away again."""
        delivered = (self.folder / ".env").exists()
        (self.folder / ".env").unlink(missing_ok=True)
        return delivered

    def events(self) -> list[str]:
        """What kind of line each of the log is, but for the start of a file and parts of calls."""
        recorded = lines_of(self.folder / "audit")
        parts = {line["entry"] for line in recorded if "part_of" in line}
        others = [line for line in recorded if line.get("entry") not in parts]
        return [line["event"] for line in others if line["event"] != "opened"]


def happening(what: Any, other: ToolContext) -> Callable[[], Awaitable[object]] | None:
    """Something that happens elsewhere, or cannot happen any more."""

    async def happen() -> None:
        with suppress(Exception):
            await what(other)

    return happen if what else None


@pytest.mark.series
@settings(max_examples=sized("random sessions"))
@given(plan=SESSIONS)
async def test_nothing_happens_off_the_record_or_unasked(plan: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as name:
        session = Session(plan, Path(name))
        await session.play()
    assert session.faults == []
