"""The vendor's Python SDK, sync and async, works against the sandbox over a real socket."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import requests
import stytch
from starlette.applications import Starlette
from stytch.core.response_base import StytchError

from connected_apps_mcp.sandbox import (
    SANDBOX_CREDENTIALS,
    RateLimit,
    SandboxCredentials,
    create_sandbox,
)

# The SDK still gives aiohttp its credentials in the old way.
pytestmark = [
    pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The 'auth' parameter is deprecated:DeprecationWarning"),
]

# The SDK's answers are typed by the vendor; calling its methods by name loses that.
Answer = Any
Sdk = Callable[..., Awaitable[Answer]]
LIVE = SandboxCredentials("project-live-00000000-0000-0000-0000-000000000000", "secret-live-fake")
CONFIDENTIAL = ["first_party", "third_party"]
PUBLIC = ["first_party_public", "third_party_public"]
MISSING = "connected-app-test-00000000-0000-4000-8000-000000000000"


@pytest.fixture(params=["sync", "async"])
async def open_sdk(request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., Sdk]]:
    """Open the SDK on a URL; the result calls its method by name, awaiting the async flavour."""
    suffix = "_async" if request.param == "async" else ""
    async with aiohttp.ClientSession() as async_session:
        with requests.Session() as sync_session:

            def open_url(url: str, credentials: SandboxCredentials = SANDBOX_CREDENTIALS) -> Sdk:
                clients = stytch.Client(
                    project_id=credentials.project_id,
                    secret=credentials.secret,
                    environment=url,
                    suppress_warnings=True,
                    async_session=async_session,
                    sync_session=sync_session,
                ).connected_app.clients

                async def call(method: str, **arguments: object) -> Answer:
                    owner: Any = clients.secrets if method.startswith("rotate") else clients
                    answer = getattr(owner, method + suffix)(**arguments)
                    return await answer if inspect.isawaitable(answer) else answer

                return call

            yield open_url


@pytest.fixture
def sdk(open_sdk: Callable[..., Sdk], sandbox_url: str) -> Sdk:
    return open_sdk(sandbox_url)


async def error_of(sdk: Sdk, method: str, **arguments: object) -> tuple[int, str | None]:
    with pytest.raises(StytchError) as caught:
        await sdk(method, **arguments)
    details = caught.value.details
    assert details.request_id.startswith("request-id-")
    expected_url = f"https://stytch.com/docs/api/errors/{details.status_code}#{details.error_type}"
    assert details.error_url == expected_url
    return details.status_code, details.error_type


async def create(sdk: Sdk, client_type: object = "first_party", **settings: object) -> Answer:
    return (await sdk("create", client_type=client_type, **settings)).connected_app


@pytest.mark.parametrize("client_type", CONFIDENTIAL)
async def test_creating_a_confidential_app_shows_a_secret(sdk: Sdk, client_type: str) -> None:
    app = await create(sdk, client_type)
    assert app.client_type == client_type
    assert len(app.client_secret) == 48
    assert app.client_secret.endswith(app.client_secret_last_four)


@pytest.mark.parametrize("client_type", PUBLIC)
async def test_creating_a_public_app_shows_no_secret(sdk: Sdk, client_type: str) -> None:
    app = await create(sdk, client_type)
    assert app.client_type == client_type
    assert app.client_secret is None
    assert app.client_secret_last_four is None


async def test_an_app_keeps_every_setting_it_was_created_with(sdk: Sdk) -> None:
    settings = {
        "client_name": "Name",
        "client_description": "Description",
        "redirect_urls": ["https://app.example/callback"],
        "full_access_allowed": True,
        "access_token_expiry_minutes": 5,
        "access_token_custom_audience": "https://api.example",
        "access_token_template_content": '{"field": {{ user.user_id }} }',
        "post_logout_redirect_urls": ["https://app.example/bye"],
        "logo_url": "https://app.example/logo.png",
        "bypass_consent_for_offline_access": True,
        "id_token_template_content": '{"plan": "{{ user.trusted_metadata.plan }}"}',
    }
    created = await create(sdk, **settings)
    found = (await sdk("get", client_id=created.client_id)).connected_app
    assert settings.items() <= found.model_dump().items()


async def test_an_omitted_setting_takes_its_default(sdk: Sdk) -> None:
    created = await create(sdk)
    assert created.status == "active"
    assert created.access_token_expiry_minutes == 60
    assert created.redirect_urls == []
    assert created.next_client_secret_last_four is None


async def test_an_update_changes_only_what_it_names(sdk: Sdk) -> None:
    created = await create(sdk, client_name="Old", client_description="Kept")
    updated = (await sdk("update", client_id=created.client_id, client_name="New")).connected_app
    assert (updated.client_name, updated.client_description) == ("New", "Kept")


async def test_an_update_applies_empty_values(sdk: Sdk) -> None:
    created = await create(sdk, client_name="Old", redirect_urls=["https://app.example/callback"])
    updated = await sdk("update", client_id=created.client_id, client_name="", redirect_urls=[])
    assert updated.connected_app.client_name == ""
    assert updated.connected_app.redirect_urls == []


async def test_search_reaches_every_app_through_pages(
    open_sdk: Callable[..., Sdk], serve: Callable[[Starlette], str]
) -> None:
    sdk = open_sdk(serve(create_sandbox()))
    created = [(await create(sdk)).client_id for _ in range(5)]
    found: list[str] = []
    cursor = None
    while cursor is not None or not found:
        page = await sdk("search", limit=2, cursor=cursor)
        assert page.results_metadata.total == 5
        found += [app.client_id for app in page.connected_apps]
        cursor = page.results_metadata.next_cursor
    assert found == created


async def test_a_rotation_can_be_completed(sdk: Sdk) -> None:
    client_id = (await create(sdk)).client_id
    started = (await sdk("rotate_start", client_id=client_id)).connected_app
    assert started.next_client_secret.endswith(started.next_client_secret_last_four)
    completed = (await sdk("rotate", client_id=client_id)).connected_app
    assert completed.client_secret_last_four == started.next_client_secret_last_four
    assert completed.next_client_secret_last_four is None


async def test_a_rotation_can_be_cancelled(sdk: Sdk) -> None:
    created = await create(sdk)
    await sdk("rotate_start", client_id=created.client_id)
    cancelled = (await sdk("rotate_cancel", client_id=created.client_id)).connected_app
    assert cancelled.client_secret_last_four == created.client_secret_last_four
    assert cancelled.next_client_secret_last_four is None


async def test_a_deleted_app_is_not_found_again(sdk: Sdk) -> None:
    client_id = (await create(sdk)).client_id
    assert (await sdk("delete", client_id=client_id)).client_id == client_id
    assert await error_of(sdk, "delete", client_id=client_id) == (404, "connected_app_not_found")


@pytest.mark.parametrize(
    "method", ["get", "update", "delete", "rotate_start", "rotate", "rotate_cancel"]
)
async def test_an_unknown_client_id_is_not_found(sdk: Sdk, method: str) -> None:
    assert await error_of(sdk, method, client_id=MISSING) == (404, "connected_app_not_found")


async def test_an_empty_client_id_is_not_a_route(sdk: Sdk) -> None:
    assert await error_of(sdk, "get", client_id="") == (404, "route_not_found")


async def test_a_wrong_project_secret_is_refused(
    open_sdk: Callable[..., Sdk], sandbox_url: str
) -> None:
    sdk = open_sdk(sandbox_url, SandboxCredentials(SANDBOX_CREDENTIALS.project_id, "wrong"))
    assert await error_of(sdk, "search") == (401, "unauthorized_credentials")


async def test_a_wrong_project_id_is_refused(
    open_sdk: Callable[..., Sdk], sandbox_url: str
) -> None:
    sdk = open_sdk(
        sandbox_url, SandboxCredentials("project-test-other", SANDBOX_CREDENTIALS.secret)
    )
    assert await error_of(sdk, "search") == (400, "invalid_project_id_authentication")


async def test_calls_over_the_rate_limit_are_refused(
    open_sdk: Callable[..., Sdk], serve: Callable[[Starlette], str]
) -> None:
    sdk = open_sdk(serve(create_sandbox(rate_limit=RateLimit(1, 3600))))
    await sdk("search")
    assert await error_of(sdk, "search") == (429, "too_many_requests")


async def test_an_app_beyond_the_cap_is_refused(
    open_sdk: Callable[..., Sdk], serve: Callable[[Starlette], str]
) -> None:
    sdk = open_sdk(serve(create_sandbox(max_apps=1)))
    await create(sdk)
    error = await error_of(sdk, "create", client_type="first_party")
    assert error == (400, "too_many_connected_apps")


async def test_a_live_id_is_refused_in_the_test_environment(sdk: Sdk) -> None:
    error = await error_of(sdk, "get", client_id=MISSING.replace("test", "live"))
    assert error == (400, "live_id_used_in_test_environment")


async def test_a_test_id_is_refused_in_the_live_environment(
    open_sdk: Callable[..., Sdk], serve: Callable[[Starlette], str]
) -> None:
    sdk = open_sdk(serve(create_sandbox(LIVE)), LIVE)
    error = await error_of(sdk, "get", client_id=MISSING)
    assert error == (400, "test_id_used_in_live_environment")


async def test_a_second_rotation_start_is_refused(sdk: Sdk) -> None:
    client_id = (await create(sdk)).client_id
    await sdk("rotate_start", client_id=client_id)
    error = await error_of(sdk, "rotate_start", client_id=client_id)
    assert error == (400, "connected_app_already_rotating_secret")


@pytest.mark.parametrize("method", ["rotate", "rotate_cancel"])
async def test_a_rotation_cannot_end_before_it_starts(sdk: Sdk, method: str) -> None:
    client_id = (await create(sdk)).client_id
    error = await error_of(sdk, method, client_id=client_id)
    assert error == (400, "connected_app_not_rotating_secret")


@pytest.mark.parametrize("method", ["rotate_start", "rotate", "rotate_cancel"])
@pytest.mark.parametrize("client_type", PUBLIC)
async def test_a_public_app_has_no_secret_to_rotate(
    sdk: Sdk, method: str, client_type: str
) -> None:
    client_id = (await create(sdk, client_type)).client_id
    error = await error_of(sdk, method, client_id=client_id)
    assert error == (400, "public_connected_apps_do_not_have_secrets")


REFUSED_SETTINGS: dict[str, dict[str, object]] = {
    "connected_app_invalid_redirect_url": {"redirect_urls": ["https://"]},
    "connected_app_redirect_url_must_include_scheme": {"redirect_urls": ["app.example/cb"]},
    "connected_app_redirect_url_must_use_http_or_https_scheme": {"redirect_urls": ["ftp://a.b"]},
    "connected_app_redirect_url_http_scheme_must_use_loopback": {
        "post_logout_redirect_urls": ["http://app.example/bye"]
    },
    "idp_invalid_access_token_expiry_minutes": {"access_token_expiry_minutes": 0},
    "idp_invalid_access_token_custom_audience": {"access_token_custom_audience": "a b"},
    "jwt_template_invalid_json": {"access_token_template_content": "[]"},
    "jwt_template_invalid_tag": {"id_token_template_content": '{"a": {{ }} }'},
    "jwt_template_mismatched_tag": {"access_token_template_content": '{"a": {{ b.c }'},
    "reserved_claims_in_custom_claims": {"id_token_template_content": '{"sub": 1}'},
    "stytch_claims_in_custom_claims": {
        "access_token_template_content": '{"https://stytch.com/session": 1}'
    },
    "custom_claims_too_large": {"access_token_template_content": f'{{"a": "{"x" * 4096}"}}'},
    "invalid_request_value": {"client_name": 1},
}


@pytest.mark.parametrize("error_type", REFUSED_SETTINGS)
async def test_a_refused_setting_names_its_error_on_create(sdk: Sdk, error_type: str) -> None:
    settings = REFUSED_SETTINGS[error_type]
    error = await error_of(sdk, "create", client_type="first_party", **settings)
    assert error == (400, error_type)


@pytest.mark.parametrize("error_type", REFUSED_SETTINGS)
async def test_a_refused_setting_names_its_error_on_update(sdk: Sdk, error_type: str) -> None:
    client_id = (await create(sdk)).client_id
    error = await error_of(sdk, "update", client_id=client_id, **REFUSED_SETTINGS[error_type])
    assert error == (400, error_type)


async def test_an_unknown_client_type_is_refused(sdk: Sdk) -> None:
    error = await error_of(sdk, "create", client_type="other")
    assert error == (400, "invalid_connected_app_type")


FIRST_PARTY_ONLY = {
    "full_access_allowed": "third_party_clients_cannot_use_full_access",
    "bypass_consent_for_offline_access": "third_party_clients_require_consent_for_offline_access",
}


@pytest.mark.parametrize("setting", FIRST_PARTY_ONLY)
@pytest.mark.parametrize("client_type", ["third_party", "third_party_public"])
async def test_a_third_party_app_cannot_be_given_first_party_rights(
    sdk: Sdk, setting: str, client_type: str
) -> None:
    client_id = (await create(sdk, client_type)).client_id
    error = await error_of(sdk, "update", client_id=client_id, **{setting: True})
    assert error == (400, FIRST_PARTY_ONLY[setting])


async def test_a_limit_over_the_maximum_is_refused(sdk: Sdk) -> None:
    assert await error_of(sdk, "search", limit=1001) == (400, "invalid_request_value")


async def test_a_cursor_that_no_search_returned_is_refused(sdk: Sdk) -> None:
    assert await error_of(sdk, "search", cursor="bad") == (400, "invalid_request_value")


@pytest.mark.parametrize(
    ("client_type", "url", "error_type"),
    [
        (
            "first_party",
            "http://127.0.0.1/callback",
            "connected_app_redirect_url_must_use_https_scheme",
        ),
        (
            "first_party_public",
            "http://localhost:3000/",
            "connected_app_redirect_url_cannot_use_localhost",
        ),
    ],
)
async def test_a_live_project_is_stricter_about_loopback(
    open_sdk: Callable[..., Sdk],
    serve: Callable[[Starlette], str],
    client_type: str,
    url: str,
    error_type: str,
) -> None:
    sdk = open_sdk(serve(create_sandbox(LIVE)), LIVE)
    error = await error_of(sdk, "create", client_type=client_type, redirect_urls=[url])
    assert error == (400, error_type)


async def test_ids_of_a_live_project_contain_live(
    open_sdk: Callable[..., Sdk], serve: Callable[[Starlette], str]
) -> None:
    answer = await open_sdk(serve(create_sandbox(LIVE)), LIVE)("create", client_type="first_party")
    assert answer.connected_app.client_id.startswith("connected-app-live-")
    assert answer.request_id.startswith("request-id-live-")
