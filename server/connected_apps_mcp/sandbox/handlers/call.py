"""What a call brings, and what the table of operations says of each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from connected_apps_mcp.sandbox.credentials import ProjectKind
from connected_apps_mcp.sandbox.models import Reply
from connected_apps_mcp.sandbox.state.project import SandboxProject

MAX_REQUEST_BYTES = 256 * 1024
"""UNKNOWN-choice: far above any real app, far below what would trouble the process."""

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True)
class Call(Generic[Body]):
    """One authenticated call with a body of the right shape.

    Attributes:
        path: the parameters of the path.
        operations: the names of the service's operations.
    """

    project: SandboxProject
    body: Body
    path: Mapping[str, str]
    operations: Collection[str]


@dataclass(frozen=True)
class SandboxOperation(Generic[Body]):
    """One row of the table.

    An OAuth operation takes a form and the client's own credentials; one that is `only` for a kind
    of project is refused to the other.
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
    """Whether it is the sandbox's own: no fault and no rate limit holds for it."""
    max_body_bytes: int = MAX_REQUEST_BYTES
