"""A manifest is read whole, or refused with the file, the line and the key of each fault."""

import os
from pathlib import Path

import pytest
from tools.manifest.manifests import BOUND, LIVE, TEST

from connected_apps_tools.api.models import CreateApp
from connected_apps_tools.manifest import MAX_BYTES
from connected_apps_tools.manifest.documents.faults import MAX_FAULTS, InvalidManifest
from connected_apps_tools.manifest.documents.reading import read_manifest
from connected_apps_tools.manifest.documents.toml_file import content_of
from connected_apps_tools.manifest.settings import DEFAULTS, SETTINGS, AppTable

APP = '[app.billing]\nclient_type = "first_party"\n'


def faults(content: str | bytes) -> list[str]:
    with pytest.raises(InvalidManifest) as refused:
        read_manifest(content)
    return str(refused.value).split("\n")


def test_every_setting_of_a_new_app_can_be_set() -> None:
    assert set(SETTINGS) == set(AppTable.model_fields) == set(CreateApp.model_fields)


def test_every_setting_but_the_type_has_a_default() -> None:
    assert DEFAULTS.keys() == set(SETTINGS) - {"client_type"}
    assert DEFAULTS["access_token_expiry_minutes"] == 60
    assert [value for value in DEFAULTS.values() if value] == [60]


def test_an_environment_has_what_is_shared_and_what_differs_there() -> None:
    shared = 'client_name = "Billing"\nredirect_urls = ["https://test.example/"]\n'
    live = '[app.billing.live]\nredirect_urls = ["https://live.example/"]\n'
    manifest = read_manifest(BOUND + APP + shared + live)
    test, live_app = (manifest.wanted_in(name)["billing"] for name in ("test", "live"))
    assert (test["client_name"], live_app["client_name"]) == ("Billing", "Billing")
    assert test["redirect_urls"] == ["https://test.example/"]
    assert live_app["redirect_urls"] == ["https://live.example/"]


def test_an_app_with_a_type_in_one_environment_alone_exists_only_there() -> None:
    manifest = read_manifest(BOUND + '[app.debug.test]\nclient_type = "first_party"\n')
    assert list(manifest.wanted_in("test")) == ["debug"]
    assert list(manifest.wanted_in("live")) == []


def test_a_project_has_the_environment_that_is_bound_to_it() -> None:
    manifest = read_manifest(BOUND)
    assert [manifest.environment_of(each) for each in (TEST, LIVE)] == ["test", "live"]


def test_a_manifest_without_environments_is_for_any_project() -> None:
    assert read_manifest(APP).environment_of(TEST) is None


def test_a_project_that_no_environment_is_bound_to_is_refused() -> None:
    with pytest.raises(InvalidManifest) as refused:
        read_manifest(BOUND).environment_of("project-test-2")
    assert str(refused.value) == (
        "apps.toml, line 1, environments: no environment is bound to the project project-test-2; "
        "add a line for it"
    )


@pytest.mark.parametrize("content", [APP.replace("\n", "\r\n"), APP.encode(), APP.rstrip()])
def test_line_breaks_of_windows_and_a_missing_last_one_are_accepted(content: str | bytes) -> None:
    assert list(read_manifest(content).apps) == ["billing"]


def test_an_empty_file_has_no_apps() -> None:
    assert read_manifest("").apps == {}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            APP + 'redirect_url = "x"',
            (
                "line 3, app.billing.redirect_url: there is no such setting. "
                "Did you mean redirect_urls?"
            ),
        ),
        (
            APP + 'client_secret = "x"',
            "line 3, app.billing.client_secret: there is no such setting. ",
        ),
        (
            APP + "\n\nclient_name = 5 # five",
            "line 5, app.billing.client_name: Input should be a valid string",
        ),
        (
            APP + 'redirect_urls = [\n"a",\n5]',
            "line 3, app.billing.redirect_urls.1: Input should be a valid string",
        ),
        (
            APP + "access_token_expiry_minutes = 0",
            (
                "line 3, app.billing.access_token_expiry_minutes:"
                " Input should be greater than or equal to 1"
            ),
        ),
        (
            APP + "full_access_allowed = 1",
            "line 3, app.billing.full_access_allowed: Input should be a valid boolean",
        ),
        (
            APP + "client_name.x = 1",
            "line 3, app.billing.client_name: Input should be a valid string",
        ),
        (
            APP + "client_name = 2024-01-01",
            "line 3, app.billing.client_name: Input should be a valid string",
        ),
        (
            '[app.x]\nclient_type = "fifth_party"',
            (
                "line 2, app.x.client_type: Input should be "
                "'first_party', 'first_party_public', 'third_party' or 'third_party_public'"
            ),
        ),
        ('[app.x]\nclient_name = "x"', "line 1, app.x: client_type is missing"),
        (
            BOUND + '[app.x.live]\nclient_name = "x"',
            "line 4, app.x.live: client_type is missing, here or in app.x",
        ),
        (
            BOUND + APP + '[app.billing.lvie]\nclient_name = "x"',
            "line 6, app.billing.lvie: there is no such environment. Did you mean live?",
        ),
        (
            APP + '[app.billing.live]\nclient_name = "x"',
            "line 3, app.billing.live: there is no such environment.",
        ),
        (
            BOUND + APP + '[app.billing.live]\nname = "x"',
            "line 7, app.billing.live.name: there is no such setting.",
        ),
        ("[aps.billing]", "line 1, aps: there is no such table. Did you mean app?"),
        ("\nversion = 1", "line 2, version: there is no such table."),
        ("app = 1", "line 1, app: it must be a table"),
        ("[[app]]", "line 1, app: it must be a table"),
        ("[app]\nbilling = 5", "line 2, app.billing: it must be a table"),
        ('environments = ["test"]', "line 1, environments: it must be a table"),
        (
            "[environments]\ntest = 5",
            (
                "line 2, environments.test: it must be a project id, in "
                "quotes: Input should be a valid string"
            ),
        ),
        (
            '[environments]\ntest = "a b"',
            (
                "line 2, environments.test: it must be a project id, in "
                "quotes: it has characters that are not allowed"
            ),
        ),
        (
            f'[environments]\none = "{TEST}"\ntwo = "{TEST}"',
            "line 3, environments.two: one is bound to the same project",
        ),
        (
            f'[environments]\nlogo_url = "{TEST}"',
            (
                "line 2, environments.logo_url: the name of a "
                "setting cannot be that of an environment"
            ),
        ),
        (
            f'[environments]\n"a b" = "{TEST}"',
            "line 2, environments.a b: the name of an environment must be 1 to 64",
        ),
        ("\ufeff" + APP, "line 1: it begins with a byte order mark; save it as UTF-8 without one"),
        (APP.encode("utf-16"), "line 1: it is not UTF-8"),
        (APP.encode() + b'client_name = "\xff"', "line 3: it is not UTF-8"),
        (APP + 'client_name = "\ud800"', "line 3: it is not UTF-8"),
        ("x" * 10_000_000, f"apps.toml: it is larger than {MAX_BYTES:,} bytes"),
        (
            APP + "client_name",
            (
                "line 3, client_name: it is not valid TOML: Expected '=' after a key "
                "in a key/value pair"
            ),
        ),
        (
            APP + "client_name = 1\nclient_name = 2",
            "line 4, client_name: it is not valid TOML: Cannot overwrite a value",
        ),
        (
            APP + "\n" + APP,
            "line 4, app.billing: it is not valid TOML: Cannot declare ('app', 'billing') twice",
        ),
        (APP + 'client_name = "x', "line 3, client_name: it is not valid TOML"),
        ("x = " + "9" * 5_000, "apps.toml: it holds a number or a date that cannot be"),
        ("x = 2024-02-30", "line 1, x: it is not valid TOML: Invalid date"),
        ("x = " + "[" * 100_000, "apps.toml: it is nested too deeply"),
    ],
)
def test_a_fault_is_named_with_its_file_line_and_key(content: str | bytes, fault: str) -> None:
    (named,) = faults(content)
    assert named.startswith(fault if fault.startswith("apps.toml") else f"apps.toml, {fault}")


@pytest.mark.parametrize("key", ['""', '"a.b"', '"é"', '"a b"', '"-a"', '"a\\nb"', "x" * 65])
def test_an_odd_key_is_refused(key: str) -> None:
    (fault,) = faults(f'[app.{key}]\nclient_type = "first_party"')
    assert fault.startswith("apps.toml, line 1, app.")
    assert "the key of an app must be 1 to 64 letters" in fault


def test_all_faults_are_named_in_the_order_of_their_lines() -> None:
    content = '[app.x]\nclient_type = "no"\n[environments]\na = 1\n[app.y]\nlogo_url = 1\n'
    assert [fault.split(":")[0] for fault in faults(content)] == [
        "apps.toml, line 2, app.x.client_type",
        "apps.toml, line 4, environments.a",
        "apps.toml, line 5, app.y",
        "apps.toml, line 6, app.y.logo_url",
    ]


def test_more_faults_than_a_person_reads_are_counted() -> None:
    lines = faults("[app.x]\n" + "".join(f"odd{number} = 1\n" for number in range(50)))
    assert len(lines) == MAX_FAULTS + 1
    assert lines[-1] == "and 31 more"


def test_reading_stops_after_more_faults_than_anybody_corrects_at_once() -> None:
    lines = faults("[app.x]\n" + "".join(f"odd{number} = 1\n" for number in range(50_000)))
    assert lines[-1] == "and more"


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(InvalidManifest, match="it is not a regular file"):
        content_of(tmp_path / "pipe.toml")


def test_a_fault_shows_nothing_invisible() -> None:
    (fault,) = faults('[app.x]\nclient_type = "first_party"\n"na\u202e\\nme" = 1')
    assert "line 3, app.x.na me:" in fault


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidManifest, match=r"no\.toml: it cannot be read \(No such file"):
        content_of(tmp_path / "no.toml")


def test_no_more_of_a_file_is_read_than_the_bound(tmp_path: Path) -> None:
    (tmp_path / "large.toml").write_bytes(b"#" * 10_000_000)
    assert len(content_of(tmp_path / "large.toml")) == MAX_BYTES + 1
