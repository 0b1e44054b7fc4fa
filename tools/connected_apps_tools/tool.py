"""What a tool is: data."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Generic, Self, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from connected_apps_tools.api.models import Request, Result, words_of
from connected_apps_tools.safety.question import Question
from connected_apps_tools.text.printable import did_you_mean, printable

from .context import ToolContext
from .errors import ConnectedAppsError, InvalidRequest, NotFound

MAX_RULES = 10
"""Broken rules that one refusal names."""

MAX_ARGUMENT_NAME = 64
"""Characters of a foreign name that are shown."""

Q = TypeVar("Q", bound=Request)
R = TypeVar("R", bound=Result)


class Effect(Enum):
    """What a tool does to the project. Everything that guards a tool derives from it."""

    READS = "reads"
    REVEALS = "reveals"
    """Changes nothing, and puts a client secret into the answer."""
    ADDS = "adds"
    """Creates something and leaves the rest alone; doing it twice creates two."""
    REPLACES = "replaces"
    """Overwrites what was there; doing it twice is doing it once."""
    DESTROYS = "destroys"
    """Cannot be undone through the API."""

    @property
    def changes(self) -> bool:
        """Whether something at the service is different afterwards."""
        return self not in {Effect.READS, Effect.REVEALS}


@dataclass(frozen=True)
class Tool(Generic[Q, R]):
    """A function with its request type, which is the input schema, and its response type.

    The function's docstring is the description that the model reads.
    """

    function: Callable[[ToolContext, Q], Awaitable[R]]
    title: str
    request: type[Q]
    response: type[R]
    effect: Effect
    revealing: type[Q] | None = None
    """The request type where secrets may be shown."""
    question: Callable[[ToolContext, Q], Awaitable[Question | None]] | None = None
    """What a person is asked before; None where nobody needs to be."""

    @property
    def name(self) -> str:
        """The name by which the tool is called."""
        return self.function.__name__

    @property
    def description(self) -> str:
        """What the model reads before it chooses."""
        return " ".join((self.function.__doc__ or "").split())

    def where_secrets_show(self, *, reveals: bool) -> Self | None:
        """The tool as it is where secrets may or may not be shown, if it then exists."""
        if not reveals:
            return None if self.effect is Effect.REVEALS else self
        return replace(self, request=self.revealing or self.request)

    def is_recorded(self, request: Q | None) -> bool:
        """Whether a call changes something or shows a secret; without a request, whether it may."""
        if request is None:
            return self.effect is not Effect.READS
        return (self.effect is not Effect.READS and not request.tries) or request.reveals

    def read(self, arguments: dict[str, Any]) -> Q:
        """The request that the arguments make.

        Raises:
            InvalidRequest: they do not fit the request type.
        """
        try:
            return self.request.model_validate(arguments)
        except ValidationError as error:
            raise refusal_of(self.request, error) from None

    async def ask(self, context: ToolContext, request: Q) -> Question | None:
        """What a person has to be asked before; None where nobody has to be.

        What the tool would refuse is refused here, so that nobody is asked in vain.

        Raises:
            ConnectedAppsError: it is refused anyway, or it cannot be told what to ask.
        """
        if request.tries:
            return None
        await self._require_unprotected(context, request)
        if not self.question:
            return None
        async with _with_near_misses(context, request):
            return await self.question(context, request)

    async def __call__(self, context: ToolContext, request: Q) -> R:
        """Do it.

        Raises:
            ConnectedAppsError: it could not be done.
        """
        await self._require_unprotected(context, request)
        async with _with_near_misses(context, request):
            return await self.function(context, request)

    async def _require_unprotected(self, context: ToolContext, request: Q) -> None:
        client_id = getattr(request, "client_id", None)
        if client_id and self.effect.changes:
            await context.require_unprotected(client_id)


@asynccontextmanager
async def _with_near_misses(context: ToolContext, request: Request) -> AsyncIterator[None]:
    """Say which app was most likely meant where there is none of the id given."""
    try:
        yield
    except NotFound as error:
        error.hint = await _meant(context, getattr(request, "client_id", "")) or error.hint
        raise


async def _meant(context: ToolContext, wrong_id: str) -> str | None:
    with suppress(ConnectedAppsError):
        if meant := await context.app_names.meant_by(wrong_id):
            return f"Did you mean {meant}? Else use search_apps to find the client_id."
    return None


def refusal_of(request: type[Request], error: ValidationError) -> InvalidRequest:
    """What is wrong with the arguments: each field and its rule, never a value that was given."""
    problems = error.errors(include_url=False, include_input=False)
    refusal = InvalidRequest(" ".join(_rule(request, problem) for problem in problems[:MAX_RULES]))
    refusal.hint = "Nothing was sent. Correct the arguments and call again."
    return refusal


def _rule(request: type[Request], problem: ErrorDetails) -> str:
    field = printable(".".join(map(str, problem["loc"])), MAX_ARGUMENT_NAME)
    if problem["type"] == "extra_forbidden":
        return f"{field}: there is no such argument.{_meant_argument(field, request)}"
    rule = problem["msg"]
    if problem["type"] == "string_pattern_mismatch":
        words = words_of(request.model_fields[str(problem["loc"][0])])
        rule = f"must be {words.text}" if words else "has characters that are not allowed"
    return f"{field}: {rule}." if field else f"{rule}."


def _meant_argument(given: str, request: type[Request]) -> str:
    """A question that names the argument that was most likely meant: client_name for name."""
    longer = [name for name in request.model_fields if name.endswith(f"_{given}")]
    if longer:
        return f" Did you mean {' or '.join(longer)}?"
    return did_you_mean(given, request.model_fields)
