"""A call, and the type of a row in the table of operations."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from connected_apps_mcp.sandbox.credentials import ProjectKind
from connected_apps_mcp.sandbox.models import Reply
from connected_apps_mcp.sandbox.state.project import SandboxProject

MAX_REQUEST_BYTES = 256 * 1024
"""UNKNOWN-choice: far above any real app, far below what would exhaust the process."""

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True)
class Call(Generic[Body]):
    """One authenticated call with a valid body.

    Attributes:
        path: the path parameters.
        operations: the names of the service's operations.
    """

    project: SandboxProject
    body: Body
    path: Mapping[str, str]
    operations: Collection[str]


@dataclass(frozen=True)
class SandboxOperation(Generic[Body]):
    """One row of the table.

    An OAuth operation (`oauth`) takes a form and the credentials of the client. `only` is the kind
    of project that has the operation, if not both.
    """

    name: str
    method: str
    path: str
    body: type[Body]
    reply: type[Reply]
    handle: Callable[[Call[Body]], Reply]
    oauth: bool = False
    only: ProjectKind | None = None
    control: bool = False
    """Whether it is the sandbox's own, without faults and rate limits."""
    max_body_bytes: int = MAX_REQUEST_BYTES
