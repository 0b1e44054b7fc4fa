"""How an app identifies and authenticates itself at the OAuth endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote_plus
from uuid import NAMESPACE_URL, uuid5

from connected_apps_mcp.sandbox.credentials import Environment, parse_basic
from connected_apps_mcp.sandbox.errors import ApiError, ErrorType
from connected_apps_mcp.sandbox.models import is_public
from connected_apps_mcp.sandbox.state.project import SandboxProject
from connected_apps_mcp.sandbox.state.store import AppRecord


def app_id(client_id: str, environment: Environment) -> str:
    """Return the id of the app; the URL of a metadata document gives the same id each time."""
    return derived_id(client_id, environment) if "://" in client_id else client_id


def derived_id(text: str, environment: Environment) -> str:
    """Return the app id that belongs to a text."""
    return f"connected-app-{environment}-{uuid5(NAMESPACE_URL, text)}"


def authenticated_app(project: SandboxProject, client_id: str, secret: str) -> AppRecord:
    """Return the app with this id, if the secret is its own.

    Raises:
        ApiError: there is no such app, or it has another secret.
    """
    try:
        record = project.apps.get(app_id(client_id, project.environment))
    except ApiError:
        raise ApiError(ErrorType.INVALID_CLIENT) from None
    # UNKNOWN-choice: a public client has no secret, so its id is enough.
    if not (record.has_secret(secret) or is_public(record.app.client_type)):
        raise ApiError(ErrorType.INVALID_CLIENT)
    return record


def basic_credentials(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the form fields that the Basic header stands for (RFC 6749, section 2.3.1)."""
    basic = parse_basic(headers.get("authorization", ""))
    if basic is None:
        return {}
    return dict(zip(("client_id", "client_secret"), map(unquote_plus, basic), strict=True))
