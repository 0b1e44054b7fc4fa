"""A comparison tells exactly what differs between a manifest and a project."""

import random
from typing import Any

import pytest
from sizes import sized
from support import EVERY_SETTING
from tools.manifest.manifests import BOUND, LIVE, TEST, app, random_settings

from connected_apps_tools import ToolContext
from connected_apps_tools.api.app_versions import version_of
from connected_apps_tools.api.models import ConnectedApp, CreateApp, UpdateApp
from connected_apps_tools.api.pagination import AppPages
from connected_apps_tools.manifest.documents.bindings import Bindings
from connected_apps_tools.manifest.documents.faults import InvalidManifest
from connected_apps_tools.manifest.documents.reading import read_manifest
from connected_apps_tools.manifest.exports.exporting import Target, export
from connected_apps_tools.manifest.plans.comparison import Project, compare
from connected_apps_tools.manifest.plans.plan import ManifestPlan, Step
from connected_apps_tools.manifest.settings import settings_of
from connected_apps_tools.safety.policy import Policy

BILLING = '[app.billing]\nclient_type = "first_party"\n'
TO_BILLING = Bindings({TEST: {"billing": "app"}})


def plan(
    manifest: str,
    *apps: ConnectedApp,
    project_id: str = TEST,
    bindings: Bindings = TO_BILLING,
    policy: Policy | None = None,
    prune: bool = False,
) -> ManifestPlan:
    project = Project(project_id, apps, bindings, policy or Policy())
    return compare(read_manifest(manifest), project, prune=prune)


def only(planned: ManifestPlan) -> Step:
    (step,) = planned.steps
    return step


async def apps_of(project: ToolContext) -> list[ConnectedApp]:
    return [app async for page in AppPages(project.api) for app in page.apps]


@pytest.mark.series
@pytest.mark.parametrize("seed", range(sized("random sequences of changes")))
async def test_it_tells_what_random_changes_have_changed(project: ToolContext, seed: int) -> None:
    chance, api, project_id = random.Random(seed), project.api, project.api.project_id  # noqa: S311 - the same each time
    for _ in range(5):
        new = {"client_type": "first_party_public", **random_settings(chance)}
        await api.create(CreateApp(**new))
    exported = export(before := await apps_of(project), Target(project_id))
    for _ in range(chance.randint(0, 6)):
        there = await apps_of(project)
        victim = chance.choice(there).client_id if there else ""
        match chance.choice(["create", "change", "change", "delete"] if there else ["create"]):
            case "create":
                await api.create(CreateApp(client_type="third_party"))
            case "change":
                await api.update(UpdateApp(client_id=victim, **random_settings(chance)))
            case _:
                await api.delete(victim)
    after = await apps_of(project)
    now = Project(project_id, after, exported.bindings, Policy())
    found = compare(read_manifest(exported.manifest), now, prune=chance.random() < 0.5)
    assert _told(found) == _expected(before, after, prune=found.prune)


def _told(found: ManifestPlan) -> dict[str, Any]:
    return {
        step.client_id or step.gone or "": (step.action, {each.name for each in step.changes})
        for step in found.steps
    }


def _expected(
    before: list[ConnectedApp], after: list[ConnectedApp], *, prune: bool
) -> dict[str, Any]:
    """The same, from the apps alone."""
    now = {app.client_id: app for app in after}
    expected: dict[str, Any] = {
        client_id: ("delete" if prune else "unmanaged", set()) for client_id in now
    }
    for was in before:
        if was.client_id not in now:
            expected[was.client_id] = ("create", set())
            continue
        changed = {name for name in EVERY_SETTING if _differ(name, was, now[was.client_id])}
        expected[was.client_id] = ("change" if changed else "nothing", changed)
    return expected


def _differ(name: str, one: ConnectedApp, other: ConnectedApp) -> bool:
    forms = [
        sorted(set(value)) if isinstance(value, list) else {None: "", "{}": ""}.get(value, value)
        for value in (getattr(one, name), getattr(other, name))
    ]
    return bool(forms[0] != forms[1])


async def test_what_it_plans_gives_a_project_the_apps_of_another_one(project: ToolContext) -> None:
    project_id = project.api.project_id
    apps = [app(str(n), **EVERY_SETTING | {"client_name": f"App {n}"}) for n in range(3)]
    manifest = export(apps, Target(TEST)).manifest.replace(TEST, project_id)
    first = plan(manifest, project_id=project_id)
    bound = {}
    for step in first.to_do:
        made = await project.api.create(step.creation())
        bound[step.key or ""] = made.connected_app.client_id
    there = await apps_of(project)
    assert [settings_of(each) for each in there] == [settings_of(each) for each in apps]
    bindings = Bindings({project_id: bound})
    second = plan(manifest, *there, project_id=project_id, bindings=bindings)
    assert second.counts() == {"nothing": 3}


def test_a_change_tells_each_setting_before_and_after() -> None:
    there = app(client_type="first_party", client_name="Old", redirect_urls=["https://b/"])
    step = only(plan(BILLING + 'client_name = "New"\nredirect_urls = ["https://a/"]', there))
    assert (step.action, step.key, step.client_id) == ("change", "billing", "app")
    assert [(each.name, each.before, each.after) for each in step.changes] == [
        ("client_name", "Old", "New"),
        ("redirect_urls", ["https://b/"], ["https://a/"]),
    ]
    assert step.version == version_of(there)
    assert step.change().body() == {"client_name": "New", "redirect_urls": ["https://a/"]}


def test_a_setting_that_is_left_out_goes_back_to_its_default() -> None:
    there = app(client_type="first_party", **EVERY_SETTING)
    body = only(plan(BILLING, there)).change().body()
    assert body == {
        name: {str: "", bool: False, list: [], int: 60}[type(value)]
        for name, value in EVERY_SETTING.items()
    }


@pytest.mark.parametrize(
    "shown",
    [
        {"access_token_template_content": "{}", "id_token_template_content": "{ }"},
        {"access_token_template_content": "", "id_token_template_content": None},
        {"logo_url": "", "access_token_custom_audience": ""},
        {"logo_url": None, "access_token_custom_audience": None},
        {"access_token_expiry_minutes": 60},
    ],
)
def test_what_the_service_fills_in_is_no_difference(shown: dict[str, Any]) -> None:
    assert only(plan(BILLING, app(client_type="first_party", **shown))).action == "nothing"


def test_the_order_of_urls_is_no_difference() -> None:
    there = app(client_type="first_party", redirect_urls=["https://b/", "https://a/"])
    manifest = BILLING + 'redirect_urls = ["https://a/", "https://b/", "https://a/"]'
    assert only(plan(manifest, there)).action == "nothing"


def test_an_app_without_a_binding_is_created_with_what_is_not_a_default() -> None:
    step = only(plan(BILLING + 'client_name = ""\nlogo_url = "https://a/"', bindings=Bindings()))
    assert (step.action, step.gone) == ("create", None)
    assert step.creation().body() == {"client_type": "first_party", "logo_url": "https://a/"}


def test_an_app_that_is_gone_is_created_again_and_says_so() -> None:
    assert only(plan(BILLING)).gone == "app"


def test_a_binding_of_another_project_does_not_count() -> None:
    steps = plan(BILLING, app(), bindings=Bindings({LIVE: {"billing": "app"}})).steps
    assert [step.action for step in steps] == ["create", "unmanaged"]


def test_an_app_of_another_environment_alone_is_not_managed_here() -> None:
    manifest = BOUND + '[app.billing.live]\nclient_type = "first_party"\n'
    assert only(plan(manifest, app())).action == "unmanaged"


@pytest.mark.parametrize(("prune", "action"), [(False, "unmanaged"), (True, "delete")])
def test_only_pruning_deletes(action: str, *, prune: bool) -> None:
    step = only(plan("", app("other"), prune=prune))
    assert (step.action, step.client_id) == (action, "other")


def test_pruning_spares_an_app_that_a_manifest_cannot_express() -> None:
    assert only(plan("", app(client_type="fifth_party"), prune=True)).action == "unmanaged"


def test_another_type_is_refused_with_its_line() -> None:
    with pytest.raises(InvalidManifest) as refused:
        plan(BILLING, app(client_type="third_party"))
    assert str(refused.value) == (
        "apps.toml, line 2, app.billing.client_type: the app is third_party, and its type cannot "
        "be changed"
    )


def test_another_type_in_an_override_is_refused_with_its_line() -> None:
    manifest = BOUND + BILLING + '[app.billing.live]\nclient_type = "third_party"\n'
    with pytest.raises(InvalidManifest, match=r"line 7, app\.billing\.live\.client_type"):
        plan(
            manifest,
            app(client_type="first_party"),
            project_id=LIVE,
            bindings=Bindings({LIVE: {"billing": "app"}}),
        )


def test_what_makes_an_app_less_protected_is_marked() -> None:
    there = app(client_type="first_party", access_token_expiry_minutes=30)
    step = only(plan(BILLING + "full_access_allowed = true", there))
    assert step.weakens == [
        ("Full access is turned on", "no → yes"),
        ("Access tokens live longer", "30 → 60 minutes"),
    ]


def test_what_the_policy_forbids_is_marked() -> None:
    policy = Policy(max_access_token_expiry_minutes=30, client_types=("third_party",))
    changed = only(plan(BILLING, app(client_type="first_party", logo_url="x"), policy=policy))
    created = only(plan(BILLING, policy=policy))
    assert "the limit is 30 (as before)" in changed.refusals[0]
    assert "policy client_types: first_party is not allowed" in created.refusals[0]


@pytest.mark.parametrize("manifest", ["", BILLING])
def test_a_change_of_a_protected_app_is_marked(manifest: str) -> None:
    policy = Policy.model_validate({"protected_apps": {"client_ids": ["app"]}})
    there = app(client_type="first_party", client_name="Old")
    step = only(plan(manifest, there, policy=policy, prune=True))
    assert step.refusals == ["policy protected_apps: tools may not change or delete the app"]


def test_creates_come_before_changes_and_those_before_deletes() -> None:
    manifest = "".join(f'[app.{key}]\nclient_type = "first_party"\n' for key in "zyxw")
    apps = [app("y", client_name="Old"), app("x"), app("b"), app("a"), app("w", client_name="Old")]
    bindings = Bindings({TEST: {"y": "y", "x": "x", "w": "w"}})
    steps = plan(manifest, *apps, bindings=bindings, prune=True).steps
    assert [(step.action, step.about) for step in steps] == [
        ("create", "z"),
        ("change", "w"),
        ("change", "y"),
        ("delete", "a"),
        ("delete", "b"),
        ("nothing", "x"),
    ]
