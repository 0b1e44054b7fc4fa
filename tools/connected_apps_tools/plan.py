"""What a call is about to do: decided once, shown to a person, and then performed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from .api.models import Result
from .safety.question import Question

R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class Performed(Generic[R]):
    """What came of a plan.

    Attributes:
        request_id: the service's name for the request that made the change, where it is known.
    """

    result: R
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Plan(Generic[R]):
    """What a call will do, for the app as it is now.

    Attributes:
        perform: does it. It raises a `ConnectedAppsError` where it fails.
        question: what a person has to confirm first; None where nobody has to.
        preview: the result of a dry run, with the request that would be sent; None where the tool
            has no dry run.
    """

    perform: Callable[[], Awaitable[Performed[R]]]
    question: Question | None = None
    preview: Callable[[], R] | None = None


def returning(result: R) -> Callable[[], Awaitable[Performed[R]]]:
    """What performs nothing more: the result is there already."""

    async def perform() -> Performed[R]:
        return Performed(result)

    return perform
