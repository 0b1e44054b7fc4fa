"""A plan is saved, read back, and refused if it no longer fits."""

import json

import pytest
from tools.manifest.manifests import TEST, app

from connected_apps_tools.api.models import ConnectedApp
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.manifest.documents.bindings import Bindings
from connected_apps_tools.manifest.documents.reading import read_manifest
from connected_apps_tools.manifest.plans.comparison import Project, compare
from connected_apps_tools.manifest.plans.plan import ManifestPlan, PlanDoesNotFit
from connected_apps_tools.safety.policy import Policy

MANIFEST = """\
[app.new]
client_type = "first_party"
redirect_urls = ["https://new.example/"]
[app.old]
client_type = "first_party"
client_name = "Old"
[app.same]
client_type = "first_party"
"""
OLD, SAME = app("old", access_token_expiry_minutes=30), app("same")
BINDINGS = Bindings({TEST: {"old": "old", "same": "same"}})


def plan(
    *apps: ConnectedApp, manifest: str = MANIFEST, policy: Policy | None = None, prune: bool = False
) -> ManifestPlan:
    project = Project(TEST, apps or (OLD, SAME), BINDINGS, policy or Policy())
    return compare(read_manifest(manifest), project, prune=prune)


def test_a_saved_plan_is_read_back() -> None:
    made = plan(OLD, SAME, app("other"), prune=True)
    assert ManifestPlan.read(made.saved()) == made
    assert ManifestPlan.read(made.saved().encode()) == made


@pytest.mark.parametrize("saved", ["", "{}", "[]", "null", '{"format": 2}', b"\xff"])
def test_what_is_no_plan_is_refused(saved: str | bytes) -> None:
    with pytest.raises(InvalidRequest, match="not a saved plan"):
        ManifestPlan.read(saved)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("https://new.example/", "https://evil.example/"),
        ('"client_id": "old"', '"client_id": "new"'),
        (TEST, "project-live-1"),
        ('"Access tokens live longer"', '"Nothing"'),
    ],
)
def test_a_plan_that_somebody_has_changed_is_refused(old: str, new: str) -> None:
    saved = plan().saved()
    assert old in saved
    with pytest.raises(InvalidRequest, match="was changed"):
        ManifestPlan.read(saved.replace(old, new))


def test_a_plan_with_another_field_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="not a saved plan"):
        ManifestPlan.read(json.dumps(json.loads(plan().saved()) | {"yes": True}))


@pytest.mark.parametrize(
    "now",
    [
        plan(),
        plan(manifest="# reviewed\n" + MANIFEST),
        plan(OLD, SAME.model_copy(update={"client_secret_last_four": "wxyz"})),
        plan(OLD, SAME, app("a stranger's")),
    ],
    ids=["same", "comment", "rotation of an app that stays", "unmanaged app"],
)
def test_a_plan_fits_what_does_the_same_to_the_same_apps(now: ManifestPlan) -> None:
    plan().require_fit(now)


@pytest.mark.parametrize(
    ("now", "named"),
    [
        (plan(OLD.model_copy(update={"status": "odd"}), SAME), "old"),
        (plan(OLD.model_copy(update={"client_name": "Old"}), SAME), "old"),
        (plan(OLD, SAME.model_copy(update={"client_name": "Drifted"})), "same"),
        (plan(SAME), "old"),
        (plan(OLD, SAME, app("other"), prune=True), "other"),
        (plan(manifest=MANIFEST.replace("new.example", "b.example")), "new"),
        (plan(policy=Policy(max_access_token_expiry_minutes=30)), "new, old"),
    ],
    ids=["other field", "done", "drift", "gone", "pruned", "manifest", "policy"],
)
def test_a_plan_that_no_longer_fits_is_refused(now: ManifestPlan, named: str) -> None:
    with pytest.raises(PlanDoesNotFit) as refused:
        plan().require_fit(now)
    assert str(refused.value) == f"The plan no longer fits what is there: {named}."


def test_the_steps_that_the_policy_forbids_are_found() -> None:
    refused = plan(policy=Policy(redirect_hosts=("acme.example",))).refused
    assert [step.key for step in refused] == ["new"]
