"""The issuer of a project: its routes and its keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connected_apps_mcp.sandbox.errors import ApiError, ErrorType, FailureHandler
from connected_apps_mcp.sandbox.handlers.call import Call
from connected_apps_mcp.sandbox.handlers.clients import authenticated_app
from connected_apps_mcp.sandbox.handlers.introspection import introspect
from connected_apps_mcp.sandbox.handlers.reading import read_body
from connected_apps_mcp.sandbox.models import IntrospectRequest, Reply
from connected_apps_mcp.sandbox.state.project import SandboxProject

from . import metadata
from .authorization import AuthorizationEndpoint
from .keys import SigningKeys
from .parameters import MAX_FORM_BYTES, Parameters, read_form
from .people import claims_about
from .registration import Registrations
from .replies import UserinfoReply
from .token_endpoint import TokenEndpoint

Endpoint = Callable[[Request], Awaitable[Response]]

# Clients in browsers read these; no cookie is involved.
CORS = Middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_methods=["GET", "POST"],
    allow_headers=["authorization", "content-type", "mcp-protocol-version"],
)


class Issuer:
    """Issues tokens for the apps, users and members of a project.

    Args:
        url: its URL, an origin; without it, the origin of each request is its URL.
        scopes: what apps may ask for, besides the scopes of OpenID Connect.
    """

    def __init__(
        self, project: SandboxProject, url: str | None = None, scopes: Collection[str] = ()
    ) -> None:
        self._project = project
        self._url = url.rstrip("/") if url else None
        self._scopes = [*metadata.OPENID_SCOPES, *scopes]
        self._keys = SigningKeys(partial(project.environment.new_id, "jwk"))
        self._registrations = Registrations(project)
        self._authorization = AuthorizationEndpoint(project, self._registrations, self._scopes)
        self._tokens = TokenEndpoint(project, self._keys)

    def rotate_keys(self) -> None:
        """Sign with a new key from now on. The former key stays published."""
        self._keys.rotate()

    def public_keys(self) -> dict[str, Any]:
        """Return the JSON Web Key Set that verifies its tokens."""
        return self._keys.public()

    def routes(self) -> list[Route]:
        """Return the routes, for the root of an origin."""
        handler = FailureHandler(self._project.environment, self._project.kind)
        failures = Middleware(
            ExceptionMiddleware, handlers=dict.fromkeys(FailureHandler.HANDLES, handler)
        )

        def route(path: str, endpoint: Endpoint, method: str) -> Route:
            return Route(path, endpoint, methods=[method, "OPTIONS"], middleware=[CORS, failures])

        project_id = self._project.credentials.project_id
        public = f"/v1/public/{project_id}/oauth2"
        return [
            route("/.well-known/oauth-authorization-server", self._describe, "GET"),
            route("/.well-known/openid-configuration", self._describe, "GET"),
            route(metadata.JWKS, self._publish_keys, "GET"),
            # KNOWN: where the official SDKs look for the keys.
            route(f"/v1/sessions/jwks/{project_id}", self._publish_keys, "GET"),
            Route(metadata.AUTHORIZE, self._ask, methods=["GET"], middleware=[failures]),
            Route(
                metadata.AUTHORIZE,
                self._authorization.decide,
                methods=["POST"],
                middleware=[failures],
            ),
            route(metadata.TOKEN, self._form(self._issue), "POST"),
            route(metadata.INTROSPECT, self._form(self._introspect), "POST"),
            route(metadata.REVOKE, self._form(self._revoke), "POST"),
            # KNOWN: the older paths of two endpoints. The SDKs send the project's credentials in
            # the header there.
            route(f"{public}/introspect", self._form(self._introspect, basic=False), "POST"),
            route(f"{public}/revoke", self._form(self._revoke, basic=False), "POST"),
            route(metadata.USERINFO, self._userinfo, "GET"),
            route(metadata.USERINFO, self._userinfo, "POST"),
            route(metadata.REGISTER, self._register, "POST"),
        ]

    def _url_for(self, request: Request) -> str:
        return self._url or str(request.base_url).rstrip("/")

    def _form(self, handle: Callable[[Parameters, str], Reply], *, basic: bool = True) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            form = await read_form(request, basic=basic)
            return self._respond(await run_in_threadpool(handle, form, self._url_for(request)))

        return endpoint

    def _respond(self, reply: Reply, status: int = 200) -> Response:
        reply.request_id = self._project.environment.new_id("request-id")
        reply.status_code = status
        return Response(
            reply.model_dump_json(),
            status,
            headers={"cache-control": "no-store"},
            media_type="application/json",
        )

    async def _describe(self, request: Request) -> Response:
        return JSONResponse(metadata.describe_issuer(self._url_for(request), self._scopes))

    async def _publish_keys(self, _: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self.public_keys))

    async def _ask(self, request: Request) -> Response:
        return await self._authorization.ask(request, self._url_for(request))

    def _issue(self, form: Parameters, issuer: str) -> Reply:
        return self._tokens.issue(form, issuer)

    def _introspect(self, form: Parameters, _: str) -> Reply:
        body = IntrospectRequest.model_validate(
            {
                "token": form.require("token"),
                "client_id": form.get("client_id"),
                "client_secret": form.get("client_secret"),
            }
        )
        return introspect(Call(self._project, body, {}, ()))

    def _revoke(self, form: Parameters, _: str) -> Reply:
        """Revoke a token (RFC 7009); a refresh token with all that came of the same code."""
        record = authenticated_app(self._project, form.get("client_id"), form.get("client_secret"))
        value = form.require("token")
        with self._project.tokens() as tokens:
            token = tokens.find(value)
            if token is None:
                return Reply()
            if token.client_id != record.app.client_id:
                raise ApiError(ErrorType.INVALID_GRANT, "The token belongs to another app.")
            if token.kind == "access":
                tokens.revoke(value)
            else:
                tokens.revoke_family(token.family)
        return Reply()

    async def _userinfo(self, request: Request) -> Response:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            value = ""
        return self._respond(await run_in_threadpool(self._describe_subject, value.strip()))

    def _describe_subject(self, value: str) -> Reply:
        with self._project.tokens() as tokens:
            token = tokens.find(value)
        if token is None or token.kind != "access":
            raise _bearer_error(ErrorType.INVALID_TOKEN)
        scopes = token.content["scope"].split()
        if "openid" not in scopes:
            raise _bearer_error(ErrorType.INSUFFICIENT_SCOPE)
        with self._project.directory() as directory:
            subject = directory.subject(token.subject_id)
        if subject is None:
            raise _bearer_error(ErrorType.INVALID_TOKEN)
        return UserinfoReply(**claims_about(subject, scopes))

    async def _register(self, request: Request) -> Response:
        content = await read_body(request, MAX_FORM_BYTES)
        reply = await run_in_threadpool(self._registrations.register, content)
        return self._respond(reply, 201)


def _bearer_error(error: ErrorType) -> ApiError:
    challenge = f'Bearer realm="connected-apps-sandbox", error="{error.name.lower()}"'
    return ApiError(error, headers={"www-authenticate": challenge})
