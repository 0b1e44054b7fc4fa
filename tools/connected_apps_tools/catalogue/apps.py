"""The tools that manage single apps. Each docstring is what the model reads."""

from typing import Annotated, Any, Literal, Self

from connected_apps_tools.api.models import ConnectedApp, Model, OneApp, Touched, UpdateApp
from connected_apps_tools.api.operations import CREATE, DELETE, UPDATE, ApiRequest
from connected_apps_tools.context import ToolContext
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
    require_still_harmless,
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


async def create_app(context: ToolContext, request: CreateAppRequest) -> CreatedApp:
    """Register a new Connected App, i.e. an OAuth client of this project.

    Answers with the app. Confidential types get a client secret: it is kept where
    the answer says, and is not in the answer. Calling it twice creates two apps, even with the same
    name; to change one that exists, use update_app. The app finds issuer and endpoints at
    /.well-known/openid-configuration of the project's domain.
    """
    context.policy.admit_new(request)
    if request.dry_run:
        if request.confidential:
            await context.secrets.capture.prove_writable(revealed=request.reveals)
        return CreatedApp(would_send=PlannedRequest.of(CREATE.request(request.body())))
    if not request.confidential:
        view = AppView.of((await context.api.create(request)).connected_app)
        return CreatedApp(app=view, untrusted=untrusted_in(view))
    kept = await context.secrets.create(request)
    view = AppView.of(kept.app)
    return CreatedApp(
        app=view,
        client_secret=describe_secret(context.server, kept, reveal=request.reveals),
        untrusted=untrusted_in(view),
    )


async def get_app(context: ToolContext, request: OneApp) -> ShownApp:
    """Read one Connected App by its client_id.

    Answers with its type, redirect URLs, token settings, version, and the last four characters of
    its secrets (a next secret means that a rotation is under way). Empty fields are left out. To
    find an app by name, use search_apps.
    """
    view = AppView.of((await context.api.get(request.client_id)).connected_app)
    return ShownApp(app=view, untrusted=untrusted_in(view))


async def update_app(context: ToolContext, request: UpdateAppRequest) -> ChangedApp:
    """Change a Connected App.

    The settings are those of create_app; what is left out stays. A list replaces the whole list: to
    add or remove single URLs, use the add_ and remove_ arguments. Type, client_id and secrets
    cannot be changed. Answers with each field that changed, before and after.
    """
    async with context.app_locks.hold(request.client_id):
        before = (await context.api.get(request.client_id)).connected_app
        settings, after = _admitted(context, request, before)
        if not settings:
            return _changed(before, before, note="It is so already; nothing was sent.")
        change = UpdateApp(client_id=request.client_id, **settings)
        if request.dry_run:
            planned = UPDATE.request(change.body(), client_id=change.client_id)
            return _changed(before, after, would_send=PlannedRequest.of(planned))
        require_still_harmless(request, harmless=not any(risky_changes(before, after)))
        return _changed(before, (await context.api.update(change)).connected_app)


def _admitted(
    context: ToolContext, request: UpdateAppRequest, before: ConnectedApp
) -> tuple[dict[str, Any], ConnectedApp]:
    """The fields to replace, and the app as it would be.

    Raises:
        InvalidRequest: it has changed, or the policy forbids it, or nothing is there to remove.
    """
    request.require_unchanged(before)
    settings = request.settings(before)
    after = before.model_copy(update=settings)
    if settings:
        context.policy.admit_change(before, after)
    return settings, after


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


async def _before_creating(context: ToolContext, request: CreateAppRequest) -> Question | None:
    context.policy.admit_new(request)
    if not (request.reveals and request.confidential):
        return None
    return Question(
        "Create this app and show its client secret in the conversation?",
        [*described(request.client_name, request.client_type), led_to(request.redirect_urls or [])],
        WHO_WILL_KNOW,
        digest(request.body()),
    )


async def _before_updating(context: ToolContext, request: UpdateAppRequest) -> Question | None:
    before = (await context.api.get(request.client_id)).connected_app
    _, after = _admitted(context, request, before)
    weaker = list(risky_changes(before, after))
    if not weaker:
        return None
    return Question(
        "Change this app although it will be protected less?",
        [*about(before), *weaker],
        "Whoever controls an added host can receive its users' sign-ins; what is removed stops "
        "working at once.",
        version_of(before),
    )


async def _before_deleting(context: ToolContext, request: DeletedAppRequest) -> Question:
    app = (await context.api.get(request.client_id)).connected_app
    request.require_unchanged(app)
    return Question(
        "Delete this app for good?",
        about(app),
        "Its client id and secrets stop working at once and cannot be restored; tokens already "
        "issued may stay valid until they expire.",
        version_of(app),
    )


async def delete_app(context: ToolContext, request: DeletedAppRequest) -> DeletedApp:
    """Delete a Connected App for good.

    Its client_id and secrets stop working, cannot be restored and are kept no longer; tokens
    already issued may stay valid until they expire. Be sure that it is the right one. Answers with
    its former settings, from which create_app can make another one like it.
    """
    async with context.app_locks.hold(request.client_id):
        former = (await context.api.get(request.client_id)).connected_app
        request.require_unchanged(former)
        view = AppView.of(former, uncut=True)
        answer = DeletedApp(
            client_id=request.client_id,
            deleted=not request.dry_run,
            former=view,
            untrusted=untrusted_in(view),
        )
        if request.dry_run:
            planned = PlannedRequest.of(DELETE.request(client_id=request.client_id))
            return answer.model_copy(update={"would_send": planned})
        problem = await context.secrets.delete(request.client_id)
        note = f"Its secrets are still kept: {problem}" if problem else None
        return answer.model_copy(update={"note": note})


TOOLS: tuple[Tool[Any, Any], ...] = (
    Tool(
        create_app,
        "Create an app",
        CreateAppRequest,
        CreatedApp,
        Effect.ADDS,
        CreateAppRevealingRequest,
        question=_before_creating,
    ),
    Tool(get_app, "Get an app", OneApp, ShownApp, Effect.READS),
    Tool(
        update_app,
        "Update an app",
        UpdateAppRequest,
        ChangedApp,
        Effect.REPLACES,
        question=_before_updating,
    ),
    Tool(
        delete_app,
        "Delete an app",
        DeletedAppRequest,
        DeletedApp,
        Effect.DESTROYS,
        question=_before_deleting,
    ),
)
