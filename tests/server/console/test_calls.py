"""A call of the person passes what a call of an agent passes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from consoles import (
    CALENDAR,
    NOTES,
    Page,
    console,
    console_at_terminal,
    fill,
    flags_for,
    no_to,
    stop,
    yes_to,
)
from server.audit.logs import lines_of

from connected_apps_mcp.sandbox.seeds.seed import Seed


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with console(tmp_path) as page:
        yield page


def new_app(page: Page) -> str:
    """A new app with a stored secret."""
    app = page.result("create_app", client_type="first_party", client_name="Mine")["app"]
    return str(app["client_id"])


def calls_in(folder: Path, tool: str) -> list[dict[str, Any]]:
    """The lines of the audit log about a tool, but for outcomes."""
    lines = lines_of(folder / "data/audit")
    return [line for line in lines if line.get("tool") == tool and line["event"] != "outcome"]


def test_the_page_hears_about_the_project_and_its_tools(page: Page) -> None:
    about = page.get("api/about").json()["result"]
    assert about["environment"] == "sandbox"
    tools = {tool["name"]: tool for tool in about["tools"]}
    assert tools["update_app"]["inputSchema"]["properties"]["client_name"]
    assert about["destinations"] == []
    assert {name for tool in about["tools"] for name in tool} == {
        "name",
        "title",
        "description",
        "inputSchema",
    }


def test_a_result_is_that_of_the_tool(page: Page) -> None:
    found = page.result("search_apps", query="calendar")
    assert [app["client_id"] for app in found["apps"]] == [CALENDAR]


def test_an_error_has_the_fields_of_the_tool(page: Page) -> None:
    error = page.ask("get_app", client_id="connected-app-test-none")["error"]
    assert error["error"] == "connected_app_not_found"
    assert {"message", "hint", "request_id"} <= error.keys()


def test_an_unknown_tool_is_an_error(page: Page) -> None:
    assert "There is no such tool" in page.ask("drop_everything")["error"]["message"]


def test_a_question_comes_first_and_a_yes_goes_on(page: Page) -> None:
    asked = page.ask("delete_app", client_id=CALENDAR)
    assert "Delete this app" in asked["question"]["text"]
    assert page.result("get_app", client_id=CALENDAR)
    deleted = page.ask("delete_app", yes_to(asked), client_id=CALENDAR)
    assert deleted["result"]["deleted"]


def test_a_no_changes_nothing_and_is_recorded(page: Page, tmp_path: Path) -> None:
    asked = page.ask("delete_app", client_id=CALENDAR)
    refused = page.ask("delete_app", no_to(asked), client_id=CALENDAR)
    assert "the user declined" in refused["error"]["message"]
    assert page.result("get_app", client_id=CALENDAR)
    (line,) = calls_in(tmp_path, "delete_app")
    assert (line["event"], line["answer"]) == ("refusal", "decline")


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("delete_app", {"client_id": NOTES}),
        ("delete_app", {"client_id": CALENDAR, "if_unchanged": "v"}),
        ("update_app", {"client_id": CALENDAR, "full_access_allowed": True}),
    ],
)
def test_an_answer_counts_for_its_own_call_only(
    page: Page, tool: str, arguments: dict[str, Any]
) -> None:
    asked = page.ask("delete_app", client_id=CALENDAR)
    assert page.ask(tool, yes_to(asked), **arguments)["error"]["error"] == "InvalidAnswer"
    assert page.result("get_app", client_id=CALENDAR)


def test_an_answer_counts_once(page: Page) -> None:
    client_id = new_app(page)
    asked = page.secret(client_id)
    assert "result" in page.secret(client_id, yes_to(asked))
    again = page.secret(client_id, yes_to(asked))
    assert "this answer was used already" in again["error"]["message"]


def test_an_invented_answer_counts_for_nothing(page: Page) -> None:
    invented = {"answer": "invented", "confirm": True}
    assert page.ask("delete_app", invented, client_id=CALENDAR)["error"]["error"] == "InvalidAnswer"


def test_the_question_comes_again_if_the_app_has_changed(page: Page) -> None:
    asked = page.ask("delete_app", client_id=CALENDAR)
    page.result("update_app", client_id=CALENDAR, client_name="Other")
    again = page.ask("delete_app", yes_to(asked), client_id=CALENDAR)
    assert again["question"]["text"].startswith("The app has changed since you were asked.")


def test_the_audit_log_says_who_called_and_that_it_was_in_the_console(
    page: Page, tmp_path: Path
) -> None:
    page.result("delete_app", client_id=CALENDAR)
    (line,) = calls_in(tmp_path, "delete_app")
    assert line["software"]["name"] == "connected-apps-mcp console"
    assert line["caller"].keys() == {"user"}
    assert line["answer"] == "accept"


def test_the_policy_holds_for_the_person_too(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('redirect_hosts = ["mine.example"]\n')
    with console(tmp_path, "--policy", str(policy)) as page:
        refused = page.ask(
            "update_app", client_id=CALENDAR, redirect_urls=["https://evil.example/"]
        )
    assert refused["error"]["error"] == "PolicyRefusal"
    (line,) = calls_in(tmp_path, "update_app")
    assert line["event"] == "refusal"


def test_a_read_only_console_changes_nothing(tmp_path: Path) -> None:
    with console(tmp_path, "--read-only") as page:
        assert "read-only" in page.ask("delete_app", client_id=CALENDAR)["error"]["message"]


def test_a_secret_is_shown_after_a_question_that_says_where(page: Page) -> None:
    client_id = new_app(page)
    asked = page.secret(client_id)
    assert "on this page?" in asked["question"]["text"]
    assert "conversation?" not in asked["question"]["text"]
    shown = page.secret(client_id, yes_to(asked))["result"]
    assert shown["value"].endswith(
        page.result("get_app", client_id=client_id)["app"]["client_secret_last_four"]
    )


def test_a_secret_that_the_person_declines_is_not_shown(page: Page) -> None:
    client_id = new_app(page)
    refused = page.secret(client_id, no_to(page.secret(client_id)))
    assert refused["error"]["error"] == "NotConfirmed"


def test_a_shown_secret_is_in_one_response_only(tmp_path: Path) -> None:
    fill(tmp_path, Seed(example=True))
    flags = [*flags_for(tmp_path), "--log-level", "debug"]
    with console_at_terminal(*flags) as (page, terminal):
        client_id = new_app(page.enter())
        value = page.secret(client_id, yes_to(page.secret(client_id)))["result"]["value"]
        page.result("update_app", client_id=client_id, client_description=f"It is {value}")
        page.result("get_app", client_id=client_id)
        page.result("search_apps", detail="full")
        page.ask(value, client_id=value)
        page.get("api/audit")
        said = stop(terminal)
    assert sum(value in each for each in page.seen) == 1
    assert value not in said
    written = b"".join(file.read_bytes() for file in (tmp_path / "data/audit").iterdir())
    assert value.encode() not in written
    (line,) = calls_in(tmp_path, "reveal_client_secret")
    assert line["answer"] == "accept"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("reveal_client_secret", {"client_id": CALENDAR}),
        ("create_app", {"client_type": "first_party", "reveal_secret": True}),
        ("start_secret_rotation", {"client_id": CALENDAR, "reveal_secret": True}),
    ],
)
def test_no_other_request_shows_a_secret(page: Page, tool: str, arguments: dict[str, Any]) -> None:
    assert page.ask(tool, **arguments)["error"]["error"] == "InvalidRequest"


def test_no_secret_is_shown_where_the_operator_forbids_it(tmp_path: Path) -> None:
    with console(tmp_path, "--reveal", "never") as page:
        client_id = new_app(page)
        refused = page.secret(client_id)
        about = page.get("api/about").json()["result"]
    assert "Secrets are not shown" in refused["error"]["message"]
    assert "reveal_client_secret" not in [tool["name"] for tool in about["tools"]]
    (line,) = calls_in(tmp_path, "reveal_client_secret")
    assert line["event"] == "refusal"


def test_a_secret_that_is_not_stored_is_an_error(page: Page) -> None:
    assert "is stored here" in page.secret(CALENDAR)["error"]["message"]
