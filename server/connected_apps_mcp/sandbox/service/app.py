"""The sandbox as an ASGI application: the path of a request to its operation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from connected_apps_mcp.sandbox.credentials import Environment, ProjectKind, parse_basic
from connected_apps_mcp.sandbox.errors import ApiError, ErrorType, FailureHandler, from_validation
from connected_apps_mcp.sandbox.handlers.call import Call, SandboxOperation
from connected_apps_mcp.sandbox.handlers.clients import basic_credentials
from connected_apps_mcp.sandbox.handlers.reading import read_body
from connected_apps_mcp.sandbox.state.faults import CutResponse, apply_fault
from connected_apps_mcp.sandbox.state.project import SandboxProject

from .openapi import describe
from .operations import OPERATION_NAMES, OPERATIONS
from .rate_limit import RateLimit, RateLimiter

if TYPE_CHECKING:
    from connected_apps_mcp.sandbox.oauth.issuer import Issuer

ID_PREFIXES = {
    "client_id": "connected-app",
    "connected_app_id": "connected-app",
    "user_id": "user",
    "organization_id": "organization",
    "member_id": "member",
}
"""Prefixes of the service's ids (KNOWN), by path parameter."""

WRONG_KIND: dict[ProjectKind, ErrorType] = {
    "b2b": ErrorType.INVALID_B2B_ENDPOINT,
    "consumer": ErrorType.INVALID_CONSUMER_ENDPOINT,
}
"""The error for an operation that only the other kind of project has.

The names are KNOWN; the second one for the endpoints of users is INFERRED.
"""


def build_app(
    project: SandboxProject, rate_limit: RateLimit | None, scopes: Collection[str] = ()
) -> Starlette:
    """Bind the table of operations to routes; they work on `app.state.project`.

    `app.state.issuer()` issues tokens, with the origin of each request as its URL.
    """
    runner = OperationRunner(project, rate_limit)
    by_path: dict[str, dict[str, SandboxOperation[Any]]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    handler = FailureHandler(project.environment, project.kind)
    app = Starlette(
        routes=[
            Route("/healthz", _health),
            Route("/openapi.json", _openapi),
            *(Route(path, Resource(runner, methods)) for path, methods in by_path.items()),
        ],
        exception_handlers=dict.fromkeys(FailureHandler.HANDLES, handler),
    )
    # A redirect would drop the body of a POST in many clients.
    app.router.redirect_slashes = False
    app.state.project = project
    app.state.issuer = cache(partial(_open_issuer, project, scopes))
    app.router.default = LateRoutes(lambda: app.state.issuer().routes())
    return app


def _open_issuer(project: SandboxProject, scopes: Collection[str]) -> Issuer:
    from connected_apps_mcp.sandbox.oauth.issuer import Issuer

    return Issuer(project, scopes=scopes)


class LateRoutes:
    """Routes that are made when no other route fits: most sandboxes need no issuer.

    Introspection is an operation of the table too, which has faults and limits. It comes first.
    """

    def __init__(self, routes: Callable[[], list[Route]]) -> None:
        self._routes = routes

    @cached_property
    def _router(self) -> Router:
        return Router(self._routes(), redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request, as an ASGI application."""
        await self._router(scope, receive, send)


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok")


async def _openapi(request: Request) -> Response:
    return JSONResponse({**describe(), "servers": [{"url": str(request.base_url).rstrip("/")}]})


class OperationRunner:
    """Runs operations of one project: authenticates, limits, validates, responds."""

    def __init__(self, project: SandboxProject, rate_limit: RateLimit | None) -> None:
        self._project = project
        self._limiter = RateLimiter(rate_limit) if rate_limit else None

    async def run(self, operation: SandboxOperation[Any], request: Request) -> Response:
        """Run one operation.

        Raises:
            ApiError: the request is refused.
        """
        if not operation.oauth:
            self._authenticate(request)
        fault = None
        if not operation.control:
            self._limit(operation)
            fault = self._project.faults.take(operation.name)
        request_id = self._project.environment.new_id("request-id")
        if fault and (replacement := await apply_fault(fault, request_id)):
            return replacement
        self._check_kind(operation)
        _check_environment(request.path_params, self._project.environment)
        read = _read_form if operation.oauth else _read_json
        body = await read(request, operation)
        # SQLite may wait for another process, but must not block the event loop.
        reply = await run_in_threadpool(
            operation.handle,
            Call(self._project, body, request.path_params, OPERATION_NAMES),
        )
        reply.request_id = request_id
        if fault and fault.cut:
            return CutResponse()
        return Response(reply.model_dump_json(), media_type="application/json")

    def _authenticate(self, request: Request) -> None:
        basic = parse_basic(request.headers.get("authorization", ""))
        if basic is None:
            raise ApiError(ErrorType.UNAUTHORIZED_CREDENTIALS)
        project_id, secret = basic
        if project_id != self._project.credentials.project_id:
            raise ApiError(ErrorType.INVALID_PROJECT_ID_AUTHENTICATION)
        if not self._project.credentials.has_secret(secret):
            raise ApiError(ErrorType.UNAUTHORIZED_CREDENTIALS)

    def _check_kind(self, operation: SandboxOperation[Any]) -> None:
        if operation.only and operation.only != self._project.kind:
            raise ApiError(WRONG_KIND[operation.only])

    def _limit(self, operation: SandboxOperation[Any]) -> None:
        if self._limiter is None:
            return
        wait = self._limiter.seconds_to_wait(operation.name)
        if wait is not None:
            headers = self._limiter.headers(wait)
            raise ApiError(ErrorType.TOO_MANY_REQUESTS, headers=headers)


class Resource:
    """One path, with its operations by method.

    It accepts every method, so that the router does not try the next matching path: `GET …/search`
    would get the app with the id "search".
    """

    def __init__(
        self, runner: OperationRunner, operations: dict[str, SandboxOperation[Any]]
    ) -> None:
        self._runner = runner
        self._operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request, as an ASGI application."""
        operation = self._operations.get(scope["method"])
        if operation is None:
            raise HTTPException(405, headers={"allow": ", ".join(self._operations)})
        response = await self._runner.run(operation, Request(scope, receive))
        await response(scope, receive, send)


def _check_environment(path: Mapping[str, str], environment: Environment) -> None:
    """Refuse an id of the other environment (INFERRED from the names of the errors)."""
    for parameter, value in path.items():
        kind = ID_PREFIXES[parameter]
        if environment is Environment.TEST and value.startswith(f"{kind}-live-"):
            raise ApiError(ErrorType.LIVE_ID_USED_IN_TEST_ENVIRONMENT)
        if environment is Environment.LIVE and value.startswith(f"{kind}-test-"):
            raise ApiError(ErrorType.TEST_ID_USED_IN_LIVE_ENVIRONMENT)


async def _read_json(request: Request, operation: SandboxOperation[Any]) -> BaseModel:
    """Read a JSON object, whatever its content type; no body means an empty object."""
    content = await read_body(request, operation.max_body_bytes) or b"{}"
    try:
        body: BaseModel = operation.body.model_validate_json(content, strict=True)
    except ValidationError as failure:
        raise from_validation(failure) from None
    return body


async def _read_form(request: Request, operation: SandboxOperation[Any]) -> BaseModel:
    """Read a form; credentials in the Basic header win over those in the form."""
    text = (await read_body(request, operation.max_body_bytes)).decode(errors="replace")
    fields = dict(parse_qsl(text, keep_blank_values=True))
    fields |= basic_credentials(request.headers)
    try:
        body: BaseModel = operation.body.model_validate(fields)
    except ValidationError as failure:
        raise ApiError(ErrorType.INVALID_REQUEST, from_validation(failure).message) from None
    return body
