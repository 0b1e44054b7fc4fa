"""The async client of the Connected Apps API. Every request leaves through `_send`.

Hosts and authentication: the service's OpenAPI description and its official SDKs.
"""

import logging
import time
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import anyio
import anyio.lowlevel
import httpx2

from connected_apps_tools.deadline import seconds_left
from connected_apps_tools.errors import (
    ConnectedAppsError,
    NoAnswer,
    NotFound,
    NotSent,
    ServiceError,
    UnexpectedAnswer,
)
from connected_apps_tools.text.redaction import REDACTOR

from . import operations
from .connection_errors import unanswered, unreachable
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
from .service import CALL_DEADLINE, Credentials, check_base_url, is_local

logger = logging.getLogger(__name__)

A = TypeVar("A", bound=Model)
R = TypeVar("R", bound=Response)
E = TypeVar("E", bound=ConnectedAppsError)

TIMEOUT = httpx2.Timeout(connect=5.0, read=20.0, write=10.0, pool=10.0)
"""Seconds that one step of one attempt may take."""

MAX_IN_FLIGHT = 100
"""Most calls at once. The pool has the same size, so that calls queue here and not in the pool."""

KEEPALIVE_SECONDS = 60.0

MAX_ATTEMPTS = 5

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
"""Size of the largest response that is read: 1,000 apps of 64 kB each."""

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
        self.origin = origin or self._base_url.casefold()
        """Distinguishes this service from others with the same projects."""
        self._transport = transport
        self.deadline = deadline
        """Timeout of a call (seconds), with all its requests, retries and waits."""
        self._in_flight = anyio.CapacityLimiter(MAX_IN_FLIGHT)
        self._http: httpx2.AsyncClient | None = None
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
        import stamina  # only a call needs it, and not every session makes one

        seconds = min(self.deadline, seconds_left())
        policy = _RetryPolicy(request.operation, give_up_at=time.monotonic() + seconds)
        attempts = stamina.retry_context(
            on=policy, attempts=MAX_ATTEMPTS, timeout=None, wait_initial=0.2
        )
        try:
            with anyio.fail_after(seconds):
                async for attempt in attempts:
                    with attempt:
                        policy.last_failure, policy.sent = None, False
                        received = await self._request(request, policy)
                        return read_response(
                            received, request.operation.response, request.client_id
                        )
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
        raise AssertionError("a retry loop ends with a response or an error")

    async def _request(self, request: ApiRequest[Any], policy: _RetryPolicy) -> HttpResponse:
        """Make one attempt, and translate the errors of the transport."""
        http, method = self._client(), request.operation.method
        try:
            async with self._in_flight:
                await anyio.lowlevel.checkpoint_if_cancelled()
                policy.sent = True
                sent = http.build_request(method, request.path, json=request.body)
                received = await _receive(await http.send(sent, stream=True))
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
        logger.debug("%s %s: %d", method, request.path, received.status)
        return received

    def _client(self) -> httpx2.AsyncClient:
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

    def _open(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            base_url=self._base_url,
            auth=(self._credentials.project_id, self._credentials.secret.get_secret_value()),
            timeout=TIMEOUT,
            limits=httpx2.Limits(
                max_connections=MAX_IN_FLIGHT,
                max_keepalive_connections=MAX_IN_FLIGHT,
                keepalive_expiry=KEEPALIVE_SECONDS,
            ),
            transport=self._transport,
            # Requests to this machine must not go through a proxy of the environment, but
            # SSL_CERT_FILE and SSL_CERT_DIR apply to them too.
            trust_env=not is_local(self._base_url),
            verify=httpx2.create_ssl_context() if self._base_url.startswith("https") else True,
        )


async def _receive(response: httpx2.Response) -> HttpResponse:
    """Read the response, with a limit on its size."""
    body = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_RESPONSE_BYTES:
                raise UnexpectedAnswer(f"The response is larger than {MAX_RESPONSE_BYTES} bytes.")
    finally:
        await response.aclose()
    return HttpResponse(response.status_code, bytes(body), response.headers.get("retry-after"))
