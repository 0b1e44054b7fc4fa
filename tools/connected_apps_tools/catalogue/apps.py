"""The tools that manage single apps. Each docstring is what the model reads."""

import logging
from contextlib import suppress
from functools import partial
from typing import Any

from connected_apps_tools.api.app_versions import version_of
from connected_apps_tools.api.models import ConnectedApp, OneApp, UpdateApp
from connected_apps_tools.api.operations import CREATE, DELETE, UPDATE
from connected_apps_tools.catalogue.types.app_requests import (
    CreateAppRequest,
    CreateAppRevealingRequest,
    DeletedAppRequest,
    UpdateAppRequest,
)
from connected_apps_tools.catalogue.types.app_results import (
    ChangedApp,
    CreatedApp,
    DeletedApp,
    PlannedRequest,
    ShownApp,
)
from connected_apps_tools.catalogue.types.app_view import (
    AppView,
    ShownDelivery,
    untrusted_in,
)
from connected_apps_tools.catalogue.types.secret_view import describe_secret
from connected_apps_tools.context import ToolContext
from connected_apps_tools.plan import Performed, Plan, returning
from connected_apps_tools.safety.question import (
    WHO_WILL_KNOW,
    Question,
    digest,
    facts_about,
    name_and_type,
    redirect_hosts_of,
)
from connected_apps_tools.safety.risky_changes import risky_changes
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.tool import Effect, Tool

logger = logging.getLogger(__name__)


async def create_app(context: ToolContext, request: CreateAppRequest) -> Plan[CreatedApp]:
    """Register a new Connected App (OAuth client).

    Confidential types get a client secret: it is stored, not returned; the result gives its
    location and last four characters. A person may be asked before it is shown. Two calls create
    two apps, even with the same name; to change an app, use update_app. The app finds issuer and
    endpoints at /.well-known/openid-configuration of the project's domain.
    """
    return await plan_creation(context, request)


async def plan_creation(
    context: ToolContext, request: CreateAppRequest, *, untrusted: list[str] | None = None
) -> Plan[CreatedApp]:
    """The plan to create an app with these settings.

    `untrusted` names those that strangers may have written.

    Raises:
        PolicyRefusal: the policy forbids such an app.
        InvalidRequest: its secret could not be stored.
    """
    context.policy.check_new(request)
    if request.is_dry_run and request.confidential:
        await context.secrets.capture.prove_writable(revealed=request.reveals)
    return Plan(
        perform=partial(_create, context, request),
        question=_showing_new_secret(request),
        preview=lambda: CreatedApp(
            would_send=PlannedRequest.of(CREATE.request(request.body())), untrusted=untrusted
        ),
    )


def _showing_new_secret(request: CreateAppRequest) -> Question | None:
    if not (request.reveals and request.confidential):
        return None
    return Question(
        "Create this app and show its client secret in the conversation?",
        [
            *name_and_type(request.client_name, request.client_type),
            redirect_hosts_of(request.redirect_urls or []),
        ],
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
    deliveries = await _deliveries(context, request.client_id)
    shown = view.model_copy(update={"deliveries": deliveries})
    return ShownApp(app=shown, untrusted=untrusted_in(view))


async def _deliveries(context: ToolContext, client_id: str) -> list[ShownDelivery] | None:
    """Which secret each destination got last, where there are destinations."""
    if not context.policy.destinations:
        return None
    try:
        found = await context.deliveries.of(client_id)
    except StoreError as error:
        logger.warning("The deliveries cannot be shown: %s", error)
        return None
    return [ShownDelivery.of(each) for each in found] or None


async def update_app(context: ToolContext, request: UpdateAppRequest) -> Plan[ChangedApp]:
    """Change the settings of a Connected App.

    Fields that are left out stay as they are. A list replaces the whole list: to add or remove
    single URLs, use the add_ and remove_ arguments. Type, client_id and secrets cannot be changed.
    A person may be asked first where the change makes the app less protected. Returns each field
    that changed, before and after.
    """
    before = await context.read_app(request.client_id)
    request.require_unchanged(before)
    return plan_update(context, before, request.settings(before))


def plan_update(
    context: ToolContext, before: ConnectedApp, settings: dict[str, Any]
) -> Plan[ChangedApp]:
    """The plan to give an app these settings. A person confirms it if the app is less protected.

    Raises:
        PolicyRefusal: the policy forbids it.
    """
    after = before.model_copy(update=settings)
    if not settings:
        unchanged = ChangedApp.of(
            before, before, note="The app has these settings already; nothing was sent."
        )
        return Plan(perform=returning(unchanged), preview=lambda: unchanged)
    context.policy.check_change(before, after)
    change = UpdateApp(client_id=before.client_id, **settings)
    planned = UPDATE.request(change.body(), client_id=change.client_id)
    return Plan(
        perform=partial(_update, context, before, change),
        question=_making_it_riskier(before, after),
        preview=lambda: ChangedApp.of(before, after, would_send=PlannedRequest.of(planned)),
    )


def _making_it_riskier(before: ConnectedApp, after: ConnectedApp) -> Question | None:
    risks = list(risky_changes(before, after))
    if not risks:
        return None
    return Question(
        "Change this app although it will be less protected?",
        [*facts_about(before), *risks],
        "Whoever controls an added host can receive its users' sign-ins; what is removed stops "
        "working at once.",
        version_of(before),
    )


async def _update(
    context: ToolContext, before: ConnectedApp, change: UpdateApp
) -> Performed[ChangedApp]:
    response = await context.api.update(change)
    return Performed(ChangedApp.of(before, response.connected_app), response.request_id)


async def delete_app(context: ToolContext, request: DeletedAppRequest) -> Plan[DeletedApp]:
    """Delete a Connected App. This cannot be undone, so a person may be asked first.

    Its client_id and secrets stop working, and its stored secrets are deleted; tokens already
    issued may stay valid until they expire. Make sure that it is the right app. Returns its former
    settings.
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
            facts_about(former),
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
    with suppress(StoreError):  # it holds no secret
        await context.deliveries.forget(deleted.client_id)
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
    Tool(get_app, "Get an app", OneApp, ShownApp, Effect.READS, page=True),
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
