"""Rules for an app that field types cannot express."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from connected_apps_mcp.sandbox.credentials import Environment
from connected_apps_mcp.sandbox.errors import ApiError, ErrorType
from connected_apps_mcp.sandbox.models import ConnectedApp, is_public, is_third_party

from .templates import check_template

# `localhost:3000/x` has a port there, not a scheme.
_ANY_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?!\d)")
_HOST_NAME = re.compile(r"[\w.-]+")


def check_app(app: ConnectedApp, environment: Environment) -> None:
    """Check a whole app. An update is merged first, because some rules span fields.

    Raises:
        ApiError: the service would refuse the app.
    """
    for url in (*app.redirect_urls, *app.post_logout_redirect_urls):
        check_redirect_url(
            url, live=environment is Environment.LIVE, public=is_public(app.client_type)
        )
    check_template(app.access_token_template_content)
    check_template(app.id_token_template_content)
    if is_third_party(app.client_type):
        if app.full_access_allowed:
            raise ApiError(ErrorType.THIRD_PARTY_CLIENTS_CANNOT_USE_FULL_ACCESS)
        if app.bypass_consent_for_offline_access:
            raise ApiError(ErrorType.THIRD_PARTY_CLIENTS_REQUIRE_CONSENT_FOR_OFFLINE_ACCESS)


def check_redirect_url(url: str, *, live: bool, public: bool) -> None:
    """Check that a URL is https, or http on a loopback address.

    KNOWN: `http://127.0.0.1/…` passes for a public client, `http://localhost:PORT/…` on a test
    project. UNKNOWN-choice: a live project refuses `localhost` for all clients and http for
    confidential ones, which run on servers.

    Raises:
        ApiError: the URL is refused.
    """
    if any(not character.isprintable() or character in " \\" for character in url):
        raise ApiError(ErrorType.CONNECTED_APP_INVALID_REDIRECT_URL)
    scheme = _ANY_SCHEME.match(url)
    if not scheme:
        raise ApiError(ErrorType.CONNECTED_APP_REDIRECT_URL_MUST_INCLUDE_SCHEME)
    if scheme[1].lower() not in {"http", "https"}:
        raise ApiError(ErrorType.CONNECTED_APP_REDIRECT_URL_MUST_USE_HTTP_OR_HTTPS_SCHEME)
    host = _host(url)
    if live and host == "localhost":
        raise ApiError(ErrorType.CONNECTED_APP_REDIRECT_URL_CANNOT_USE_LOCALHOST)
    if scheme[1].lower() == "http":
        if not _is_loopback(host):
            raise ApiError(ErrorType.CONNECTED_APP_REDIRECT_URL_HTTP_SCHEME_MUST_USE_LOOPBACK)
        if live and not public:
            raise ApiError(ErrorType.CONNECTED_APP_REDIRECT_URL_MUST_USE_HTTPS_SCHEME)


def _host(url: str) -> str:
    """Return the host in lower case; refuse fragments, user names, wildcards and bad ports.

    UNKNOWN-choice: RFC 6749 forbids the fragment; the others help to hijack redirects.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or "#" in url or "@" in parts.netloc:
        raise ApiError(ErrorType.CONNECTED_APP_INVALID_REDIRECT_URL)
    if not _HOST_NAME.fullmatch(host) and not _is_loopback(host):
        raise ApiError(ErrorType.CONNECTED_APP_INVALID_REDIRECT_URL)
    return host


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
