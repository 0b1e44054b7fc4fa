"""A tool is data: a function, its types, and its effect."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import Field, ValidationError, create_model
from pydantic_core import ErrorDetails

from connected_apps_tools.api.models import Request, Result, words_of
from connected_apps_tools.text.printable import did_you_mean, printable

from .context import ToolContext
from .errors import InvalidRequest
from .plan import Plan, returning
from .scopes import Scope

MAX_RULES = 10
"""The most broken rules that one refusal names."""

MAX_ARGUMENT_NAME = 64
"""The most characters of a foreign name that are shown."""

Q = TypeVar("Q", bound=Request)
R = TypeVar("R", bound=Result)

Clients = Literal["everybody", "page", "links"]
"""Which clients: all, those that show the page, or those that open links in the browser."""


class Effect(Enum):
    """What a tool does to the project. Hints, read-only mode and the audit log follow from it."""

    READS = "reads"
    REVEALS = "reveals"
    """Changes nothing, and shows somebody a client secret."""
    ADDS = "adds"
    """Creates something and leaves the rest alone; twice creates two."""
    REPLACES = "replaces"
    """Overwrites what was there; twice is the same as once."""
    DESTROYS = "destroys"
    """Cannot be undone through the API."""
    DELIVERS = "delivers"
    """Brings a client secret to a place where it is used; twice is the same as once."""

    @property
    def changes(self) -> bool:
        """Whether something is different afterwards, at the service or where a secret is used."""
        return self not in {Effect.READS, Effect.REVEALS}


SCOPES: Mapping[tuple[str, Effect], Scope] = {
    ("apps", Effect.READS): Scope.APPS_READ,
    ("apps", Effect.ADDS): Scope.APPS_WRITE,
    ("apps", Effect.REPLACES): Scope.APPS_WRITE,
    ("apps", Effect.DESTROYS): Scope.APPS_DELETE,
    # It tells no more than reading the app, which shows the last four characters.
    ("secrets", Effect.READS): Scope.APPS_READ,
    ("secrets", Effect.REVEALS): Scope.SECRETS_REVEAL,
    ("secrets", Effect.DELIVERS): Scope.SECRETS_REVEAL,
    ("secrets", Effect.ADDS): Scope.SECRETS_ROTATE,
    ("secrets", Effect.REPLACES): Scope.SECRETS_ROTATE,
    ("secrets", Effect.DESTROYS): Scope.SECRETS_ROTATE,
    ("grants", Effect.READS): Scope.GRANTS_READ,
    ("grants", Effect.DESTROYS): Scope.GRANTS_REVOKE,
}
"""The scope that a tool needs, by what it is about and its effect."""


@dataclass(frozen=True)
class Tool(Generic[Q, R]):
    """A function with its request type, which is the input schema, and its result type.

    A tool that reads gives its result. A tool that changes something, or shows a secret, gives a
    plan. The function's docstring is the description that the model reads.

    Attributes:
        revealing: the request type where secrets may be shown.
        touches: the argument that names the app to change. One call at a time changes an app, and
            the policy may protect it.
        turn: what one call at a time, of all processes of the user, may do.
        about: what it reads or changes. With the effect it gives the scope.
        page: whether the page shows its result, where a client can show it. It shows every change.
        listed_to: which clients see the tool. What only some see shows a secret past the model: the
            `page` calls it by itself, or it asks the person to open a link (`links`).
    """

    function: Callable[[ToolContext, Q], Awaitable[R | Plan[R]]]
    title: str
    request: type[Q]
    result: type[R]
    effect: Effect
    revealing: type[Q] | None = None
    touches: str | None = None
    turn: Literal["rotation", "apply"] | None = None
    about: Literal["apps", "secrets", "grants"] = "apps"
    page: bool = False
    listed_to: Clients = "everybody"

    def __post_init__(self) -> None:
        if self.touches and self.touches not in self.request.model_fields:
            raise TypeError(f"{self.name} has no argument {self.touches}")
        if (self.about, self.effect) not in SCOPES:
            raise TypeError(f"no scope is for {self.about} and {self.effect}")

    @property
    def name(self) -> str:
        """The name by which the tool is called."""
        return self.function.__name__

    @property
    def only_reads(self) -> bool:
        """Whether calls only read: they change nothing, show no secret and ask no person."""
        is_asking = self.listed_to == "links"
        return self.effect is Effect.READS and self.revealing is None and not is_asking

    @property
    def opens_page(self) -> bool:
        """Whether the page shows what a call did or found."""
        return self.effect.changes or self.page

    @property
    def scope(self) -> Scope:
        """The scope that every call needs."""
        return SCOPES[self.about, self.effect]

    def scopes(self, request: Q | None) -> frozenset[Scope]:
        """All scopes that a call needs; without a request, those that every call needs."""
        return frozenset({self.scope}) | (request.more_scopes if request else frozenset())

    @property
    def description(self) -> str:
        """The text that a model reads to choose a tool."""
        return " ".join((self.function.__doc__ or "").split())

    def where_secrets_show(self, *, allowed: bool) -> Self | None:
        """The tool where secrets may or may not be shown; None where it does not exist then."""
        if not allowed:
            only_shows = self.effect is Effect.REVEALS or self.listed_to != "everybody"
            return None if only_shows else self
        return replace(self, request=self.revealing or self.request)

    def delivering_to(self, names: Iterable[str]) -> Self:
        """The tool with these destinations as the choices for its argument, if it has one."""
        choices = tuple(names)
        if "destination" not in self.request.model_fields or not choices:
            return self
        return replace(self, request=_with_choices(self.request, "destination", choices))

    def is_recorded(self, request: Q | None) -> bool:
        """Whether a call changes something or shows a secret; without a request, whether it may."""
        if request is None:
            return self.effect is not Effect.READS
        return (self.effect is not Effect.READS and not request.is_dry_run) or request.reveals

    def read(self, arguments: dict[str, Any]) -> Q:
        """The request that the arguments make.

        Raises:
            InvalidRequest: they do not fit the request type.
        """
        try:
            return self.request.model_validate(arguments)
        except ValidationError as error:
            raise refusal_of(self.request, error) from None

    def touched(self, request: Q) -> str | None:
        """The id of the app that a call changes; None where it changes none that is there."""
        return getattr(request, self.touches) if self.touches else None

    @asynccontextmanager
    async def exclusive(self, context: ToolContext, request: Q) -> AsyncIterator[ToolContext]:
        """Hold the locks of a call, and give the context for its plan.

        Raises:
            ConnectedAppsError: other calls did not end in time.
        """
        async with AsyncExitStack() as held:
            client_id = self.touched(request)
            if client_id:
                await held.enter_async_context(context.app_locks.hold(client_id))
            lock = None
            if self.turn == "rotation":
                lock = held.enter_context(await context.secrets.rotation_lock())
            elif self.turn == "apply":
                held.enter_context(await context.apply_lock())
            yield context.for_one_plan(lock)

    async def plan(self, context: ToolContext, request: Q) -> Plan[R]:
        """Plan a call after one look at the app. A tool that only reads runs here.

        Raises:
            ConnectedAppsError: it is refused, or the app could not be read.
        """
        if client_id := self.touched(request):
            await context.require_unprotected(client_id)
        planned = await self.function(context, request)
        return planned if isinstance(planned, Plan) else Plan(perform=returning(planned))

    async def __call__(self, context: ToolContext, request: Q) -> R:
        """Plan and perform a call without locks, question and record. Raises like both."""
        plan = await self.plan(context.for_one_plan(), request)
        return (await plan.perform()).result


def _with_choices(request: type[Request], field: str, choices: tuple[str, ...]) -> Any:  # noqa: ANN401 - the same type
    """A request type with choices for an argument."""
    one_of: Any = (Literal[choices], Field(description=request.model_fields[field].description))
    return create_model(request.__name__, __base__=request, **{field: one_of})


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
