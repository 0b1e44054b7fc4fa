"""Apps that register themselves: by a request, or by a document at the URL that is their id."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError
from starlette.concurrency import run_in_threadpool

from connected_apps_mcp.sandbox.errors import ApiError, ErrorType, from_validation
from connected_apps_mcp.sandbox.handlers.clients import app_id, derived_id
from connected_apps_mcp.sandbox.handlers.validation import check_app
from connected_apps_mcp.sandbox.models import ConnectedApp, Model
from connected_apps_mcp.sandbox.state.project import SandboxProject
from connected_apps_mcp.sandbox.state.store import AppRecord

from .client_documents import fetch_document
from .replies import RegistrationReply

MAX_REGISTERED = 1000
"""Most apps that register themselves with one process, since anyone may."""

# The values of creation_method are UNKNOWN.
BY_REQUEST = "dynamic_client_registration"
BY_DOCUMENT = "client_id_metadata_document"


PUBLIC: Literal["none"] = "none"
"""How an app authenticates that has no secret."""


class ClientMetadata(Model):
    """What an app says about itself (RFC 7591). Other fields are ignored."""

    redirect_uris: list[str] = Field(min_length=1, max_length=100)
    client_name: str = ""
    logo_uri: str | None = None
    # KNOWN: no secret unless it is asked for; the default of the RFC is a secret.
    token_endpoint_auth_method: Literal["none", "client_secret_basic", "client_secret_post"] = (
        PUBLIC
    )


class ClientDocument(ClientMetadata):
    """A client-id metadata document, which is for public apps only."""

    client_id: str
    token_endpoint_auth_method: Literal["none"] = PUBLIC


Metadata = TypeVar("Metadata", bound=ClientMetadata)


class Registrations:
    """Registers apps in the project, up to a bound."""

    def __init__(self, project: SandboxProject) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._count = 0

    def register(self, content: bytes) -> RegistrationReply:
        """Register an app (RFC 7591).

        KNOWN: public apps with equal metadata are one app.

        Raises:
            ApiError: the metadata is not valid, or too many apps have registered.
        """
        metadata = _read(ClientMetadata, content)
        environment = self._project.environment
        public = metadata.token_endpoint_auth_method == PUBLIC
        client_id = (
            derived_id(json.dumps(metadata.model_dump()), environment)
            if public
            else environment.new_id("connected-app")
        )
        app = ConnectedApp(
            client_id=client_id,
            client_type="third_party_public" if public else "third_party",
            creation_method=BY_REQUEST,
            **_settings(metadata),
        )
        secret = self._store(app)
        return RegistrationReply(
            client_id=client_id,
            client_name=metadata.client_name,
            redirect_uris=metadata.redirect_uris,
            token_endpoint_auth_method=metadata.token_endpoint_auth_method,
            client_secret=secret,
            client_secret_expires_at=None if secret is None else 0,
        )

    async def fetch(self, url: str) -> ConnectedApp:
        """Return the app that the document at a URL describes, and store it.

        Raises:
            ApiError: the document cannot be fetched or is not valid.
        """
        return await run_in_threadpool(self._save, url, await fetch_document(url))

    def _save(self, url: str, content: bytes) -> ConnectedApp:
        document = _read(ClientDocument, content)
        if document.client_id != url:
            raise _invalid("The client_id in the metadata document is not its URL.")
        app = ConnectedApp(
            client_id=app_id(url, self._project.environment),
            client_type="third_party_public",
            client_id_metadata_url=url,
            creation_method=BY_DOCUMENT,
            **_settings(document),
        )
        self._store(app)
        return self._project.apps.change(
            app.client_id,
            lambda record: replace(record, app=record.app.model_copy(update=_settings(document))),
        )

    def _store(self, app: ConnectedApp) -> str | None:
        """Store a new app; return its secret. An app that exists stays as it is."""
        try:
            check_app(app, self._project.environment)
        except ApiError as refused:
            raise ApiError(ErrorType.INVALID_REDIRECT_URI, refused.message) from None
        with self._lock:
            if self._exists(app.client_id):
                return None
            if self._count >= MAX_REGISTERED:
                raise ApiError(ErrorType.TOO_MANY_CONNECTED_APPS)
            record, secret = AppRecord.new(app)
            self._project.apps.add(record)
            self._count += 1
        return secret

    def _exists(self, client_id: str) -> bool:
        try:
            self._project.apps.get(client_id)
        except ApiError:
            return False
        return True


def _settings(metadata: ClientMetadata) -> dict[str, Any]:
    return {
        "client_name": metadata.client_name,
        "redirect_urls": metadata.redirect_uris,
        "logo_url": metadata.logo_uri,
    }


def _read(model: type[Metadata], content: bytes) -> Metadata:
    try:
        return model.model_validate_json(content)
    except ValidationError as failure:
        raise _invalid(from_validation(failure).message) from None


def _invalid(message: str) -> ApiError:
    return ApiError(ErrorType.INVALID_CLIENT_METADATA, message)
