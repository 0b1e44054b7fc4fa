"""The sandbox as an ASGI application: what happens to every request on its way to an operation."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from connected_apps_mcp.sandbox.credentials import Credentials, Environment, parse_basic
from connected_apps_mcp.sandbox.errors import ApiError, ErrorType, FailureHandler, from_validation
from connected_apps_mcp.sandbox.openapi import describe
from connected_apps_mcp.sandbox.operations import OPERATIONS, Call, Operation
from connected_apps_mcp.sandbox.rate_limit import RateLimit, RateLimiter
from connected_apps_mcp.sandbox.store import Store

MAX_BODY_BYTES = 256 * 1024
"""UNKNOWN-choice: far above any real app, far below what would trouble the process."""


def build_app(credentials: Credentials, store: Store, rate_limit: RateLimit | None) -> Starlette:
    """Bind the table of operations to routes."""
    service = Service(credentials, store, rate_limit)
    by_path: dict[str, dict[str, Operation[Any]]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    handler = FailureHandler(credentials.environment)
    app = Starlette(
        routes=[
            Route("/openapi.json", _openapi),
            *(Route(path, Resource(service, methods)) for path, methods in by_path.items()),
        ],
        exception_handlers=dict.fromkeys(FailureHandler.HANDLES, handler),
    )
    # A redirect would drop the body of a POST in many clients.
    app.router.redirect_slashes = False
    return app


async def _openapi(_: Request) -> Response:
    return JSONResponse(describe())


class Service:
    """One project's side of the conversation: authenticates, limits, reads, answers."""

    def __init__(
        self, credentials: Credentials, store: Store, rate_limit: RateLimit | None
    ) -> None:
        self._credentials = credentials
        self._store = store
        self._limiter = RateLimiter(rate_limit) if rate_limit else None

    async def answer(self, operation: Operation[Any], request: Request) -> Response:
        """Run one operation. Raises `ApiError` for a request it refuses."""
        if not operation.oauth:
            self._authenticate(request)
        self._limit(operation)
        environment = self._credentials.environment
        client_id = request.path_params.get("client_id", "")
        _check_environment(client_id, environment)
        read = _read_form if operation.oauth else _read_json
        body = await read(request, operation.body)
        # SQLite may wait for another process; the event loop must not wait with it.
        reply = await run_in_threadpool(
            operation.handle, Call(self._store, environment, body, client_id)
        )
        reply.request_id = environment.new_id("request-id")
        return Response(reply.model_dump_json(), media_type="application/json")

    def _authenticate(self, request: Request) -> None:
        basic = parse_basic(request.headers.get("authorization", ""))
        if basic is None:
            raise ApiError(ErrorType.UNAUTHORIZED_CREDENTIALS)
        project_id, secret = basic
        if project_id != self._credentials.project_id:
            raise ApiError(ErrorType.INVALID_PROJECT_ID_AUTHENTICATION)
        if not self._credentials.has_secret(secret):
            raise ApiError(ErrorType.UNAUTHORIZED_CREDENTIALS)

    def _limit(self, operation: Operation[Any]) -> None:
        if self._limiter is None:
            return
        wait = self._limiter.seconds_to_wait(operation.name)
        if wait is not None:
            headers = self._limiter.headers(wait)
            raise ApiError(ErrorType.TOO_MANY_REQUESTS, headers=headers)


class Resource:
    """One path, with its operations by method.

    It takes every method, or the router would try the next path that fits: `GET …/search` would
    become a get of the client named "search".
    """

    def __init__(self, service: Service, operations: dict[str, Operation[Any]]) -> None:
        self._service = service
        self._operations = operations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as an ASGI application."""
        operation = self._operations.get(scope["method"])
        if operation is None:
            raise HTTPException(405, headers={"allow": ", ".join(self._operations)})
        response = await self._service.answer(operation, Request(scope, receive))
        await response(scope, receive, send)


def _check_environment(client_id: str, environment: Environment) -> None:
    """Refuse an id of the other environment; that this is what the error is for is INFERRED."""
    if environment is Environment.TEST and client_id.startswith("connected-app-live-"):
        raise ApiError(ErrorType.LIVE_ID_USED_IN_TEST_ENVIRONMENT)
    if environment is Environment.LIVE and client_id.startswith("connected-app-test-"):
        raise ApiError(ErrorType.TEST_ID_USED_IN_LIVE_ENVIRONMENT)


async def _read_json(request: Request, model: type[BaseModel]) -> BaseModel:
    """Read a JSON object of any declared content type; no body at all is an empty object."""
    content = await _read(request) or b"{}"
    try:
        return model.model_validate_json(content, strict=True)
    except ValidationError as failure:
        raise from_validation(failure) from None


async def _read_form(request: Request, model: type[BaseModel]) -> BaseModel:
    """Read a form; client credentials in the Basic header come before those in the form."""
    text = (await _read(request)).decode(errors="replace")
    fields = dict(parse_qsl(text, keep_blank_values=True))
    basic = parse_basic(request.headers.get("authorization", ""))
    if basic is not None:
        fields["client_id"], fields["client_secret"] = basic
    try:
        return model.model_validate(fields)
    except ValidationError as failure:
        raise ApiError(ErrorType.INVALID_REQUEST, from_validation(failure).message) from None


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise ApiError(
                ErrorType.BAD_REQUEST, f"The body is larger than {MAX_BODY_BYTES} bytes."
            )
    return bytes(body)
