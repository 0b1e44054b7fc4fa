"""A secret is delivered where the operator says, after a person's yes, and is never shown."""

import json
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent
from typing import Any

import anyio
import pytest
from examples import APP
from mcp import Client, MCPError
from server.audit.logs import bytes_of, lines_of
from server.people import NO, YES, Person, Wire, asking, rotating
from support import ERAS, answer, json_of, offering, refusal
from tools.secrets.delivery.commands import TREE, alive

from connected_apps_tools import ToolContext
from connected_apps_tools.safety.policy import Policy

TO_ENV: dict[str, Any] = {"client_id": APP, "destination": "env", "which": "next"}


def commands(folder: Path, **scripts: str) -> dict[str, Any]:
    """Destinations that run scripts."""
    start = [sys.executable, "-c"]
    return {
        name: {"command": [*start, script, str(folder)], "seconds": 20}
        for name, script in scripts.items()
    }


def policy_of(destinations: dict[str, Any], **rules: Any) -> Policy:
    return Policy.model_validate({"destinations": destinations, **rules})


@asynccontextmanager
async def rotating_app(
    person: Person | None, folder: Path, era: str = "auto", **options: Any
) -> AsyncIterator[tuple[Client, ToolContext, str]]:
    """A client, the project, and the next secret of an app that is rotating."""
    async with asking(Wire(), person, era, folder=folder, **options) as (client, project):
        await rotating(project)
        stored = await project.secrets.store.get(APP, "next")
        assert stored
        yield client, project, stored.secret.get_secret_value()


# What arrives.


@pytest.mark.parametrize("era", ERAS)
async def test_a_secret_is_delivered_after_a_yes_and_not_shown(era: str, tmp_path: Path) -> None:
    person = Person(YES)
    async with rotating_app(person, tmp_path, era) as (client, _, secret):
        delivered = answer(await client.call_tool("deliver_client_secret", TO_ENV))
    assert delivered == {
        "client_id": APP,
        "which": "next",
        "last_four": secret[-4:],
        "destination": "env",
        "delivered": True,
    }
    assert (tmp_path / ".env").read_text() == f"CLIENT_SECRET={secret}\n"
    assert len(person.questions) == 1
    assert f"CLIENT_SECRET in {tmp_path / '.env'}" in person.questions[0]
    assert secret not in person.questions[0]


async def test_a_command_gets_the_secret_of_the_app(tmp_path: Path) -> None:
    script = "import sys; open(sys.argv[1] + '/input', 'w').write(sys.stdin.read())"
    policy = policy_of(commands(tmp_path, deploy=script))
    async with rotating_app(Person(YES), tmp_path, policy=policy) as (client, _, secret):
        arguments = TO_ENV | {"destination": "deploy"}
        assert (
            answer(await client.call_tool("deliver_client_secret", arguments))["output_bytes"] == 0
        )
    assert (tmp_path / "input").read_text() == secret


async def test_a_no_delivers_nothing(tmp_path: Path) -> None:
    async with rotating_app(Person(NO), tmp_path) as (client, _, _):
        refusal(await client.call_tool("deliver_client_secret", TO_ENV))
    assert not (tmp_path / ".env").exists()


async def test_a_dry_run_asks_nobody_and_delivers_nothing(tmp_path: Path) -> None:
    person = Person(NO)
    async with rotating_app(person, tmp_path) as (client, _, _):
        dry = answer(await client.call_tool("deliver_client_secret", TO_ENV | {"dry_run": True}))
    assert dry["delivered"] is False
    assert (person.questions, (tmp_path / ".env").exists()) == ([], False)


# What is recorded.


async def test_get_app_and_its_resource_show_what_was_delivered_where(tmp_path: Path) -> None:
    async with rotating_app(Person(YES), tmp_path) as (client, _, secret):
        assert (
            "deliveries" not in answer(await client.call_tool("get_app", {"client_id": APP}))["app"]
        )
        answer(await client.call_tool("deliver_client_secret", TO_ENV))
        shown = answer(await client.call_tool("get_app", {"client_id": APP}))["app"]
        resource = json.loads(
            vars((await client.read_resource(f"connected-app://{APP}")).contents[0])["text"]
        )
    (delivery,) = shown["deliveries"]
    assert (delivery["destination"], delivery["last_four"]) == ("env", secret[-4:])
    assert resource["lifecycle"]["rotation"]["deliveries"] == [delivery]


async def test_a_later_delivery_replaces_the_record_of_an_earlier_one(tmp_path: Path) -> None:
    async with rotating_app(Person(), tmp_path) as (client, project, _):
        answer(await client.call_tool("deliver_client_secret", TO_ENV))
        await client.call_tool("cancel_secret_rotation", {"client_id": APP})
        await client.call_tool("start_secret_rotation", {"client_id": APP})
        later = answer(await client.call_tool("deliver_client_secret", TO_ENV))
        recorded = [each.last_four for each in await project.deliveries.of(APP)]
    assert recorded == [later["last_four"]]


async def test_the_record_goes_with_the_app(tmp_path: Path) -> None:
    async with rotating_app(Person(), tmp_path) as (client, project, _):
        answer(await client.call_tool("deliver_client_secret", TO_ENV))
        answer(await client.call_tool("delete_app", {"client_id": APP}))
        assert not await project.deliveries.of(APP)


async def test_a_delivery_that_cannot_be_recorded_has_happened_and_says_so(tmp_path: Path) -> None:
    async with rotating_app(Person(YES), tmp_path) as (client, _, _):
        (tmp_path / "deliveries").write_text("no folder")
        delivered = answer(await client.call_tool("deliver_client_secret", TO_ENV))
    assert delivered["delivered"]
    assert "could not be recorded" in delivered["note"]


async def test_the_audit_log_has_the_delivery_with_the_last_four_characters(tmp_path: Path) -> None:
    async with rotating_app(Person(YES), tmp_path) as (client, _, secret):
        answer(await client.call_tool("deliver_client_secret", TO_ENV))
    _, intent, outcome = lines_of(tmp_path / "audit")
    assert intent["arguments"] == TO_ENV
    assert outcome["delivered"] == f"…{secret[-4:]}"
    assert "revealed" not in outcome


# What is refused.


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"destination": "evn"}, "Did you mean env?"),
        ({"destination": "evn"}, "Destinations for this app: env, broken."),
        ({"destination": "others"}, "policy destinations.others.apps"),
        ({"destination": "broken"}, "The command nowhere-to-be-found is not found."),
        ({"which": "current"}, "No current secret of this app is stored here."),
    ],
)
async def test_what_cannot_be_delivered_is_refused_before_anybody_is_asked(
    arguments: dict[str, Any], why: str, tmp_path: Path
) -> None:
    file = {"file": str(tmp_path / ".env"), "key": "CLIENT_SECRET"}
    policy = policy_of(
        {
            "env": file,
            "others": file | {"apps": ["another"]},
            "broken": {"command": ["nowhere-to-be-found"], "apps": [APP.upper()]},
        }
    )
    person = Person(YES)
    async with rotating_app(person, tmp_path, policy=policy) as (client, _, _):
        refused = refusal(await client.call_tool("deliver_client_secret", TO_ENV | arguments))
    assert why in refused["message"]
    assert (person.questions, (tmp_path / ".env").exists()) == ([], False)


async def test_a_secret_that_is_not_the_services_is_not_delivered(tmp_path: Path) -> None:
    async with rotating_app(Person(YES), tmp_path) as (client, project, _):
        await project.api.cancel_rotation(APP)
        await project.api.start_rotation(APP)
        refused = refusal(await client.call_tool("deliver_client_secret", TO_ENV))
    assert "differs from the service's" in refused["message"]
    assert not (tmp_path / ".env").exists()


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"destinations": ()}, "The policy names no destinations."),
        ({"read_only": True}, "read-only"),
        ({"live_guard": True}, "live"),
    ],
)
async def test_the_tool_is_off_where_nothing_may_be_delivered(
    given: dict[str, Any], why: str
) -> None:
    async with asking(Wire(), None, offer=offering(**given)) as (client, _):
        with pytest.raises(MCPError, match=why):
            await client.call_tool("deliver_client_secret", TO_ENV)


async def test_a_model_finds_the_destinations_in_the_schema(tmp_path: Path) -> None:
    offer = offering(destinations=("env", "github"), reveals=False)
    async with asking(Wire(), None, folder=tmp_path, offer=offer) as (client, _):
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        wrong = refusal(
            await client.call_tool("deliver_client_secret", {**TO_ENV, "destination": "x"})
        )
    schema = tools["deliver_client_secret"].input_schema["properties"]["destination"]
    assert schema["enum"] == ["env", "github"]
    assert "reveal_client_secret" not in tools
    assert "'env' or 'github'" in wrong["message"]


# What goes wrong, with a secret that has to stay unseen.

HOSTILE = {
    "prints the secret": "import sys; s = sys.stdin.read(); print(s); print(s, file=sys.stderr)",
    "prints it and fails": "import sys; sys.exit(sys.stdin.read())",
    "crashes with it in a traceback": "import sys; raise KeyError(sys.stdin.read())",
    "prints a lot": "import sys; print(sys.stdin.read() * 50_000)",
    "closes its input early": "import os; os.close(0); print('x')",
    "closes everything": "import os; os.closerange(0, 10)",
    "aborts": "import os; os.abort()",
    "logs to the terminal": "import sys; open('/dev/tty', 'w').write(sys.stdin.read())",
    "hangs": "import sys, time; print(sys.stdin.read(), flush=True); time.sleep(60)",
    "forks and hangs": f"{dedent(TREE)}\nif os.fork(): stay()\nos.setsid(); stay()",
}


@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("era", ERAS)
async def test_nothing_of_the_secret_comes_back_from_a_command(
    case: str, era: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    processes = tmp_path / "processes"
    processes.mkdir()
    destination = commands(processes, hostile=HOSTILE[case])
    destination["hostile"]["seconds"] = 1 if "hangs" in case else 20
    person = Person(YES)
    async with rotating_app(person, tmp_path, era, policy=policy_of(destination)) as (
        client,
        project,
        secret,
    ):
        arguments = TO_ENV | {"destination": "hostile"}
        result = await client.call_tool("deliver_client_secret", arguments)
        recorded = await project.deliveries.of(APP)
        kept = await project.secrets.store.get(APP, "next")
        state = json_of(await client.call_tool("get_app", {"client_id": APP}))
    assert result.is_error != bool(recorded)
    if result.is_error:
        assert json_of(result)["error"] == "NotDelivered"
        assert json_of(result)["may_have_taken_effect"]
    assert kept
    assert kept.secret.get_secret_value() == secret
    log = b"".join(bytes_of(tmp_path / "audit").values()).decode()
    told = [json.dumps(json_of(result)), json.dumps(state), log, caplog.text, *person.questions]
    assert [text for text in told if secret in text] == []
    assert alive(processes) == []


async def test_a_failed_delivery_is_recorded_as_failed(tmp_path: Path) -> None:
    policy = policy_of(commands(tmp_path, deploy="raise SystemExit(3)"))
    async with rotating_app(Person(YES), tmp_path, policy=policy) as (client, project, _):
        arguments = TO_ENV | {"destination": "deploy"}
        failed = refusal(await client.call_tool("deliver_client_secret", arguments))
        assert not await project.deliveries.of(APP)
    assert "exit code 3" in failed["message"]
    outcome = lines_of(tmp_path / "audit")[-1]
    assert (outcome["error"], outcome["may_have_taken_effect"]) == ("NotDelivered", True)
    assert "delivered" not in outcome


async def test_a_delivery_goes_on_when_its_caller_goes_away(tmp_path: Path) -> None:
    script = (
        "import sys, time; open(sys.argv[1] + '/begun', 'w'); time.sleep(0.3); "
        "open(sys.argv[1] + '/input', 'w').write(sys.stdin.read())"
    )
    policy = policy_of(commands(tmp_path, deploy=script))
    arguments = TO_ENV | {"destination": "deploy"}
    async with (
        rotating_app(Person(YES), tmp_path, policy=policy) as (client, _, secret),
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(client.call_tool, "deliver_client_secret", arguments)
        while not await anyio.Path(tmp_path / "begun").exists():  # noqa: ASYNC110 - another process
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert (tmp_path / "input").read_text() == secret
    assert list((tmp_path / "deliveries").glob("*.json"))
