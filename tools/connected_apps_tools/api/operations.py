"""The operations of the API as data: one table, from which every request is made.

Methods and paths: the service's OpenAPI description.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from connected_apps_tools.errors import InvalidRequest

from .models import (
    AppResponse,
    ClientId,
    CreateResponse,
    DeleteResponse,
    GrantsResponse,
    HolderId,
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
        repeatable: whether a second attempt does no harm when the first was carried out unseen.
    """

    method: str
    path: str
    answer: type[A]
    changes: bool
    repeatable: bool

    def request(self, body: dict[str, Any] | None = None, /, **ids: str) -> "ApiRequest[A]":
        """The request to send.

        Raises:
            InvalidRequest: an id is not fit to be a segment of a path.
        """
        segments = {name: _segment(name, value) for name, value in ids.items()}
        return ApiRequest(self, self.path.format(**segments), body, ids.get("client_id"))


@dataclass(frozen=True)
class ApiRequest(Generic[A]):
    """One request, before it is sent. It holds no credentials."""

    operation: Operation[A]
    path: str
    body: dict[str, Any] | None
    client_id: str | None = None
    """The app that the request is about, where it names one."""


def _segment(name: str, value: str) -> str:
    kind: object = ClientId if name == "client_id" else HolderId
    allowed = _CLIENT_ID if name == "client_id" else _HOLDER_ID
    try:
        return quote(allowed.validate_python(value, strict=True), safe="")
    except ValidationError:
        words = words_of(kind)
        raise InvalidRequest(f"{name} must be {words.text if words else kind}.") from None


def _reads(method: str, path: str, answer: type[A]) -> Operation[A]:
    return Operation(method, path, answer, changes=False, repeatable=True)


def _replaces(method: str, path: str, answer: type[A]) -> Operation[A]:
    return Operation(method, path, answer, changes=True, repeatable=True)


def _happens_once(method: str, path: str, answer: type[A]) -> Operation[A]:
    return Operation(method, path, answer, changes=True, repeatable=False)


_APPS = "/v1/connected_apps/clients"
_APP = f"{_APPS}/{{client_id}}"
_ROTATE = f"{_APP}/secrets/rotate"
_OF_USER = "/v1/users/{user_id}/connected_apps"
_OF_ORGANIZATION = "/v1/b2b/organizations/{organization_id}/connected_apps"
_OF_MEMBER = "/v1/b2b/organizations/{organization_id}/members/{member_id}/connected_apps"

CREATE = _happens_once("POST", _APPS, CreateResponse)
GET = _reads("GET", _APP, AppResponse)
UPDATE = _replaces("PUT", _APP, AppResponse)
DELETE = _replaces("DELETE", _APP, DeleteResponse)
SEARCH = _reads("POST", f"{_APPS}/search", SearchResponse)
START_ROTATION = _happens_once("POST", f"{_ROTATE}/start", StartRotationResponse)
COMPLETE_ROTATION = _happens_once("POST", _ROTATE, AppResponse)
CANCEL_ROTATION = _happens_once("POST", f"{_ROTATE}/cancel", AppResponse)
USER_GRANTS = _reads("GET", _OF_USER, GrantsResponse)
REVOKE_USER_GRANT = _replaces("POST", f"{_OF_USER}/{{client_id}}/revoke", Response)
ORGANIZATION_APPS = _reads("GET", _OF_ORGANIZATION, OrganizationAppsResponse)
ORGANIZATION_APP = _reads("GET", f"{_OF_ORGANIZATION}/{{client_id}}", OrganizationAppResponse)
MEMBER_GRANTS = _reads("GET", _OF_MEMBER, GrantsResponse)
REVOKE_MEMBER_GRANT = _replaces("POST", f"{_OF_MEMBER}/{{client_id}}/revoke", Response)
