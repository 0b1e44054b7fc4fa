"""What the page asks of the console. Every response is an outcome: a result, an error, a question.

page/README.md lists the requests.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from connected_apps_mcp.audit.reading import Unreadable
from connected_apps_mcp.limits import MAX_BODY_BYTES
from connected_apps_tools.storage.errors import StoreError

from .approvals import Waiting
from .audit_view import AuditFilter, AuditView
from .calls import Body, Call, Calls, WantedSecret
from .events import Happenings
from .guards import API, EVENTS, NO_SESSION, SESSION, failure, json_response
from .session import Session

MAX_STREAMS = 4
"""Open streams of events, one for each tab. A browser has six connections for all tabs together."""

NO_FOLDER = "The audit log is on standard error (--audit-log -), where the console cannot read it."

FROM_ELSEWHERE = "Open this address yourself: a page of another site may not lead here."

UNEXPECTED = "The console failed in an unexpected way; its log says where."

logger = logging.getLogger(__name__)

B = TypeVar("B", bound=Body)


class _Token(Body):
    token: str


class _Decision(Body):
    approve: bool


class _BadRequest(Exception):
    def __init__(self, status: HTTPStatus, why: str) -> None:
        self.status = status
        self.why = why


@dataclass
class Console:
    """What the page reaches.

    Attributes:
        base: the path of the page.
        session: whether the person is in.
        calls: calls tools.
        waiting: the calls that wait for a person.
        audit: the audit log; None if it is on standard error.
    """

    base: str
    session: Session
    calls: Calls
    waiting: Waiting
    audit: AuditView | None
    streams: int = 0

    def routes(self) -> list[BaseRoute]:
        """All routes."""
        api = self.base + API
        return [
            Route("/", _landing),
            Route(self.base, _page),
            Route(self.base + SESSION, _answering(self._enter), methods=["POST"]),
            Route(f"{api}about", _answering(self._about)),
            Route(f"{api}call", _answering(self._call), methods=["POST"]),
            Route(f"{api}secret", _answering(self._secret), methods=["POST"]),
            Route(f"{api}approvals", _answering(self._approvals)),
            Route(f"{api}approvals/{{id}}", _answering(self._decide), methods=["POST"]),
            Route(f"{api}audit", _answering(self._audit)),
            Route(self.base + EVENTS, self._events),
        ]

    async def _enter(self, request: Request) -> Response:
        given = await _read(request, _Token)
        name = self.session.cookie_name
        if self.session.admits(request.cookies.get(name, "")):  # the link was opened again
            return json_response({"result": None})
        cookie = self.session.open(given.token)
        if cookie is None:
            return failure("session_ended", NO_SESSION, HTTPStatus.UNAUTHORIZED)
        entered = json_response({"result": None})
        entered.set_cookie(name, cookie, path=self.base, httponly=True, samesite="strict")
        return entered

    async def _about(self, _request: Request) -> Response:
        return json_response(await self.calls.about())

    async def _call(self, request: Request) -> Response:
        return json_response(await self.calls.call(await _read(request, Call)))

    async def _secret(self, request: Request) -> Response:
        return json_response(await self.calls.reveal(await _read(request, WantedSecret)))

    async def _approvals(self, _request: Request) -> Response:
        return json_response({"result": await self.waiting.calls()})

    async def _decide(self, request: Request) -> Response:
        decision = await _read(request, _Decision)
        if await self.waiting.decide(request.path_params["id"], approve=decision.approve):
            return json_response({"result": None})
        return failure("NotWaiting", "This call does not wait any more.")

    async def _audit(self, request: Request) -> Response:
        if self.audit is None:
            return failure("no_audit_log", NO_FOLDER)
        wanted = AuditFilter.model_validate(dict(request.query_params))
        return json_response({"result": await self.audit.page(wanted)})

    async def _events(self, _request: Request) -> Response:
        if self.streams >= MAX_STREAMS:
            return failure("too_many", "Close other tabs first.", HTTPStatus.SERVICE_UNAVAILABLE)
        return _Events(self)

    async def stream(self) -> AsyncIterator[bytes]:
        """The events, as server-sent ones."""
        log = self.audit.log if self.audit else None
        async for event in Happenings(self.waiting, log, self.session).events():
            yield b"data: %b\n\n" % to_json(event) if event else b":\n\n"


class _Events(StreamingResponse):
    """A stream of events. It counts from when it is asked for until it ends."""

    def __init__(self, console: Console) -> None:
        super().__init__(console.stream(), media_type="text/event-stream")
        self._console = console

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._console.streams += 1
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._console.streams -= 1


async def _landing(request: Request) -> Response:
    """What the link of a client opens. It knows neither the path of the page nor the session."""
    # A client opens it as the person does, by the system. No page may make the console show an app.
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return PlainTextResponse(FROM_ELSEWHERE, HTTPStatus.FORBIDDEN)
    return _document("landing.html")


async def _page(_request: Request) -> Response:
    return _document("page.html")


def _document(name: str) -> Response:
    text = files("connected_apps_mcp").joinpath("page", name).read_text("utf-8")
    # A document has a policy of its own, which cannot say this.
    return HTMLResponse(text, headers={"content-security-policy": "frame-ancestors 'none'"})


def _answering(
    handle: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """A handler that answers what goes wrong as an error."""

    async def answer(request: Request) -> Response:
        try:
            return await handle(request)
        except _BadRequest as error:
            return failure("InvalidRequest", error.why, error.status)
        except ValidationError as error:
            return failure("InvalidRequest", _explained(error), HTTPStatus.BAD_REQUEST)
        except (StoreError, Unreadable) as error:
            return failure(type(error).__name__, str(error))
        except Exception as error:  # noqa: BLE001 - the page has to hear of it, without its text
            logger.error("%s failed with %s", request.url.path, type(error).__name__)
            return failure("unexpected", UNEXPECTED, HTTPStatus.INTERNAL_SERVER_ERROR)

    return answer


async def _read(request: Request, kind: type[B]) -> B:
    """The body of a request.

    Raises:
        _BadRequest: it is no JSON, or too long.
        ValidationError: it is another JSON than it should be.
    """
    if request.headers.get("content-type") != "application/json":
        raise _BadRequest(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body must be JSON.")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            raise _BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too long.")
    return kind.model_validate_json(body)


def _explained(error: ValidationError) -> str:
    """What is wrong, without what was given."""
    problems: list[Any] = error.errors(
        include_input=False, include_url=False, include_context=False
    )
    return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in problems)
