"""A plan as a person reads it."""

import pytest
from hostile import CORPUS, deceives
from tools.manifest.manifests import TEST, app

from connected_apps_tools.api.models import ConnectedApp
from connected_apps_tools.manifest.documents.bindings import Bindings
from connected_apps_tools.manifest.documents.reading import read_manifest
from connected_apps_tools.manifest.plans.comparison import Project, compare
from connected_apps_tools.manifest.plans.describing import MAX_URLS, lines_of, summary_of
from connected_apps_tools.manifest.plans.plan import ManifestPlan
from connected_apps_tools.safety.policy import Policy

pytestmark = pytest.mark.series

MANIFEST = """\
[app.new]
client_type = "third_party"
client_name = "New"
redirect_urls = ["https://new.example/"]
[app.old]
client_type = "first_party"
client_name = "Billing"
redirect_urls = ["https://b.example/"]
[app.gone]
client_type = "third_party"
"""
OLD = app("app-o", client_name="Old", redirect_urls=["https://a.example/"])
BINDINGS = Bindings({TEST: {"old": "app-o", "gone": "app-g"}})


def plan(*apps: ConnectedApp, manifest: str = MANIFEST) -> ManifestPlan:
    policy = Policy(redirect_hosts=("*.corp.example", "a.example", "b.example"))
    project = Project(TEST, apps, BINDINGS, policy)
    return compare(read_manifest(manifest), project, prune=True)


def test_each_step_says_what_happens_to_the_app() -> None:
    shown = plan(OLD, app("app-x", client_name="Stale"))
    assert [line for step in shown.steps for line in lines_of(step)] == [
        'create gone ""',
        "  its app app-g is gone, so a new one is made",
        '  client_type: "third_party"',
        'create new "New"',
        '  client_type: "third_party"',
        "  redirect_urls: + https://new.example/",
        "  refused: policy redirect_hosts: new.example is not allowed (redirect_urls)",
        'change old (app-o) "Old"',
        '  client_name: "Old" → "Billing"',
        "  redirect_urls: + https://b.example/",
        "  redirect_urls: - https://a.example/",
        "  less protected: Redirect host added: b.example",
        "  less protected: Redirect URL removed: https://a.example/",
        'delete app-x "Stale"',
    ]


def test_the_summary_counts_the_apps_of_each_action() -> None:
    assert summary_of(plan(OLD, app("x"))) == "Apps: 2 to create, 1 to change, 1 to delete."
    assert summary_of(plan(manifest="")) == "Apps: none."


def test_more_urls_than_a_person_reads_are_counted() -> None:
    urls = [f"https://{number}.example/" for number in range(MAX_URLS + 5)]
    there = OLD.model_copy(update={"redirect_urls": urls})
    lines = list(lines_of(plan(there).steps[2]))
    assert "  redirect_urls: - and 5 more" in lines


@pytest.mark.parametrize("text", CORPUS.values(), ids=CORPUS)
def test_nothing_that_a_stranger_wrote_deceives(text: str) -> None:
    kilroy = OLD.model_copy(
        update={"client_name": text, "client_description": text, "redirect_urls": [text]}
    )
    lines = [line for step in plan(kilroy).steps for line in lines_of(step)]
    assert not any(map(deceives, lines))
    assert max(map(len, lines)) < 1_000
