"""The async client of the Connected Apps API. Every request leaves through `_send`.

Hosts and authentication: the service's OpenAPI description and its official SDKs.
"""

import logging
import time
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from urllib.request import getproxies

import anyio
import anyio.lowlevel
import httpx2
from pydantic import SecretStr

from connected_apps_tools import observing
from connected_apps_tools.deadline import seconds_left
from connected_apps_tools.errors import (
    ConnectedAppsError,
    InvalidRequest,
    NoAnswer,
    NotFound,
    NotSent,
    ServiceError,
    UnexpectedAnswer,
)
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.turns import all_held
from connected_apps_tools.text.redaction import REDACTOR

from . import operations
from .fair_share import FairShare
from .http.connection_errors import unanswered, unreachable
from .http.http_client import MAX_IN_FLIGHT, Headers, HttpClient
from .http.httpx2_client import ProxyTransport, TransportClient
from .models import (
    AppResponse,
    ConnectedApp,
    CreateApp,
    CreateResponse,
    GrantsResponse,
    Model,
    OrganizationAppResponse,
    OrganizationAppsResponse,
    PageOfApps,
    Response,
    SearchResponse,
    StartRotationResponse,
    UpdateApp,
)
from .operations import ApiRequest, Operation
from .responses import HttpResponse, read_response
from .service import CALL_DEADLINE, Credentials, address_of, check_base_url, is_local

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=Model)
R = TypeVar("R", bound=Response)
E = TypeVar("E", bound=ConnectedAppsError)

MAX_ATTEMPTS = 5

NOBODYS_TOKEN = "connected-apps-mcp"  # noqa: S105 - it is none
"""What is introspected. Only whether the app may ask is of interest."""

LOOK_FIRST = (
    "It may have taken effect all the same. Look with search_apps or get_app before you try again."
)


@dataclass
class _RetryPolicy:
    """Decides when to repeat a call, and remembers what its attempts left unknown."""

    operation: Operation[Any]
    give_up_at: float
    """The call's deadline on the monotonic clock."""
    may_be_done: bool = False
    """Whether a failed attempt may have taken effect."""
    sent: bool = False
    """Whether the current attempt has left the queue."""
    resends: int = -1
    """How often the request was sent again."""
    last_failure: ConnectedAppsError | None = None
    """The last failure, while the next attempt has not started."""

    def __call__(self, error: Exception) -> bool | float:
        """Whether to try again; the seconds to wait if the service gave them."""
        if not isinstance(error, ConnectedAppsError) or not self.corrected(error).transient:
            return False
        self.last_failure = error
        self.may_be_done |= error.may_have_taken_effect
        if isinstance(error, ServiceError) and error.retry_after is not None:
            return time.monotonic() + error.retry_after < self.give_up_at and error.retry_after
        return True

    def corrected(self, error: E) -> E:
        """The error, with effect, transience and hint as they are for this operation."""
        error.may_have_taken_effect &= self.operation.changes
        if error.may_have_taken_effect and not self.operation.repeatable:
            error.transient, error.hint = False, LOOK_FIRST
        return error


class ConnectedAppsClient:
    """The client operations of the API. Use it as an async context manager.

    Every method raises a `ConnectedAppsError`: `InvalidRequest` before anything is sent, `NotSent`,
    `NoAnswer`, `UnexpectedAnswer`, or `ServiceError` with the service's message.
    """

    def __init__(
        self,
        credentials: Credentials,
        *,
        base_url: str | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        deadline: float = CALL_DEADLINE,
        origin: str | None = None,
    ) -> None:
        """Create a client. Give `origin` if several services use the same base URL."""
        self._credentials = credentials
        self._base_url = check_base_url(credentials.base_url if base_url is None else base_url)
        self._address = address_of(self._base_url)
        self.origin = origin or self._base_url.casefold()
        """Distinguishes this service from others with the same projects."""
        self._transport = transport
        self.deadline = deadline
        """Timeout of a call (seconds), with all its requests, retries and waits."""
        self.service_date: str | None = None
        """The header Date of the last response."""
        self._in_flight = FairShare(MAX_IN_FLIGHT)
        """Requests queue here, where it is known that they were not sent."""
        self._http: HttpClient | None = None
        REDACTOR.add(credentials.secret.get_secret_value())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._http:
            await self._http.aclose()

    @property
    def project_id(self) -> str:
        """The id of the project."""
        return self._credentials.project_id

    async def create(self, app: CreateApp) -> CreateResponse:
        """Create an app. The response for a confidential type has its secret, only this once."""
        return await self._send(operations.CREATE.request(app.body()))

    async def get(self, client_id: str) -> AppResponse:
        """Read an app."""
        return await self._send(operations.GET.request(client_id=client_id))

    async def find(self, client_id: str) -> ConnectedApp | None:
        """Read an app; None if it does not exist."""
        try:
            return (await self.get(client_id)).connected_app
        except NotFound:
            return None

    async def update(self, change: UpdateApp) -> AppResponse:
        """Replace the given fields; the others do not change (INFERRED from the official SDKs)."""
        return await self._send(
            operations.UPDATE.request(change.body(), client_id=change.client_id)
        )

    async def delete(self, client_id: str) -> str | None:
        """Delete an app; return the service's id of the request."""
        return await self._end(operations.DELETE.request(client_id=client_id))

    async def search(self, page: PageOfApps) -> SearchResponse:
        """Read one page of the project's apps."""
        return await self._send(operations.SEARCH.request(page.body()))

    async def start_rotation(self, client_id: str) -> StartRotationResponse:
        """Add a next secret. Only this response has it. Both secrets are valid from now on."""
        return await self._send(operations.START_ROTATION.request({}, client_id=client_id))

    async def complete_rotation(self, client_id: str) -> AppResponse:
        """Promote the next secret; the current one stops working."""
        return await self._send(operations.COMPLETE_ROTATION.request({}, client_id=client_id))

    async def cancel_rotation(self, client_id: str) -> AppResponse:
        """Discard the next secret; the current one stays."""
        return await self._send(operations.CANCEL_ROTATION.request({}, client_id=client_id))

    async def accepts(self, client_id: str, secret: SecretStr) -> bool:
        """Whether a client secret works, by the introspection of what is no token.

        KNOWN: the response to the right secret is 200, to a wrong one the error `invalid_client`.
        """
        REDACTOR.add(secret.get_secret_value())
        form = {
            "token": NOBODYS_TOKEN,
            "client_id": client_id,
            "client_secret": secret.get_secret_value(),
        }
        try:
            await self._send(operations.INTROSPECT.request(form, project_id=self.project_id))
        except ServiceError as error:
            if error.error_type != "invalid_client":
                raise
            return False
        return True

    async def user_grants(self, user_id: str) -> GrantsResponse:
        """Read which apps a user of a consumer project has authorised."""
        return await self._send(operations.USER_GRANTS.request(user_id=user_id))

    async def revoke_user_grant(self, user_id: str, client_id: str) -> str | None:
        """End a user's authorisation of an app, and with it the tokens issued under it (KNOWN).

        Returns:
            The service's id of the request.
        """
        return await self._end(
            operations.REVOKE_USER_GRANT.request({}, user_id=user_id, client_id=client_id)
        )

    async def organization_apps(self, organization_id: str) -> OrganizationAppsResponse:
        """Read which apps the members of an organization have authorised."""
        return await self._send(
            operations.ORGANIZATION_APPS.request(organization_id=organization_id)
        )

    async def organization_app(
        self, organization_id: str, client_id: str
    ) -> OrganizationAppResponse:
        """Read which members of an organization have authorised an app."""
        ids = {"organization_id": organization_id, "client_id": client_id}
        return await self._send(operations.ORGANIZATION_APP.request(**ids))

    async def member_grants(self, organization_id: str, member_id: str) -> GrantsResponse:
        """Read which apps a member of an organization has authorised."""
        ids = {"organization_id": organization_id, "member_id": member_id}
        return await self._send(operations.MEMBER_GRANTS.request(**ids))

    async def revoke_member_grant(
        self, organization_id: str, member_id: str, client_id: str
    ) -> str | None:
        """End a member's authorisation of an app, and with it the tokens issued under it.

        Returns:
            The service's id of the request.
        """
        ids = {"organization_id": organization_id, "member_id": member_id, "client_id": client_id}
        return await self._end(operations.REVOKE_MEMBER_GRANT.request({}, **ids))

    async def _end(self, request: ApiRequest[R]) -> str | None:
        """End something. It is no error that an earlier attempt of this call did so.

        Returns:
            The service's id of the request; None if an earlier attempt did it.
        """
        try:
            return (await self._send(request)).request_id
        except NotFound as error:
            if not error.after_doubtful_attempt:
                raise
            return None

    async def _send(self, request: ApiRequest[A]) -> A:
        """Send a request, repeat it if that is safe and useful, and read the response."""
        seconds = min(self.deadline, seconds_left())
        policy = _RetryPolicy(request.operation, give_up_at=time.monotonic() + seconds)
        try:
            with anyio.fail_after(seconds):
                try:
                    return await self._attempt(request, policy)
                except ConnectedAppsError as failure:
                    return await self._repeat(request, policy, failure)
        except NotFound as error:
            error.client_id = request.client_id
            error.after_doubtful_attempt = policy.may_be_done
            raise
        except TimeoutError:
            kind = NoAnswer if policy.sent else NotSent
            late = policy.last_failure or policy.corrected(
                kind(f"The service did not answer within {self.deadline:g} seconds.")
            )
            late.late = True
            raise late from None

    async def _repeat(
        self, request: ApiRequest[A], policy: _RetryPolicy, failure: ConnectedAppsError
    ) -> A:
        """Repeat a request that has failed once."""
        import stamina  # only a failure needs it

        async for attempt in stamina.retry_context(
            on=policy, attempts=MAX_ATTEMPTS, timeout=None, wait_initial=0.2
        ):
            with attempt:
                if attempt.num == 1:
                    raise failure
                return await self._attempt(request, policy)
        raise AssertionError("a retry loop ends with a response or an error")

    async def _attempt(self, request: ApiRequest[A], policy: _RetryPolicy) -> A:
        """Make one attempt, and translate the errors of HTTP."""
        policy.last_failure, policy.sent = None, False
        http = self._client()
        try:
            async with self._in_flight:
                await anyio.lowlevel.checkpoint_if_cancelled()
                if request.operation.changes:
                    await _require_turns(policy)
                policy.sent = True
                policy.resends += 1
                received = await self._exchange(http, request, policy.resends)
        except (
            httpx2.ConnectError,
            httpx2.ConnectTimeout,
            httpx2.PoolTimeout,
            httpx2.ProxyError,
        ) as error:
            raise unreachable(error, self._base_url) from None
        except httpx2.TransportError as error:
            raise unanswered(error, self._base_url) from None
        except httpx2.DecodingError:
            raise UnexpectedAnswer("The body of the response could not be decoded.") from None
        self.service_date = received.date
        operation = request.operation  # the path itself may have what a caller likes
        logger.debug("%s %s: %d", operation.method, operation.path, received.status)
        return read_response(received, request.operation.response, request.client_id)

    async def _exchange(
        self, http: HttpClient, request: ApiRequest[A], resends: int
    ) -> HttpResponse:
        """Send one request, and read the response."""
        operation = request.operation
        with observing.act(
            "service_request",
            method=operation.method,
            path=operation.path,
            resends=resends,
            **self._address,
        ) as observed:
            received = await http.send(
                operation.method,
                request.path,
                request.content,
                form=operation.form,
                more=observed.headers,
            )
            observed.note(status=received.status)
        return received

    def _client(self) -> HttpClient:
        """The HTTP client, made on first use: its TLS context takes 16 to 32 ms.

        Raises:
            NotSent: the proxy or certificate settings of the environment are invalid.
        """
        if self._http is None:
            try:
                self._http = self._open()
            except (OSError, ValueError, ImportError, httpx2.InvalidURL) as error:
                raise unreachable(error, self._base_url) from None
        return self._http

    def _open(self) -> HttpClient:
        headers = Headers(self._credentials)
        if self._transport is None and not _may_have_proxy(self._base_url):
            from .http.aiohttp_client import AiohttpClient  # its import takes 200 ms

            return AiohttpClient(self._base_url, headers)
        return TransportClient(self._base_url, headers, self._transport or ProxyTransport())


async def _require_turns(policy: _RetryPolicy) -> None:
    """Refuse to change anything after a lock of the call was lost.

    Raises:
        InvalidRequest: another process may be changing the same.
    """
    try:
        held = await all_held()
    except StoreError:
        held = False
    if not held:
        refusal = InvalidRequest(
            "The request was not sent: the lock of this change was lost with the connection to the "
            "database, so another server may be changing the same."
        )
        refusal.may_have_taken_effect = policy.may_be_done
        refusal.hint = LOOK_FIRST if policy.may_be_done else "Wait a moment, then try again."
        raise refusal


def _may_have_proxy(base_url: str) -> bool:
    """Whether the environment may name a proxy for a URL; httpx2 knows the exceptions.

    Requests to this machine go through none.
    """
    return not is_local(base_url) and not getproxies().keys().isdisjoint({"https", "http", "all"})
