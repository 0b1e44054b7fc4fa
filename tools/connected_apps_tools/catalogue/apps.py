"""The tools that manage single apps. Each docstring is what the model reads."""

from functools import partial
from typing import Annotated, Any, Literal, Self

from connected_apps_tools.api.models import ConnectedApp, Model, OneApp, Touched, UpdateApp
from connected_apps_tools.api.operations import CREATE, DELETE, UPDATE, ApiRequest
from connected_apps_tools.context import ToolContext
from connected_apps_tools.plan import Performed, Plan, returning
from connected_apps_tools.safety.question import (
    WHO_WILL_KNOW,
    Question,
    about,
    described,
    digest,
    led_to,
)
from connected_apps_tools.safety.risky_changes import risky_changes
from connected_apps_tools.text.printable import printable
from connected_apps_tools.tool import Effect, Tool

from .app_requests import (
    CreateAppRequest,
    CreateAppRevealingRequest,
    DeletedAppRequest,
    UpdateAppRequest,
)
from .app_view import (
    LOOSE,
    MAX_TEXT,
    UNTRUSTED_FIELDS,
    AppView,
    ShowsApps,
    more_of,
    shown_of,
    untrusted_in,
    version_of,
)
from .secret_answer import ClientSecret, describe_secret

TITLES = ("client_name", "client_description")
"""What a list of apps tells of each."""


class PlannedRequest(Model):
    """The request of a dry run, without credentials."""

    method: str
    path: str
    body: dict[str, Any] | None = None
    cut: list[str] | None = None
    """The fields of the body of which more would be sent than is shown."""

    @classmethod
    def of(cls, request: ApiRequest[Any]) -> Self:
        """A request as it is shown: what an app had already may be strangers' text."""
        body = request.body or {}
        return cls(
            method=request.operation.method,
            path=request.path,
            body={name: shown_of(name, value) for name, value in body.items()} or None,
            cut=[name for name, value in body.items() if more_of(name, value)] or None,
        )


WouldSend = Annotated[PlannedRequest | None, LOOSE]


class CreatedApp(ShowsApps):
    """The answer of create_app."""

    app: Annotated[AppView | None, LOOSE] = None
    client_secret: Annotated[ClientSecret | None, LOOSE] = None
    would_send: WouldSend = None

    @property
    def revealed(self) -> str | None:
        """The new secret."""
        return self.client_secret.value if self.client_secret else None

    @property
    def touched(self) -> Touched | None:
        """The new app."""
        return Touched(self.app.client_id, relists=True) if self.app else None


class ShownApp(ShowsApps):
    """The answer of get_app."""

    app: Annotated[AppView, LOOSE]


class Change(Model):
    """What a field was, and what it is now. What was empty is left out."""

    before: Any = None
    after: Any = None
    cut: Literal[True] | None = None
    """Whether more of it exists than is shown."""
    added: list[str] | None = None
    removed: list[str] | None = None
    """Where a list is too long to be shown whole, what is different in it."""

    @classmethod
    def of(cls, field: str, was: object, now: object) -> Self:
        """A change of a field, as it is shown."""
        cut = more_of(field, was) or more_of(field, now) or None
        if cut and isinstance(was, list) and isinstance(now, list):
            added = [each for each in now if each not in was]
            removed = [each for each in was if each not in now]
            return cls.model_validate(
                {
                    "cut": cut,
                    "added": shown_of(field, added),
                    "removed": shown_of(field, removed),
                }
            )
        before, after = shown_of(field, was), shown_of(field, now)
        return cls(
            before=None if before == "" else before,
            after="" if after is None else after,
            cut=cut,
        )


class ChangedApp(ShowsApps):
    """The answer of update_app."""

    client_id: str
    changes: Annotated[dict[str, Change], LOOSE]
    version: str | None = None
    note: str | None = None
    would_send: WouldSend = None

    @property
    def touched(self) -> Touched | None:
        """The app, where something was sent."""
        if self.would_send or not self.changes:
            return None
        return Touched(self.client_id, relists=not self.changes.keys().isdisjoint(TITLES))


class DeletedApp(ShowsApps):
    """The answer of delete_app."""

    client_id: str
    deleted: bool
    former: Annotated[AppView, LOOSE]
    note: str | None = None
    would_send: WouldSend = None

    @property
    def touched(self) -> Touched | None:
        """The app that is gone."""
        return Touched(self.client_id, relists=True) if self.deleted else None


async def create_app(context: ToolContext, request: CreateAppRequest) -> Plan[CreatedApp]:
    """Register a new Connected App, i.e. an OAuth client of this project.

    Returns the app. Confidential types get a client secret: it is stored, not returned; the result
    gives its location and last four characters. Calling it twice creates two apps, even with the
    same name; to change one that exists, use update_app. The app finds issuer and endpoints at
    /.well-known/openid-configuration of the project's domain.
    """
    return await plan_creation(context, request)


async def plan_creation(context: ToolContext, request: CreateAppRequest) -> Plan[CreatedApp]:
    """The plan to create an app with these settings.

    Raises:
        PolicyRefusal: the policy forbids such an app.
        InvalidRequest: its secret could not be stored.
    """
    context.policy.admit_new(request)
    if request.is_dry_run and request.confidential:
        await context.secrets.capture.prove_writable(revealed=request.reveals)
    return Plan(
        perform=partial(_create, context, request),
        question=_showing_new_secret(request),
        preview=lambda: CreatedApp(would_send=PlannedRequest.of(CREATE.request(request.body()))),
    )


def _showing_new_secret(request: CreateAppRequest) -> Question | None:
    if not (request.reveals and request.confidential):
        return None
    return Question(
        "Create this app and show its client secret in the conversation?",
        [*described(request.client_name, request.client_type), led_to(request.redirect_urls or [])],
        WHO_WILL_KNOW,
        digest(request.body()),
    )


async def _create(context: ToolContext, request: CreateAppRequest) -> Performed[CreatedApp]:
    if request.confidential:
        created = await context.secrets.create(request)
        app, request_id = created.app, created.request_id
        secret = describe_secret(context.server, created, reveal=request.reveals)
    else:
        response = await context.api.create(request)
        app, request_id, secret = response.connected_app, response.request_id, None
    view = AppView.of(app)
    return Performed(
        CreatedApp(app=view, client_secret=secret, untrusted=untrusted_in(view)), request_id
    )


async def get_app(context: ToolContext, request: OneApp) -> ShownApp:
    """Read one Connected App by its client_id.

    Returns its type, redirect URLs, token settings, version, and the last four characters of its
    secrets (a next secret means that a rotation is under way). Empty fields are left out. To find
    an app by name, use search_apps.
    """
    view = AppView.of(await context.read_app(request.client_id))
    return ShownApp(app=view, untrusted=untrusted_in(view))


async def update_app(context: ToolContext, request: UpdateAppRequest) -> Plan[ChangedApp]:
    """Change the settings of a Connected App.

    Fields that are left out stay as they are. A list replaces the whole list: to add or remove
    single URLs, use the add_ and remove_ arguments. Type, client_id and secrets cannot be changed.
    A person may be asked first where the change makes the app less protected. Returns each field
    that changed, before and after.
    """
    before = await context.read_app(request.client_id)
    request.require_unchanged(before)
    settings = request.settings(before)
    after = before.model_copy(update=settings)
    if not settings:
        unchanged = _changed(before, before, note="It is so already; nothing was sent.")
        return Plan(perform=returning(unchanged), preview=lambda: unchanged)
    context.policy.admit_change(before, after)
    change = UpdateApp(client_id=request.client_id, **settings)
    planned = UPDATE.request(change.body(), client_id=change.client_id)
    return Plan(
        perform=partial(_update, context, before, change),
        question=_making_it_riskier(before, after),
        preview=lambda: _changed(before, after, would_send=PlannedRequest.of(planned)),
    )


def _making_it_riskier(before: ConnectedApp, after: ConnectedApp) -> Question | None:
    risks = list(risky_changes(before, after))
    if not risks:
        return None
    return Question(
        "Change this app although it will be less protected?",
        [*about(before), *risks],
        "Whoever controls an added host can receive its users' sign-ins; what is removed stops "
        "working at once.",
        version_of(before),
    )


async def _update(
    context: ToolContext, before: ConnectedApp, change: UpdateApp
) -> Performed[ChangedApp]:
    response = await context.api.update(change)
    return Performed(_changed(before, response.connected_app), response.request_id)


def _changed(
    before: ConnectedApp,
    after: ConnectedApp,
    *,
    note: str | None = None,
    would_send: PlannedRequest | None = None,
) -> ChangedApp:
    was, now = before.model_dump(), after.model_dump()
    changes = {
        name: Change.of(name, was[name], now[name]) for name in was if was[name] != now[name]
    }
    return ChangedApp(
        client_id=printable(before.client_id, MAX_TEXT),
        changes=changes,
        version=None if would_send else version_of(after),
        note=note,
        would_send=would_send,
        untrusted=[name for name in UNTRUSTED_FIELDS if name in changes] or None,
    )


async def delete_app(context: ToolContext, request: DeletedAppRequest) -> Plan[DeletedApp]:
    """Delete a Connected App. This cannot be undone, so a person may be asked first.

    Its client_id and secrets stop working, and its stored secrets are deleted; tokens already
    issued may stay valid until they expire. Make sure that it is the right app. Returns its former
    settings, from which create_app can make another app like it.
    """
    former = await context.read_app(request.client_id)
    request.require_unchanged(former)
    view = AppView.of(former, uncut=True)
    deleted = DeletedApp(
        client_id=request.client_id, deleted=True, former=view, untrusted=untrusted_in(view)
    )
    planned = DELETE.request(client_id=request.client_id)
    return Plan(
        perform=partial(_delete, context, deleted),
        question=Question(
            "Delete this app? This cannot be undone.",
            about(former),
            "Its client id and secrets stop working at once and cannot be restored; tokens already "
            "issued may stay valid until they expire.",
            version_of(former),
        ),
        preview=lambda: deleted.model_copy(
            update={"deleted": False, "would_send": PlannedRequest.of(planned)}
        ),
    )


async def _delete(context: ToolContext, deleted: DeletedApp) -> Performed[DeletedApp]:
    problem, request_id = await context.secrets.delete(deleted.client_id)
    note = f"Its secrets are still stored: {problem}" if problem else None
    return Performed(deleted.model_copy(update={"note": note}), request_id)


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        create_app,
        "Create an app",
        CreateAppRequest,
        CreatedApp,
        Effect.ADDS,
        revealing=CreateAppRevealingRequest,
    ),
    Tool(get_app, "Get an app", OneApp, ShownApp, Effect.READS),
    Tool(
        update_app,
        "Update an app",
        UpdateAppRequest,
        ChangedApp,
        Effect.REPLACES,
        touches="client_id",
    ),
    Tool(
        delete_app,
        "Delete an app",
        DeletedAppRequest,
        DeletedApp,
        Effect.DESTROYS,
        touches="client_id",
    ),
)
