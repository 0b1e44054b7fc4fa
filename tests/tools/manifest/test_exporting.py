"""An export holds the apps of a project, keeps what people wrote, and compares to nothing."""

import re
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from hostile import CORPUS, deceives
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import sized
from support import EVERY_SETTING, project_on
from tools.manifest.manifests import BOUND, LIVE, SETTINGS, TEST, app

from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed
from connected_apps_tools.api.models import ConnectedApp
from connected_apps_tools.api.pagination import AppPages
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.manifest.documents.bindings import Bindings, read_bindings
from connected_apps_tools.manifest.documents.faults import InvalidManifest
from connected_apps_tools.manifest.documents.manifest import Manifest
from connected_apps_tools.manifest.documents.reading import read_manifest
from connected_apps_tools.manifest.documents.toml_file import TomlFile
from connected_apps_tools.manifest.exports.editing import edited
from connected_apps_tools.manifest.exports.exporting import (
    BY_STRANGER,
    Export,
    Target,
    adopt,
    export,
)
from connected_apps_tools.manifest.plans.comparison import Project, compare
from connected_apps_tools.manifest.plans.plan import Action
from connected_apps_tools.manifest.settings import Settings, settings_of
from connected_apps_tools.safety.policy import Policy

SOME = settings(max_examples=sized("random manifests"))

WRITTEN: Mapping[str, str] = {
    "tables": """\
# The apps of Acme.
[environments]
test = "project-test-1" # ours

# Bills.
[app.billing] # keep
client_type = "first_party"
client_name = "Billing" # on the consent page
redirect_urls = [
  # the first
  "https://a.example/", # one
  "https://b.example/", # two
]

# Reports.
[app.reports]
client_type = "third_party"
# the end
""",
    "tables in another order": """\
[app.billing]
client_type = "first_party"
client_name = "Billing"
redirect_urls = ["https://a.example/", "https://b.example/"]
# who we are
[environments]
test = "project-test-1"
# others
[app.reports]
client_type = "third_party\"""",
    "dotted keys": """\
environments.test = "project-test-1"
app.billing.client_type = "first_party" # bills
app.billing.client_name = "Billing"
app.billing.redirect_urls = ["https://a.example/", "https://b.example/"]
app.reports.client_type = "third_party" # reports
""",
    "dotted keys in a table": """\
[app]
billing.client_type = "first_party" # bills
billing.client_name = "Billing"
billing.redirect_urls = ["https://a.example/", "https://b.example/"]
reports.client_type = "third_party"
[environments]
test = "project-test-1" # ours
""",
    "inline tables": """\
environments = { test = "project-test-1" } # ours
[app]
billing = { client_type = "first_party", client_name = "Billing", redirect_urls = ["https://a.example/", "https://b.example/"] } # bills
reports = { client_type = "third_party" } # reports
""",  # noqa: E501
    "line breaks of Windows": """\
[environments]\r
test = "project-test-1"\r
[app.billing]\r
client_type = "first_party" # bills\r
client_name = "Billing"\r
redirect_urls = [\r
  "https://a.example/",\r
  "https://b.example/",\r
]\r
[app.reports]\r
client_type = "third_party"\r
""",
}
"""The same manifest in each layout, with comments."""

BOUND_TO = Bindings({TEST: {"billing": "app-b", "reports": "app-r"}})

URLS = ["https://a.example/", "https://b.example/"]


def comments_in(text: str) -> list[str]:
    return re.findall(r"# .*[^\r\n]", text)


def counts(exported: Export, apps: list[ConnectedApp], project_id: str = TEST) -> dict[Action, int]:
    """What a comparison of an export with the same apps finds."""
    bindings = read_bindings(exported.bindings.text())
    project = Project(project_id, apps, bindings, Policy())
    return compare(read_manifest(exported.manifest), project).counts()


@pytest.mark.series
@pytest.mark.parametrize("count", [0, 1, sized("apps in a manifest")])
async def test_an_export_of_a_sandbox_compares_to_nothing(count: int) -> None:
    sandbox = create_sandbox()
    seed(sandbox, Seed(generated_apps=count))
    async with project_on(httpx2.ASGITransport(sandbox)) as project:
        apps = [app async for page in AppPages(project.api) for app in page.apps]
        project_id = project.api.project_id
    exported = export(apps, Target(project_id))
    assert counts(exported, apps, project_id) == ({"nothing": count} if count else {})
    assert len(exported.bindings.of(project_id)) == count


def test_an_export_has_every_setting_that_is_not_a_default() -> None:
    exported = export([app(client_type="first_party", **EVERY_SETTING)], Target(TEST))
    table = read_manifest(exported.manifest).apps["billing"].settings
    assert table == {
        "client_type": "first_party",
        **EVERY_SETTING,
        "redirect_urls": sorted(EVERY_SETTING["redirect_urls"]),
    }


def test_an_export_has_no_ids_and_no_secrets() -> None:
    exported = export(
        [app("connected-app-test-7", client_secret_last_four="wxyz", client_id_metadata_url="u")],
        Target(TEST),
    )
    for absent in ["connected-app-test-7", "wxyz", "client_id", "status"]:
        assert absent not in exported.manifest


def test_an_export_does_not_depend_on_the_order_of_the_service() -> None:
    apps = [app(str(number), client_name=f"App {number % 3}") for number in range(9)]
    first, second = (export(each, Target(TEST)) for each in (apps, apps[::-1]))
    assert first == second
    assert list(read_manifest(first.manifest).apps)[:4] == ["app-0", "app-0-2", "app-0-3", "app-1"]


def test_a_second_export_changes_nothing() -> None:
    apps = [app("a", client_name="A"), app("b", client_name="B", redirect_urls=["https://b/"])]
    first = export(apps, Target(TEST))
    again = Target(TEST, read_manifest(first.manifest), first.bindings)
    assert export(apps, again) == first


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Acme Billing (EU)", "acme-billing-eu"),
        ("Zürich: Büro", "zurich-buro"),
        ("", "app"),
        ("請求", "app"),
        ("live", "live"),
        ("x" * 500, "x" * 40),
        ("../../etc", "etc"),
    ],
)
def test_a_key_is_like_the_name_of_the_app(name: str, key: str) -> None:
    assert list(read_manifest(export([app(client_name=name)], Target(TEST)).manifest).apps) == [key]


@pytest.mark.parametrize("text", CORPUS.values(), ids=CORPUS)
def test_what_strangers_wrote_is_visible_in_the_file_and_not_lost(text: str) -> None:
    kilroy = app(
        client_name=text,
        client_description=text,
        redirect_urls=[text, f"https://kilroy.example/{text}"],
        logo_url=text,
        creation_method="dynamic_client_registration",
    )
    exported = export([kilroy], Target(TEST))
    assert not any(map(deceives, exported.manifest.split("\n")))
    assert BY_STRANGER in exported.manifest
    assert counts(exported, [kilroy]) == {"nothing": 1}


def test_an_app_of_the_operator_is_not_marked_as_that_of_a_stranger() -> None:
    assert BY_STRANGER not in export([app()], Target(TEST)).manifest


def test_an_app_that_a_manifest_cannot_express_is_left_out() -> None:
    apps = [app("odd", client_type="fifth_party"), app("a/b"), app("fine")]
    exported = export(apps, Target(TEST))
    assert exported.left_out == ("odd", "a/b")
    assert list(exported.bindings.of(TEST).values()) == ["fine"]
    assert counts(exported, apps) == {"nothing": 1, "unmanaged": 2}


def test_only_some_apps_are_written_if_keys_are_given() -> None:
    apps = [app("a", client_name="A"), app("b", client_name="B")]
    assert list(read_manifest(export(apps, Target(TEST), ["b"]).manifest).apps) == ["b"]


def test_a_key_that_no_app_has_is_refused() -> None:
    with pytest.raises(InvalidRequest, match=r"No app has the key bilings\. Did you mean billing"):
        export([app(client_name="Billing")], Target(TEST), ["bilings"])


@pytest.mark.series
@SOME
@given(
    st.dictionaries(st.sampled_from("abc"), SETTINGS),
    st.dictionaries(st.sampled_from("abc"), SETTINGS),
)
def test_apps_of_two_environments_are_written_and_read_back(
    test: dict[str, dict[str, Any]], live: dict[str, dict[str, Any]]
) -> None:
    target = Target(TEST)
    for project_id, apps in [(TEST, test), (LIVE, live)]:
        for key, each in apps.items():
            written = adopt(app(f"{project_id}-{key}", **each), key, target)
            manifest = read_manifest(written.manifest)
            target = Target(project_id, manifest, written.bindings)
        target = Target(LIVE, target.manifest, target.bindings)
    manifest = target.manifest or read_manifest("")
    for project_id, apps in [(TEST, test), (LIVE, live)]:
        if apps:
            wanted = manifest.wanted_in(manifest.environment_of(project_id))
            assert {key: wanted[key] for key in apps} == {
                key: settings_of(app(**each)) for key, each in apps.items()
            }


@pytest.mark.series
@pytest.mark.parametrize("layout", WRITTEN)
@SOME
@given(SETTINGS)
def test_comments_survive_in_every_layout(layout: str, changed: dict[str, Any]) -> None:
    billing = app("app-b", **changed | {"client_type": "first_party"})
    apps = [billing, app("app-r", client_type="third_party"), app("app-n", client_name="New")]
    before = WRITTEN[layout]
    exported = export(apps, Target(TEST, read_manifest(before), BOUND_TO))
    assert counts(exported, apps) == {"nothing": 3}
    kept = comments_in(exported.manifest)
    lost = [comment for comment in comments_in(before) if comment not in kept]
    gone = {"# on the consent page", "# the first", "# one", "# two"}  # with what they are about
    assert set(lost) <= gone


@pytest.mark.parametrize("layout", WRITTEN)
def test_a_file_that_says_it_all_is_not_touched(layout: str) -> None:
    apps = [
        app("app-b", client_type="first_party", client_name="Billing", redirect_urls=URLS),
        app("app-r", client_type="third_party"),
    ]
    exported = export(apps, Target(TEST, read_manifest(WRITTEN[layout]), BOUND_TO))
    assert exported.manifest == WRITTEN[layout]


def test_only_the_lines_that_differ_change() -> None:
    billing = app("app-b", client_type="first_party", redirect_urls=[URLS[1], "https://c.example/"])
    target = Target(TEST, read_manifest(WRITTEN["tables"]), BOUND_TO)
    before, after = WRITTEN["tables"].split("\n"), adopt(billing, "billing", target).manifest
    assert [line for line in before if line not in after.split("\n")] == [
        'client_name = "Billing" # on the consent page',
        '  "https://a.example/", # one',
    ]
    assert [line for line in after.split("\n") if line not in before] == ['  "https://c.example/",']


def test_line_breaks_of_windows_stay() -> None:
    manifest = read_manifest(WRITTEN["line breaks of Windows"])
    new = app("app-n", client_name="New", client_description="a\nb", redirect_urls=URLS)
    billing = app("app-b", redirect_urls=["https://c.example/", URLS[0]])
    exported = export([new, billing], Target(TEST, manifest, BOUND_TO))
    assert exported.manifest.count("\n") == exported.manifest.count("\r\n")
    assert "\r\r" not in exported.manifest
    wanted = read_manifest(exported.manifest).wanted_in("test")
    assert (wanted["new"], wanted["billing"]) == (settings_of(new), settings_of(billing))


def test_another_environment_gets_tables_of_its_own_and_the_first_does_not_change() -> None:
    shared = '[app.billing]\nclient_type = "first_party"\nclient_name = "Billing"\n'
    manifest = read_manifest(BOUND + shared)
    live = app("l", client_type="first_party", client_name="Billing", redirect_urls=URLS[:1])
    exported = adopt(live, "billing", Target(LIVE, manifest))
    assert exported.manifest == (
        BOUND + shared + '\n[app.billing.live]\nredirect_urls = ["https://a.example/"]\n'
    )
    again = app("l", client_type="first_party", client_name="Billing")
    target = Target(LIVE, read_manifest(exported.manifest), exported.bindings)
    after = read_manifest(adopt(again, "billing", target).manifest)
    assert after.wanted_in("live") == after.wanted_in("test") == manifest.wanted_in("test")


def test_an_inline_table_gets_what_differs_in_another_environment() -> None:
    inline = f'environments = {{ test = "{TEST}", live = "{LIVE}" }}\n'
    inline += 'app = { billing = { client_type = "first_party" } } # bills\n'
    live = app("l", client_type="first_party", client_name="Billing", redirect_urls=URLS)
    exported = adopt(live, "billing", Target(LIVE, read_manifest(inline)))
    manifest = read_manifest(exported.manifest)
    assert manifest.wanted_in("live")["billing"] == settings_of(live)
    assert manifest.wanted_in("test") == read_manifest(inline).wanted_in("test")
    assert exported.manifest.endswith(" # bills\n")


@pytest.mark.parametrize("data", [{}, {"b": 2}])
def test_an_edit_that_would_change_more_than_it_should_is_refused(data: dict[str, Any]) -> None:
    file = TomlFile("apps.toml", "a = 1\n", data)
    with pytest.raises(InvalidManifest, match="cannot be edited without a loss"):
        edited(file, {("a", "b"): 1}, {})


def test_an_app_that_is_new_in_another_environment_exists_only_there() -> None:
    exported = export([app("l", client_name="New")], Target(LIVE, read_manifest(BOUND)))
    manifest = read_manifest(exported.manifest)
    assert list(manifest.wanted_in("live")) == ["new"]
    assert manifest.wanted_in("test") == {}


def test_apps_that_are_not_in_the_project_stay_in_the_manifest() -> None:
    exported = export([], Target(TEST, read_manifest(WRITTEN["tables"]), BOUND_TO))
    assert exported.manifest == WRITTEN["tables"]


def test_a_manifest_for_any_project_stays_so() -> None:
    manifest = read_manifest('[app.billing]\nclient_type = "first_party"\n')
    exported = export([app("n", client_name="New")], Target(TEST, manifest))
    assert read_manifest(exported.manifest).environments == {}


def test_an_environment_can_be_named() -> None:
    exported = export([], Target(TEST, environment="staging"))
    assert read_manifest(exported.manifest).environments == {"staging": TEST}


def test_a_name_that_another_project_has_is_refused() -> None:
    with pytest.raises(InvalidManifest, match=r"line 2, environments\.test: it is bound"):
        export([], Target("project-test-2", read_manifest(BOUND)))


@pytest.mark.parametrize(("client_id", "key"), [("app-b", "other"), ("new", "billing")])
def test_an_app_or_key_that_is_bound_already_is_refused(client_id: str, key: str) -> None:
    with pytest.raises(InvalidRequest, match="The key billing is bound to app-b already"):
        adopt(app(client_id), key, Target(TEST, bindings=BOUND_TO))


def test_a_key_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidManifest, match="the key of an app must be"):
        adopt(app(), "-", Target(TEST))


def test_an_app_that_a_manifest_cannot_express_is_not_adopted() -> None:
    with pytest.raises(InvalidRequest, match="cannot express"):
        adopt(app(client_type="fifth_party"), "odd", Target(TEST))


def joined(*live: ConnectedApp) -> Manifest:
    """A manifest of a test project with two apps, after an export of a live project."""
    there = [app("t1", client_name="Billing"), app("t2", client_name="Web")]
    first = export(there, Target(TEST, environment="test"))
    target = Target(LIVE, read_manifest(first.manifest), first.bindings)
    both = export(live, target)
    manifest = read_manifest(both.manifest)
    for project_id, apps in ((TEST, there), (LIVE, live)):
        project = Project(project_id, apps, both.bindings, Policy())
        assert compare(manifest, project).to_do == []
    return manifest


def test_a_second_project_that_comes_into_a_manifest_plans_to_nothing() -> None:
    manifest = joined(
        app("l1", client_name="Billing", access_token_expiry_minutes=15),
        app("l2", client_name="Own"),
    )
    assert manifest.wanted_in("live").keys() == {"billing", "own"}
    assert manifest.wanted_in("test").keys() == {"billing", "web"}


def test_an_app_of_a_stranger_gets_no_key_of_another_project() -> None:
    theirs = app("l1", client_name="Billing", client_id_metadata_url="u")
    assert joined(theirs).wanted_in("live").keys() == {"billing-2"}


def test_a_text_of_several_lines_is_one_line_of_the_manifest() -> None:
    hostile = "x\n\n[app.billing]\nfull_access_allowed = true"
    exported = export([app(client_name=hostile)], Target(TEST))
    assert "\n[app.billing]" not in exported.manifest
    assert [each["client_name"] for each in wanted(exported)] == [hostile]


def wanted(exported: Export) -> list[Settings]:
    return [*read_manifest(exported.manifest).wanted_in("test").values()]


def test_an_export_without_the_bindings_gives_the_apps_their_keys_again() -> None:
    kind = {"client_type": "third_party"}
    there = [app("a", client_name="Billing", **kind), app("b", client_name="Web", **kind)]
    manifest = read_manifest(
        '[app.money]\nclient_type = "third_party"\nclient_name = "Billing"\n'
        '[app.new]\nclient_type = "third_party"\nclient_name = "New"\n'
    )
    exported = export(there, Target(TEST, manifest))
    assert exported.bindings.of(TEST) == {"money": "a", "web": "b"}
