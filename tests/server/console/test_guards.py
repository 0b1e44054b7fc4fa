"""Nobody but the page, in the browser of the person, gets anything from the console."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from consoles import Page, console, console_at_terminal
from server.terminal import at_terminal
from support import SERVER

from connected_apps_mcp.commands.console.entrance import NO_TERMINAL
from connected_apps_mcp.limits import MAX_BODY_BYTES

REQUESTS = [
    ("GET", "api/about"),
    ("POST", "api/call"),
    ("POST", "api/secret"),
    ("GET", "api/approvals"),
    ("POST", f"api/approvals/{'a' * 64}"),
    ("GET", "api/audit"),
    ("GET", "api/events"),
]
UNSAFE = [path for method, path in REQUESTS if method == "POST"] + ["api/session"]
NOT_EVENTS = [each for each in REQUESTS if each[1] != "api/events"]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with console(tmp_path_factory.mktemp("console")) as page:
        yield page


def send(page: Page, method: str, path: str, *, without: str = "", **headers: str) -> int:
    """The status of a request as the page makes it, but for some headers."""
    body: dict[str, Any] = {"json": {}} if method == "POST" else {}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    request = page.build_request(method, path, headers=given, **body)
    if without:
        del request.headers[without]
    response = page.send(request, stream=True)
    response.close()
    return response.status_code


@pytest.mark.parametrize(("method", "path"), [*REQUESTS, ("GET", "")])
@pytest.mark.parametrize("host", ["evil.example", "localhost", "127.0.0.1:1", "127.0.0.1"])
def test_a_name_that_leads_here_is_refused(page: Page, method: str, path: str, host: str) -> None:
    assert send(page, method, path, host=host) == 421


@pytest.mark.parametrize(("method", "path"), [*REQUESTS, ("POST", "api/session")])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_another_origin_is_refused(page: Page, method: str, path: str, origin: str) -> None:
    assert send(page, method, path, origin=origin) == 403


@pytest.mark.parametrize("path", UNSAFE)
def test_a_request_that_may_change_something_names_its_origin(page: Page, path: str) -> None:
    assert send(page, "POST", path, without="origin") == 403


@pytest.mark.parametrize(("method", "path"), [*NOT_EVENTS, ("POST", "api/session")])
def test_a_request_without_the_header_of_the_page_is_refused(
    page: Page, method: str, path: str
) -> None:
    assert send(page, method, path, without="x-console") == 403


@pytest.mark.parametrize(("method", "path"), [*REQUESTS, ("POST", "api/session")])
@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_what_another_page_began_is_refused(page: Page, method: str, path: str, site: str) -> None:
    assert send(page, method, path, sec_fetch_site=site) == 403


@pytest.mark.parametrize(("method", "path"), REQUESTS)
@pytest.mark.parametrize("cookie", ["", "console=", "console=guessed"])
def test_without_the_session_nothing_is_answered(
    page: Page, method: str, path: str, cookie: str
) -> None:
    headers = {"x-console": "1", "origin": page.origin, "cookie": cookie}
    assert httpx2.request(method, page.url + path, headers=headers).status_code == 401


def test_the_page_is_nowhere_but_at_its_path(page: Page) -> None:
    for path in ("page.html", "landing.html", "api/about"):
        assert httpx2.get(f"{page.origin}/{path}").status_code == 404


def test_the_address_alone_leads_to_a_document_without_the_path_and_the_token(page: Page) -> None:
    landed = httpx2.get(page.origin, headers={"sec-fetch-site": "none"})
    assert landed.status_code == 200
    said = f"{landed.headers}{landed.text}"
    assert page.url.removeprefix(page.origin) not in said
    assert page.token not in said
    assert "set-cookie" not in landed.headers


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("sec-fetch-site", "cross-site", 403),
        ("sec-fetch-site", "same-site", 403),
        ("sec-fetch-site", "odd", 403),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
        ("host", "evil.example", 421),
        ("host", "localhost", 421),
    ],
)
def test_no_other_page_leads_to_the_address(
    page: Page, header: str, value: str, status: int
) -> None:
    assert httpx2.get(page.origin, headers={header: value}).status_code == status


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_the_address_takes_nothing(page: Page, method: str) -> None:
    assert httpx2.request(method, page.origin, headers={"origin": page.origin}).status_code == 405


@pytest.mark.parametrize("path", ["", "api/about", "api/nothing", "/"])
def test_every_response_has_the_headers_that_protect_it(page: Page, path: str) -> None:
    headers = httpx2.get(page.origin + path if path == "/" else page.url + path).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert not [name for name in headers if name.startswith("access-control-")]


def test_a_body_that_is_too_long_is_refused(page: Page) -> None:
    body = {"tool": "search_apps", "arguments": {"query": "x" * MAX_BODY_BYTES}}
    assert page.post("api/call", json=body).status_code == 413


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("api/call", "{"),
        ("api/call", '{"tool": 1}'),
        ("api/call", '{"tool": "get_app", "arguments": []}'),
        ("api/call", '{"tool": "get_app", "more": 1}'),
        ("api/call", '{"tool": "get_app", "answer": {"answer": "a", "confirm": "yes"}}'),
        ("api/secret", '{"client_id": "a", "which": "both"}'),
        ("api/approvals/a", '{"approve": 1}'),
    ],
)
def test_a_body_of_another_form_is_refused(page: Page, path: str, body: str) -> None:
    refused = page.post(path, content=body, headers={"content-type": "application/json"})
    assert refused.status_code == 400
    assert refused.json()["error"]["error"] == "InvalidRequest"


def test_a_body_that_a_form_could_send_is_refused(page: Page) -> None:
    body = '{"tool": "search_apps"}'
    refused = page.post("api/call", content=body, headers={"content-type": "text/plain"})
    assert refused.status_code == 415


def test_the_link_lets_one_person_in_once() -> None:
    with console_at_terminal("--sandbox") as (page, _):
        page.enter()
        body = {"token": page.token}
        with Page(page.link) as other:
            assert other.post("api/session", json=body).status_code == 401
            assert other.get("api/about").status_code == 401
        assert page.get("api/about").status_code == 200


def test_who_is_in_may_open_the_link_again_and_gets_nothing_new() -> None:
    with console_at_terminal("--sandbox") as (page, _):
        page.enter()
        again = page.post("api/session", json={"token": page.token})
        assert again.json() == {"result": None}
        assert "set-cookie" not in again.headers


def test_a_wrong_token_lets_nobody_in() -> None:
    with console_at_terminal("--sandbox") as (page, _):
        assert page.post("api/session", json={"token": "wrong"}).status_code == 401
        page.enter()


def test_no_script_reads_the_cookie_and_no_other_place_gets_it() -> None:
    with console_at_terminal("--sandbox") as (page, _):
        entered = page.post("api/session", json={"token": page.token})
        _, *attributes = entered.headers["set-cookie"].split("; ")
        path = page.url.removeprefix(page.origin)
        assert {*attributes} == {"HttpOnly", f"Path={path}", "SameSite=strict"}


def test_a_cookie_that_another_server_of_the_machine_sets_is_not_in_the_way(page: Page) -> None:
    (own,) = page.cookies.jar
    headers = {"x-console": "1", "origin": page.origin}
    for name in ("console", "console-guessed"):
        cookies = f"{own.name}={own.value}; {name}=other"
        about = httpx2.get(f"{page.url}api/about", headers={**headers, "cookie": cookies})
        assert about.status_code == 200


def test_the_browser_gets_the_link_and_the_terminal_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, got = tmp_path / "browser", tmp_path / "got"
    browser.write_text(f'#!/bin/sh\necho "$1" > {got}.draft && mv {got}.draft {got}\n')
    browser.chmod(0o700)
    monkeypatch.setenv("BROWSER", str(browser))
    with at_terminal("console", "--sandbox") as terminal:
        said = terminal.line_with("in the browser")
        link = got.read_text().strip()
        with Page(link) as page:
            page.enter()
        terminal.interrupt()
        _, shown = terminal.end()
    assert page.url in said
    assert page.token not in shown


def test_a_console_with_neither_a_browser_nor_a_terminal_ends_with_the_reason_alone() -> None:
    ended = subprocess.run(
        [*SERVER, "console", "--sandbox"],
        env=os.environ | {"BROWSER": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr == f"Error: {NO_TERMINAL}\n"
    assert not ended.stdout


def test_a_console_without_a_terminal_prints_no_link() -> None:
    ended = subprocess.run(
        [*SERVER, "console", "--no-open", "--sandbox"], capture_output=True, check=False
    )
    assert ended.returncode == 2
    assert b"in a terminal" in ended.stderr
    assert not ended.stdout
