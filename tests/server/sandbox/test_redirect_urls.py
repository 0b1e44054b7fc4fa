"""Redirect URLs are https, or http on a loopback address."""

from __future__ import annotations

import pytest

from connected_apps_mcp.sandbox.errors import ApiError
from connected_apps_mcp.sandbox.handlers.validation import check_redirect_url

INVALID = "connected_app_invalid_redirect_url"
NO_SCHEME = "connected_app_redirect_url_must_include_scheme"
OTHER_SCHEME = "connected_app_redirect_url_must_use_http_or_https_scheme"
NOT_LOOPBACK = "connected_app_redirect_url_http_scheme_must_use_loopback"
LOCALHOST = "connected_app_redirect_url_cannot_use_localhost"
NOT_HTTPS = "connected_app_redirect_url_must_use_https_scheme"


def error_of(url: str, *, live: bool = False, public: bool = False) -> str:
    with pytest.raises(ApiError) as caught:
        check_redirect_url(url, live=live, public=public)
    return caught.value.error_type.name.lower()


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example/callback",
        "HTTPS://APP.EXAMPLE:8443/a?b=c",
        "https://xn--bcher-kva.example",
        "https://bücher.example",
        "https://[2001:db8::1]/callback".replace("2001:db8::1", "::1"),
        "http://127.0.0.1/callback",
        "http://127.9.9.9:1/callback",
        "http://[::1]:3000/callback",
        "http://localhost:3000/callback",
    ],
)
def test_a_valid_url_is_accepted_on_a_test_project(url: str) -> None:
    check_redirect_url(url, live=False, public=False)


@pytest.mark.parametrize(
    "url",
    [
        "https://",
        "https:///path",
        "https:app.example",
        "https://app.example/a b",
        "https://app.example/\n",
        "https://app.example\\@evil.example",
        "https://user@app.example",
        "https://app.example/#fragment",
        "https://*.example/callback",
        "https://app.example:port/",
        "https://app.example:99999/",
        "https://[::1",
        "https://a$b/",
        " https://app.example",
    ],
)
def test_a_malformed_url_is_refused(url: str) -> None:
    assert error_of(url) == INVALID


@pytest.mark.parametrize(
    "url", ["", "app.example/callback", "/callback", "://app.example", "localhost:3000/callback"]
)
def test_a_url_without_a_scheme_is_refused(url: str) -> None:
    assert error_of(url) == NO_SCHEME


@pytest.mark.parametrize("url", ["com.example.app:/callback", "myapp://callback", "javascript:a()"])
def test_a_scheme_other_than_http_and_https_is_refused(url: str) -> None:
    assert error_of(url) == OTHER_SCHEME


@pytest.mark.parametrize(
    "url", ["http://app.example", "http://128.0.0.1", "http://localhost.example", "http://0.0.0.0"]
)
def test_http_is_refused_beyond_loopback(url: str) -> None:
    assert error_of(url) == NOT_LOOPBACK


@pytest.mark.parametrize("url", ["http://localhost:3000", "https://LOCALHOST/"])
def test_a_live_project_refuses_localhost(url: str) -> None:
    assert error_of(url, live=True, public=True) == LOCALHOST


def test_a_live_project_refuses_http_for_a_confidential_client() -> None:
    assert error_of("http://127.0.0.1/callback", live=True) == NOT_HTTPS


def test_a_live_project_accepts_loopback_http_for_a_public_client() -> None:
    check_redirect_url("http://127.0.0.1/callback", live=True, public=True)
