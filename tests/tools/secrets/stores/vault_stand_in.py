"""A stand-in for the parts of Vault that the store uses: KV version 2, tokens and AppRole.

Its bodies and statuses are those of Vault's API documentation. It has no policies, leases, quotas,
sealing, replication, `cas` or limits of a mount.
"""

import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Handler = Callable[["VaultStandIn", Request], Awaitable[Response]]


@dataclass
class StoredPath:
    """The versions and the metadata under one path."""

    versions: dict[int, dict[str, Any]] = field(default_factory=dict)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    custom: dict[str, str] | None = None

    @property
    def last(self) -> int:
        return max(self.versions, default=0)


@dataclass
class VaultStandIn:
    """One server: the secrets by namespace and path, and the valid tokens and roles."""

    tokens: set[str] = field(default_factory=set)
    roles: dict[str, str] = field(default_factory=dict)
    mount: str = "secret"
    stored: dict[str, StoredPath] = field(default_factory=dict)
    logins: int = 0
    reads: list[str] = field(default_factory=list)

    def app(self) -> Starlette:
        """The stand-in as an application."""
        kv = ["GET", "POST", "PUT", "DELETE", "LIST"]
        return Starlette(
            routes=[
                Route("/v1/auth/approle/login", self._guarded(login), methods=["POST"]),
                Route(f"/v1/{self.mount}/data/{{path:path}}", self._guarded(data), methods=kv),
                Route(
                    f"/v1/{self.mount}/metadata/{{path:path}}", self._guarded(metadata), methods=kv
                ),
                Route("/{path:path}", self._guarded(nowhere), methods=kv),
            ]
        )

    def delete_last_version(self, path: str) -> None:
        """Delete the data but not the metadata, like `vault kv delete`."""
        stored = self.stored[path]
        stored.states[str(stored.last)]["deletion_time"] = _now()

    def _guarded(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            token = request.headers.get("X-Vault-Token")
            if handler is not login and token not in self.tokens:
                return _errors(403, "permission denied")
            return await handler(self, request)

        return guarded

    def __getitem__(self, request: Request) -> str:
        namespace = request.headers.get("X-Vault-Namespace", "")
        return f"{namespace}:{request.path_params['path']}" if namespace else _path(request)


async def login(vault: VaultStandIn, request: Request) -> Response:
    given = await request.json()
    if vault.roles.get(given["role_id"]) != given["secret_id"]:
        return _errors(400, "invalid role or secret ID")
    vault.logins += 1
    token = f"hvs.{secrets.token_urlsafe(24)}"
    vault.tokens.add(token)
    return JSONResponse({"auth": {"client_token": token, "lease_duration": 1200}})


async def data(vault: VaultStandIn, request: Request) -> Response:
    if request.method == "GET":
        vault.reads.append(_path(request))
        return _read(vault.stored.get(vault[request]))
    stored = vault.stored.setdefault(vault[request], StoredPath())
    version = stored.last + 1
    stored.versions[version] = (await request.json())["data"]
    stored.states[str(version)] = {
        "created_time": _now(),
        "deletion_time": "",
        "destroyed": False,
    }
    return JSONResponse({"data": stored.states[str(version)] | {"version": version}})


async def metadata(vault: VaultStandIn, request: Request) -> Response:
    path = vault[request]
    if request.method == "LIST" or "list" in request.query_params:
        return _list(vault, path.rstrip("/") + "/")
    if request.method == "DELETE":
        vault.stored.pop(path, None)
        return Response(status_code=204)
    if request.method == "GET":
        return _described(vault.stored.get(path))
    custom = (await request.json())["custom_metadata"]
    for name, value in custom.items():
        if not isinstance(value, str) or len(name) > 128 or len(value) > 512:
            return _errors(400, "custom_metadata validation failed")
    vault.stored.setdefault(path, StoredPath()).custom = custom
    return Response(status_code=204)


async def nowhere(vault: VaultStandIn, request: Request) -> Response:  # noqa: ARG001
    return _errors(404, "no handler for route")


def _read(stored: StoredPath | None) -> Response:
    if stored is None or not stored.versions:
        return _errors(404)
    state = stored.states[str(stored.last)] | {"version": stored.last}
    if state["deletion_time"] or state["destroyed"]:
        return JSONResponse({"data": {"data": None, "metadata": state}}, 404)
    return JSONResponse({"data": {"data": stored.versions[stored.last], "metadata": state}})


def _described(stored: StoredPath | None) -> Response:
    if stored is None:
        return _errors(404)
    described = {
        "current_version": stored.last,
        "custom_metadata": stored.custom,
        "versions": stored.states,
    }
    return JSONResponse({"data": described})


def _list(vault: VaultStandIn, folder: str) -> Response:
    below = [path.removeprefix(folder) for path in vault.stored if path.startswith(folder)]
    keys = {name.partition("/")[0] + name.partition("/")[1] for name in below}
    return JSONResponse({"data": {"keys": sorted(keys)}}) if keys else _errors(404)


def _path(request: Request) -> str:
    path: str = request.path_params["path"]
    return path


def _errors(status: int, *errors: str) -> Response:
    return Response(json.dumps({"errors": errors}), status, media_type="application/json")


def _now() -> str:
    return datetime.now(UTC).isoformat()
