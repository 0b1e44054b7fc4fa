"""The table of the API's operations. Every request comes from it.

Methods and paths: the service's OpenAPI description.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from connected_apps_tools.errors import InvalidRequest

from .models import (
    AppResponse,
    ClientId,
    CreateResponse,
    DeleteResponse,
    GrantsResponse,
    HolderId,
    IntrospectionResponse,
    Model,
    OrganizationAppResponse,
    OrganizationAppsResponse,
    Response,
    SearchResponse,
    StartRotationResponse,
    words_of,
)

A = TypeVar("A", bound=Model)

_CLIENT_ID = TypeAdapter[str](ClientId)
_HOLDER_ID = TypeAdapter[str](HolderId)


@dataclass(frozen=True)
class Operation(Generic[A]):
    """One call of the API.

    Attributes:
        changes: whether it changes anything.
        repeatable: whether it is safe to send it again when the outcome is unknown.
        form: whether it takes a form with the credentials of an app, not JSON with those of the
            project.
    """

    method: str
    path: str
    response: type[A]
    changes: bool
    repeatable: bool
    form: bool = False

    def request(self, body: dict[str, Any] | None = None, /, **ids: str) -> "ApiRequest[A]":
        """The request to send.

        Raises:
            InvalidRequest: an id is not valid as a segment of a path.
        """
        segments = {name: _segment(name, value) for name, value in ids.items()}
        return ApiRequest(self, self.path.format(**segments), body, ids.get("client_id"))


@dataclass(frozen=True)
class ApiRequest(Generic[A]):
    """A request that is not sent yet. It has no credentials of the project."""

    operation: Operation[A]
    path: str
    body: dict[str, Any] | None
    client_id: str | None = None
    """The app in the path, if there is one."""

    @property
    def content(self) -> bytes | None:
        """The body as it is sent: JSON in UTF-8, or a form."""
        if self.body is None:
            return None
        return urlencode(self.body).encode() if self.operation.form else to_json(self.body)


def _segment(name: str, value: str) -> str:
    kind: object = ClientId if name == "client_id" else HolderId
    allowed = _CLIENT_ID if name == "client_id" else _HOLDER_ID
    try:
        return quote(allowed.validate_python(value, strict=True), safe="")
    except ValidationError:
        words = words_of(kind)
        raise InvalidRequest(f"{name} must be {words.text if words else kind}.") from None


def _reads(method: str, path: str, response: type[A]) -> Operation[A]:
    return Operation(method, path, response, changes=False, repeatable=True)


def _replaces(method: str, path: str, response: type[A]) -> Operation[A]:
    return Operation(method, path, response, changes=True, repeatable=True)


def _runs_once(method: str, path: str, response: type[A]) -> Operation[A]:
    return Operation(method, path, response, changes=True, repeatable=False)


_APPS = "/v1/connected_apps/clients"
_APP = f"{_APPS}/{{client_id}}"
_ROTATE = f"{_APP}/secrets/rotate"
_USER_GRANTS = "/v1/users/{user_id}/connected_apps"
_ORGANIZATION_GRANTS = "/v1/b2b/organizations/{organization_id}/connected_apps"
_MEMBER_GRANTS = "/v1/b2b/organizations/{organization_id}/members/{member_id}/connected_apps"

CREATE = _runs_once("POST", _APPS, CreateResponse)
GET = _reads("GET", _APP, AppResponse)
UPDATE = _replaces("PUT", _APP, AppResponse)
DELETE = _replaces("DELETE", _APP, DeleteResponse)
SEARCH = _reads("POST", f"{_APPS}/search", SearchResponse)
START_ROTATION = _runs_once("POST", f"{_ROTATE}/start", StartRotationResponse)
COMPLETE_ROTATION = _runs_once("POST", _ROTATE, AppResponse)
CANCEL_ROTATION = _runs_once("POST", f"{_ROTATE}/cancel", AppResponse)
USER_GRANTS = _reads("GET", _USER_GRANTS, GrantsResponse)
REVOKE_USER_GRANT = _replaces("POST", f"{_USER_GRANTS}/{{client_id}}/revoke", Response)
ORGANIZATION_APPS = _reads("GET", _ORGANIZATION_GRANTS, OrganizationAppsResponse)
ORGANIZATION_APP = _reads("GET", f"{_ORGANIZATION_GRANTS}/{{client_id}}", OrganizationAppResponse)
MEMBER_GRANTS = _reads("GET", _MEMBER_GRANTS, GrantsResponse)
REVOKE_MEMBER_GRANT = _replaces("POST", f"{_MEMBER_GRANTS}/{{client_id}}/revoke", Response)

# KNOWN: the host of the API has this path (the vendor's documentation of Introspect Token, and the
# official SDKs). /v1/oauth2/introspect is on the domain of the project, which is unknown here. The
# form has the credentials of the app. INFERRED: those of the project, which the SDKs send in the
# header, are not needed.
INTROSPECT = Operation(
    "POST",
    "/v1/public/{project_id}/oauth2/introspect",
    IntrospectionResponse,
    changes=False,
    repeatable=True,
    form=True,
)
