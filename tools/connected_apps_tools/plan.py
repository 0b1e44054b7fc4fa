"""What a call will do: planned once, confirmed if necessary, and then performed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from .api.models import Result
from .safety.question import Link, Question

R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class Performed(Generic[R]):
    """The outcome of a performed plan.

    Attributes:
        request_id: the service's id of the request that made the change; None if unknown.
    """

    result: R
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Plan(Generic[R]):
    """What a call will do, for the app as it is now.

    Attributes:
        perform: makes the change. It raises a `ConnectedAppsError` if that fails.
        question: what a person has to confirm first; None if no confirmation is needed.
        preview: the result of a dry run, with the request that would be sent; None if the tool has
            no dry run.
        link: what a person is asked to open before a call that only reads has its result.
    """

    perform: Callable[[], Awaitable[Performed[R]]]
    question: Question | None = None
    preview: Callable[[], R] | None = None
    link: Link | None = None


def returning(result: R) -> Callable[[], Awaitable[Performed[R]]]:
    """A `perform` that sends nothing and returns this result."""

    async def perform() -> Performed[R]:
        return Performed(result)

    return perform
