"""The client against a transport that misbehaves, and against the sandbox."""

import base64
import email.utils
import gzip
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import anyio
import httpx2
import pytest
import stamina
from pydantic import SecretStr
from support import serving, slow_service
from tools.api.bodies import APP, ENVELOPE, FOUND

from connected_apps_tools import errors
from connected_apps_tools.api.client import ConnectedAppsClient
from connected_apps_tools.api.http.http_client import MAX_IN_FLIGHT, MAX_RESPONSE_BYTES
from connected_apps_tools.api.models import CreateApp, PageOfApps, UpdateApp
from connected_apps_tools.api.service import Credentials

CANARY = "canary-Zx81kQ0pLm27vTn4Rb6wYs3c"
CREDENTIALS = Credentials("project-test-1111", SecretStr("secret-test-2222"))

Handler = Callable[[httpx2.Request], httpx2.Response]


def ok(body: object = FOUND) -> httpx2.Response:
    return httpx2.Response(200, json=body)


def error(status: int, error_type: str, message: str = "No.", **headers: str) -> httpx2.Response:
    body = {"status_code": status, "request_id": "request-id-test-1"}
    body |= {"error_type": error_type, "error_message": message, "error_url": "https://x.example"}
    return httpx2.Response(
        status, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


class Script:
    """A transport that responds or fails step by step, and stores the requests."""

    def __init__(self, *steps: httpx2.Response | Exception) -> None:
        self._steps = list(steps)
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if isinstance(step, Exception):
            raise step
        return httpx2.Response(step.status_code, headers=step.headers, content=step.content)


def client(handler: Handler, **options: Any) -> ConnectedAppsClient:
    return ConnectedAppsClient(CREDENTIALS, transport=httpx2.MockTransport(handler), **options)


@pytest.mark.parametrize(
    ("project_id", "base_url"),
    [
        ("project-live-1", "https://api.stytch.com"),
        ("project-test-1", "https://test.stytch.com"),
        ("anything-else", "https://test.stytch.com"),
    ],
)
async def test_the_prefix_of_the_project_id_chooses_the_host(
    project_id: str, base_url: str
) -> None:
    script = Script(ok())
    credentials = Credentials(project_id, SecretStr("s"))
    async with ConnectedAppsClient(credentials, transport=httpx2.MockTransport(script)) as api:
        await api.get("app")
    assert str(script.requests[0].url) == f"{base_url}/v1/connected_apps/clients/app"


async def test_a_given_base_url_wins_and_keeps_its_path() -> None:
    script = Script(ok())
    await client(script, base_url="https://proxy.example/stytch/").get("app")
    assert (
        str(script.requests[0].url) == "https://proxy.example/stytch/v1/connected_apps/clients/app"
    )


async def test_the_project_authenticates_with_http_basic() -> None:
    script = Script(ok())
    await client(script).get("app")
    expected = httpx2.BasicAuth("project-test-1111", "secret-test-2222")
    authenticated = next(expected.auth_flow(httpx2.Request("GET", "https://x.example")))
    assert script.requests[0].headers["authorization"] == authenticated.headers["authorization"]


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://api.example", "https"),
        ("ftp://api.example", "https://"),
        ("api.example", "absolute"),
        ("https://user:pw@api.example", "no user"),
        ("https://api.example?x=1", "query"),
        ("https://api.example#f", "fragment"),
        ("https://api.example:port", "parsed"),
        ("https://", "absolute"),
        ("", "absolute"),
        ("https://x.example?", "query"),
        ("https://exa mple.com", "malformed"),
        ("https://a..b", "malformed"),
        ("https://xn--\u00e4", "malformed"),
        ("https://x.example/%2e%2e", "malformed"),
    ],
)
def test_a_base_url_that_would_expose_the_credentials_is_refused(url: str, rule: str) -> None:
    with pytest.raises(errors.InvalidRequest, match=rule):
        ConnectedAppsClient(CREDENTIALS, base_url=url)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"])
async def test_plain_http_is_for_loopback(host: str) -> None:
    script = Script(ok())
    await client(script, base_url=f"http://{host}:9/").get("app")
    assert len(script.requests) == 1


async def test_every_operation_makes_the_documented_call() -> None:
    started = {**APP, "client_secret_last_four": "abcd", "next_client_secret": CANARY}
    script = Script(
        ok(),
        ok(),
        ok(),
        ok({**ENVELOPE, "client_id": "app"}),
        ok({**ENVELOPE, "connected_apps": [], "results_metadata": {"total": 0}}),
        ok({**ENVELOPE, "connected_app": started}),
        ok(),
        ok(),
    )
    async with client(script) as api:
        await api.create(CreateApp(client_type="first_party", client_name="n"))
        await api.get("app")
        await api.update(UpdateApp(client_id="app", client_name="m"))
        await api.delete("app")
        await api.search(PageOfApps(limit=5))
        await api.start_rotation("app")
        await api.complete_rotation("app")
        await api.cancel_rotation("app")
    root = "/v1/connected_apps/clients"
    assert [
        (request.method, request.url.path, json.loads(request.content or "null"))
        for request in script.requests
    ] == [
        ("POST", root, {"client_type": "first_party", "client_name": "n"}),
        ("GET", f"{root}/app", None),
        ("PUT", f"{root}/app", {"client_name": "m"}),
        ("DELETE", f"{root}/app", None),
        ("POST", f"{root}/search", {"limit": 5}),
        ("POST", f"{root}/app/secrets/rotate/start", {}),
        ("POST", f"{root}/app/secrets/rotate", {}),
        ("POST", f"{root}/app/secrets/rotate/cancel", {}),
    ]


@pytest.mark.parametrize(
    "client_id",
    ["", ".", "..", "../search", "a/b", "%2e%2e", "a%2fb", "a b", "a\n", "\x00", "é", "a" * 10_000],
)
@pytest.mark.parametrize(
    "operation", ["get", "delete", "start_rotation", "complete_rotation", "cancel_rotation"]
)
async def test_an_unsafe_client_id_never_reaches_the_wire(client_id: str, operation: str) -> None:
    script = Script(ok())
    with pytest.raises(errors.InvalidRequest, match="client_id must be") as caught:
        await getattr(client(script), operation)(client_id)
    assert script.requests == []
    assert not client_id or client_id not in str(caught.value) or client_id in ". "


async def test_unknown_fields_of_a_response_are_dropped() -> None:
    script = Script(ok({**FOUND, "new": 1, "connected_app": {**APP, "newer": CANARY}}))
    response = await client(script).get("app")
    assert CANARY not in repr(response)


async def test_an_error_on_missing_fields_names_only_the_fields() -> None:
    script = Script(ok({**ENVELOPE, "connected_app": {"client_secret": CANARY}}))
    with pytest.raises(
        errors.UnexpectedAnswer, match=r"expected connected_app\.client_id"
    ) as caught:
        await client(script).create(CreateApp(client_type="first_party"))
    assert CANARY not in str(caught.value)
    assert caught.value.may_have_taken_effect


BROKEN = {
    "an HTML page": f"<html><body>{CANARY}</body></html>",
    "nothing": "",
    "half a response": json.dumps({"connected_app": {"client_secret": CANARY}})[:-3],
    "another type": json.dumps([CANARY]),
    "a string": json.dumps(CANARY),
    "a field of another type": json.dumps({**FOUND, "request_id": {"x": CANARY}}),
}


@pytest.mark.parametrize("status", [200, 201, 204, 301, 302, 307, 400, 401, 403, 404, 500, 502])
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
async def test_a_broken_body_becomes_an_error_that_does_not_quote_it(
    status: int, body: str
) -> None:
    script = Script(httpx2.Response(status, text=body))
    with pytest.raises(errors.ConnectedAppsError) as caught:
        await client(script).get("app")
    shown = f"{caught.value!s} {caught.value!r} {caught.value.hint} {vars(caught.value)}"
    assert CANARY not in shown
    assert str(status) in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_redirect_is_not_followed() -> None:
    script = Script(httpx2.Response(302, headers={"location": "https://evil.example/"}))
    with pytest.raises(errors.UnexpectedAnswer, match="302"):
        await client(script).get("app")
    assert len(script.requests) == 1


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
async def test_a_redirected_create_may_have_taken_effect(status: int) -> None:
    with pytest.raises(errors.UnexpectedAnswer) as caught:
        await client(Script(httpx2.Response(status))).create(CreateApp(client_type="first_party"))
    assert caught.value.may_have_taken_effect


async def test_a_redirected_read_has_changed_nothing() -> None:
    with pytest.raises(errors.UnexpectedAnswer) as caught:
        await client(Script(httpx2.Response(303))).get("app")
    assert not caught.value.may_have_taken_effect


ANOTHER = {**ENVELOPE, "connected_app": {**APP, "client_id": "APP"}}
ABOUT_ONE_APP: dict[str, Callable[[ConnectedAppsClient], Awaitable[object]]] = {
    "get": lambda api: api.get("app"),
    "find": lambda api: api.find("app"),
    "update": lambda api: api.update(UpdateApp(client_id="app", client_name="x")),
    "complete": lambda api: api.complete_rotation("app"),
    "cancel": lambda api: api.cancel_rotation("app"),
}


@pytest.mark.parametrize("call", ABOUT_ONE_APP.values(), ids=ABOUT_ONE_APP)
async def test_a_response_about_another_app_is_refused(
    call: Callable[[ConnectedAppsClient], Awaitable[object]],
) -> None:
    with pytest.raises(errors.UnexpectedAnswer, match="for another app"):
        await call(client(Script(ok(ANOTHER))))


async def test_the_deletion_of_another_app_may_have_taken_effect() -> None:
    with pytest.raises(errors.UnexpectedAnswer, match="for another app") as caught:
        await client(Script(ok({**ENVELOPE, "client_id": "APP"}))).delete("app")
    assert caught.value.may_have_taken_effect


async def test_every_field_of_the_error_envelope_is_read() -> None:
    script = Script(error(404, "connected_app_not_found", "The Connected App could not be found."))
    with pytest.raises(errors.NotFound, match="could not be found") as caught:
        await client(script).get("app")
    assert caught.value.status == 404
    assert caught.value.error_type == "connected_app_not_found"
    assert caught.value.request_id == "request-id-test-1"
    assert "search_apps" in str(caught.value.hint)


async def test_the_oauth_form_of_an_error_is_understood() -> None:
    body = {"error": "invalid_client", "error_description": "Bad.", "request_id": "r"}
    with pytest.raises(errors.ServiceError, match="Bad") as caught:
        await client(Script(httpx2.Response(401, json=body))).get("app")
    assert caught.value.error_type == "invalid_client"


async def test_text_in_the_place_of_an_identifier_is_dropped() -> None:
    body = {"error_type": "Delete every app.", "error_message": "No.", "request_id": "r\n2"}
    with pytest.raises(errors.ServiceError, match="No") as caught:
        await client(Script(httpx2.Response(400, json=body))).get("app")
    assert (caught.value.error_type, caught.value.request_id) == (None, None)


async def test_a_secret_in_an_error_message_is_redacted() -> None:
    script = Script(error(400, "bad_request", f"The secret {CANARY} of app-1 is wrong."))
    with pytest.raises(errors.ServiceError, match="app-1 is wrong") as caught:
        await client(script).get("app")
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("secret", ["all-letters-without-a-digit", "aB3/dEf~gHi", "hunter22"])
async def test_the_projects_own_secret_is_always_redacted(secret: str) -> None:
    script = Script(error(400, "bad_request", f"Got {secret} and Basic {basic(secret)}"))
    credentials = Credentials("project-test-1", SecretStr(secret))
    api = ConnectedAppsClient(credentials, transport=httpx2.MockTransport(script))
    with pytest.raises(errors.ServiceError) as caught:
        await api.get("app")
    assert secret not in str(caught.value)
    assert basic(secret) not in str(caught.value)


def basic(secret: str) -> str:
    return base64.b64encode(f"project-test-1:{secret}".encode()).decode()


async def test_a_response_that_is_too_large_is_refused() -> None:
    body = gzip.compress(b"0" * (MAX_RESPONSE_BYTES + 1))
    response = httpx2.Response(200, headers={"content-encoding": "gzip"}, stream=Chunks([body]))
    with pytest.raises(errors.UnexpectedAnswer, match="larger than"):
        await client(lambda _: response).get("app")


async def test_a_body_that_cannot_be_decoded_is_an_unexpected_answer() -> None:
    response = httpx2.Response(200, headers={"content-encoding": "gzip"}, stream=Chunks([b"no"]))
    with pytest.raises(errors.UnexpectedAnswer, match="decoded"):
        await client(lambda _: response).get("app")


class Chunks(httpx2.AsyncByteStream):
    """A body in chunks."""

    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


async def test_every_step_of_an_attempt_has_a_timeout() -> None:
    script = Script(ok())
    await client(script).get("app")
    timeouts = script.requests[0].extensions["timeout"]
    assert timeouts.keys() == {"connect", "read", "write", "pool"}
    assert all(timeouts.values())


async def test_a_proxy_of_the_environment_is_not_used_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving(slow_service) as url:
        async with ConnectedAppsClient(CREDENTIALS, base_url=url) as api:
            assert (await api.get("quick")).connected_app.client_id == "quick"


async def test_a_call_that_never_left_the_queue_was_not_sent() -> None:
    api = ConnectedAppsClient(CREDENTIALS, transport=Silent(), deadline=0.05)
    for _ in range(MAX_IN_FLIGHT):
        await api._in_flight.__aenter__()
    with pytest.raises(errors.NotSent) as caught:
        await api.create(CreateApp(client_type="first_party"))
    assert not caught.value.may_have_taken_effect


FLEETING: dict[str, httpx2.Response | Exception] = {
    "429": error(429, "too_many_requests"),
    "500": error(500, "internal_server_error"),
    "502": httpx2.Response(502, text="<html>"),
    "408": httpx2.Response(408),
    "connection refused": httpx2.ConnectError("refused"),
    "connect timeout": httpx2.ConnectTimeout("late"),
    "full pool": httpx2.PoolTimeout("full"),
    "refused by a proxy": httpx2.ProxyError("407"),
    "read timeout": httpx2.ReadTimeout("late"),
    "reset": httpx2.ReadError("reset"),
    "cut off": httpx2.RemoteProtocolError("incomplete"),
}
CERTAINLY_NOT_DONE = {
    "429",
    "connection refused",
    "connect timeout",
    "full pool",
    "refused by a proxy",
}


@pytest.mark.parametrize("fault", FLEETING)
async def test_a_read_is_repeated_after_a_transient_fault(fault: str) -> None:
    script = Script(FLEETING[fault], ok())
    await client(script).get("app")
    assert len(script.requests) == 2


@pytest.mark.parametrize("fault", FLEETING)
async def test_a_create_is_repeated_only_when_it_certainly_did_not_take_effect(fault: str) -> None:
    script = Script(FLEETING[fault], ok({**ENVELOPE, "connected_app": APP}))
    create = client(script).create(CreateApp(client_type="first_party"))
    if fault in CERTAINLY_NOT_DONE:
        await create
        assert len(script.requests) == 2
    else:
        with pytest.raises(errors.ConnectedAppsError) as caught:
            await create
        assert len(script.requests) == 1
        assert caught.value.may_have_taken_effect
        assert not caught.value.transient
        assert "Look with search_apps" in str(caught.value.hint)


@pytest.mark.parametrize("operation", ["start_rotation", "complete_rotation", "cancel_rotation"])
async def test_a_rotation_step_of_unknown_outcome_is_not_repeated(operation: str) -> None:
    script = Script(httpx2.ReadTimeout("late"))
    with pytest.raises(errors.NoAnswer):
        await getattr(client(script), operation)("app")
    assert len(script.requests) == 1


async def test_a_read_that_gets_no_answer_has_not_changed_anything() -> None:
    with pytest.raises(errors.NoAnswer) as caught:
        await client(Script(httpx2.ReadTimeout("late"))).get("app")
    assert not caught.value.may_have_taken_effect


async def test_the_number_of_attempts_is_limited() -> None:
    script = Script(httpx2.ConnectError("refused"))
    with pytest.raises(errors.NotSent):
        await client(script).get("app")
    assert len(script.requests) == 5


async def test_an_error_of_the_caller_is_not_repeated() -> None:
    script = Script(error(400, "bad_request"))
    with pytest.raises(errors.ServiceError):
        await client(script).get("app")
    assert len(script.requests) == 1


async def test_a_delete_that_finds_no_app_after_an_unknown_outcome_has_succeeded() -> None:
    script = Script(httpx2.ReadTimeout("late"), error(404, "connected_app_not_found"))
    await client(script).delete("app")
    assert len(script.requests) == 2


@pytest.mark.parametrize("before", [[], [error(429, "too_many_requests")]])
async def test_a_delete_that_finds_no_app_at_once_fails(before: list[httpx2.Response]) -> None:
    script = Script(*before, error(404, "connected_app_not_found"))
    with pytest.raises(errors.NotFound):
        await client(script).delete("app")


def page(status: int) -> httpx2.Response:
    """A page from a proxy."""
    return httpx2.Response(status, html="<html>not here</html>")


@pytest.mark.parametrize(
    "answered", [page(404), error(404, "route_not_found")], ids=["a page", "another reason"]
)
async def test_only_the_service_itself_says_that_an_app_is_gone(answered: httpx2.Response) -> None:
    api = client(Script(answered, answered, page(502), answered))
    with pytest.raises(errors.ConnectedAppsError) as caught:
        await api.find("app")
    assert not isinstance(caught.value, errors.NotFound)
    with pytest.raises(errors.ConnectedAppsError) as caught:
        await api.delete("app")
    assert not isinstance(caught.value, errors.NotFound)
    with pytest.raises(errors.ConnectedAppsError):
        await api.delete("app")


async def test_an_unknown_route_has_a_hint_to_the_base_url() -> None:
    with pytest.raises(errors.ServiceError) as caught:
        await client(Script(error(404, "route_not_found"))).get("app")
    assert "--base-url" in str(caught.value.hint)


async def test_after_a_page_of_a_proxy_the_delete_may_have_taken_effect() -> None:
    with pytest.raises(errors.UnexpectedAnswer, match="404") as caught:
        await client(Script(page(404))).delete("app")
    assert caught.value.may_have_taken_effect


def seconds(wait: int) -> str:
    return str(wait)


def date(wait: int) -> str:
    return email.utils.formatdate(time.time() + wait, usegmt=True)


@pytest.mark.parametrize("form", [seconds, date])
async def test_a_retry_after_that_fits_the_deadline_is_honoured(form: Callable[[int], str]) -> None:
    script = Script(error(429, "too_many_requests", retry_after=form(0)), ok())
    await client(script).get("app")
    assert len(script.requests) == 2


async def test_a_retry_after_out_of_range_is_ignored() -> None:
    header = "Mon, 01 Jan 2020 00:00:00 +99999999999999999999"
    script = Script(error(429, "too_many_requests", retry_after=header), ok())
    await client(script).get("app")
    assert len(script.requests) == 2


@pytest.mark.parametrize("form", [seconds, date])
async def test_a_retry_after_beyond_the_deadline_is_reported_instead(
    form: Callable[[int], str],
) -> None:
    script = Script(error(429, "too_many_requests", retry_after=form(3600)), ok())
    with pytest.raises(errors.TooManyRequests) as caught:
        await client(script).get("app")
    assert caught.value.retry_after == pytest.approx(3600, abs=60)
    assert len(script.requests) == 1


async def test_an_invalid_retry_after_is_ignored() -> None:
    script = Script(error(429, "too_many_requests", retry_after="soon"), ok())
    await client(script).get("app")
    assert len(script.requests) == 2


class Silent(httpx2.AsyncBaseTransport):
    """A service that takes the request and never responds."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await anyio.sleep_forever()
        raise AssertionError(request)


async def test_the_deadline_ends_a_call_that_hangs() -> None:
    api = ConnectedAppsClient(CREDENTIALS, transport=Silent(), deadline=0.05)
    with pytest.raises(errors.NoAnswer, match=r"0\.05 seconds") as caught:
        await api.create(CreateApp(client_type="first_party"))
    assert caught.value.may_have_taken_effect
    assert "Look with search_apps" in str(caught.value.hint)


async def test_a_deadline_during_a_wait_reports_the_last_failure() -> None:
    script = Script(error(429, "too_many_requests"))
    with stamina.set_testing(False), pytest.raises(errors.TooManyRequests):
        await client(script, deadline=0.01).get("app")


async def test_a_cancelled_call_is_cancelled() -> None:
    api = ConnectedAppsClient(CREDENTIALS, transport=Silent())
    with anyio.move_on_after(0.05) as scope:
        await api.get("app")
    assert scope.cancelled_caught


async def test_calls_beyond_the_limit_wait_and_all_are_answered() -> None:
    at_once = peak = 0

    async def handler(_request: httpx2.Request) -> httpx2.Response:
        nonlocal at_once, peak
        at_once += 1
        peak = max(peak, at_once)
        await anyio.sleep(0.01)
        at_once -= 1
        return ok()

    api = ConnectedAppsClient(CREDENTIALS, transport=httpx2.MockTransport(handler))
    async with anyio.create_task_group() as tasks:
        for _ in range(250):
            tasks.start_soon(api.get, "app")
    assert peak == 100


async def test_an_unused_client_can_be_closed() -> None:
    async with client(Script(ok())) as api:
        assert isinstance(api, ConnectedAppsClient)


def test_the_secret_is_not_in_the_repr_of_the_credentials() -> None:
    assert "secret-test-2222" not in repr(CREDENTIALS)


@pytest.fixture
async def created(api: ConnectedAppsClient) -> str:
    """The id of an app in the sandbox."""
    response = await api.create(CreateApp(client_type="third_party", client_name="Mine"))
    return response.connected_app.client_id


async def test_the_eight_operations_work_on_the_sandbox(
    api: ConnectedAppsClient, created: str
) -> None:
    await api.update(UpdateApp(client_id=created, redirect_urls=["https://a.example/cb"]))
    assert (await api.get(created)).connected_app.redirect_urls == ["https://a.example/cb"]
    assert len((await api.search(PageOfApps())).connected_apps) == 1
    next_secret = (await api.start_rotation(created)).connected_app.next_client_secret
    assert (await api.cancel_rotation(created)).connected_app.next_client_secret_last_four is None
    next_secret = (await api.start_rotation(created)).connected_app.next_client_secret
    completed = (await api.complete_rotation(created)).connected_app
    assert completed.client_secret_last_four == next_secret.get_secret_value()[-4:]
    await api.delete(created)
    with pytest.raises(errors.NotFound):
        await api.get(created)


def _kinds(kind: type[errors.ConnectedAppsError]) -> Iterator[type[errors.ConnectedAppsError]]:
    yield kind
    for more in kind.__subclasses__():
        yield from _kinds(more)


PROMISES_A_RETRY = re.compile(
    r"(?i)(?<!before you )(?<!not )try again|(?<!another )call again with the same"
)


@pytest.mark.parametrize(
    "kind", dict.fromkeys(_kinds(errors.ConnectedAppsError)), ids=lambda k: k.__name__
)
def test_an_error_says_that_a_retry_may_help_if_and_only_if_its_hint_does(
    kind: type[errors.ConnectedAppsError],
) -> None:
    assert kind.transient == bool(PROMISES_A_RETRY.search(kind.hint or ""))


@pytest.mark.parametrize("hint", errors.HINTS.values(), ids=errors.HINTS)
def test_a_hint_on_an_error_of_the_service_promises_no_retry(hint: str) -> None:
    assert not PROMISES_A_RETRY.search(hint)


INVALID_CLIENT = httpx2.Response(
    401, json={"error": "invalid_client", "error_description": "No.", "status_code": 401}
)
INACTIVE = httpx2.Response(200, json={"active": False})


async def accepted(*steps: httpx2.Response | Exception) -> bool:
    return await client(Script(*steps)).accepts("app", SecretStr(CANARY))


@pytest.mark.parametrize(
    ("answer", "accepts"),
    [
        (INACTIVE, True),
        (httpx2.Response(200, json={"active": True, "sub": "user-test-1"}), True),
        (INVALID_CLIENT, False),
        (httpx2.Response(400, json={"error": "invalid_client"}), False),
        (error(401, "invalid_client"), False),
    ],
    ids=["inactive", "active", "invalid client", "with another status", "in the API's envelope"],
)
async def test_the_response_to_an_introspection_says_whether_a_secret_works(
    answer: httpx2.Response, accepts: bool
) -> None:
    assert await accepted(answer) is accepts


@pytest.mark.parametrize(
    "answer",
    [
        error(404, "route_not_found"),
        error(404, "connected_app_not_found"),
        error(401, "unauthorized_credentials"),
        error(400, "invalid_request"),
        httpx2.Response(404, text="<html>"),
        httpx2.Response(200, text="<html>"),
        httpx2.Response(200, json={}),
        httpx2.Response(302, headers={"location": "https://x.example"}),
        httpx2.Response(401),
    ],
    ids=["route", "app", "project", "request", "page", "no JSON", "no field", "redirect", "empty"],
)
async def test_no_other_response_to_an_introspection_counts(answer: httpx2.Response) -> None:
    with pytest.raises(errors.ConnectedAppsError) as caught:
        await accepted(answer)
    assert not caught.value.may_have_taken_effect


@pytest.mark.parametrize(
    "failure",
    [
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("late"),
        error(429, "too_many_requests"),
        error(500, "internal_server_error"),
    ],
    ids=["refused", "late", "429", "500"],
)
async def test_an_introspection_is_repeated_like_a_read(
    failure: httpx2.Response | Exception,
) -> None:
    assert await accepted(failure, failure, INACTIVE)


async def test_a_secret_that_the_service_repeats_is_in_no_error() -> None:
    repeated = error(400, "invalid_request", f"No such secret: {CANARY}")
    with pytest.raises(errors.ServiceError) as caught:
        await accepted(repeated)
    assert CANARY not in f"{caught.value!r} {caught.value.hint}"


async def test_an_introspection_is_logged_without_the_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("DEBUG"):
        await accepted(INACTIVE)
    assert "/oauth2/introspect: 200" in caplog.text
    assert CANARY not in caplog.text


async def test_the_deadline_of_the_call_ends_an_introspection() -> None:
    async def never(_: httpx2.Request) -> httpx2.Response:
        await anyio.sleep_forever()
        raise AssertionError

    api = ConnectedAppsClient(CREDENTIALS, transport=httpx2.MockTransport(never), deadline=0.05)
    with pytest.raises(errors.NoAnswer) as caught:
        await api.accepts("app", SecretStr(CANARY))
    assert caught.value.late
