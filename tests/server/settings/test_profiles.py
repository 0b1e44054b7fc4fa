"""Settings that come from a profile."""

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue, SecretStr

from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings.credentials import SettingsError
from connected_apps_mcp.settings.profiles import Profile, Profiles
from connected_apps_mcp.wiring import secrets_command

TEST = "project-test-1"
LIVE = "project-live-1"
SECRET = "secret-canary-Zx81kQ0pLm27"


def put(name: str, project_id: str = TEST, **settings: JsonValue) -> Profiles:
    profiles = Profiles()
    profile = Profile(project_id=project_id, secret_in="file", settings=settings)
    profiles.put(name, profile, SecretStr(SECRET))
    return profiles


def file_of(name: str) -> Path:
    return Path.home() / ".config" / "connected-apps-mcp" / "profiles" / f"{name}.toml"


def test_the_default_profile_gives_the_credentials() -> None:
    put("default")
    credentials = loading.load().credentials()
    assert (credentials.project_id, credentials.secret.get_secret_value()) == (TEST, SECRET)


def test_a_profile_is_chosen_by_its_flag() -> None:
    put("default")
    put("live", LIVE)
    assert loading.load(profile="live").credentials().project_id == LIVE


def test_a_profile_is_chosen_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    put("default")
    put("live", LIVE)
    monkeypatch.setenv("CONNECTED_APPS_MCP_PROFILE", "live")
    assert loading.load().credentials().project_id == LIVE


def test_the_credentials_in_the_environment_win(monkeypatch: pytest.MonkeyPatch) -> None:
    put("default", LIVE)
    monkeypatch.setenv("STYTCH_PROJECT_ID", TEST)
    monkeypatch.setenv("STYTCH_SECRET", "another")
    credentials = loading.load().credentials()
    assert (credentials.project_id, credentials.secret.get_secret_value()) == (TEST, "another")


@pytest.mark.parametrize(
    ("given", "missing"),
    [("STYTCH_PROJECT_ID", "STYTCH_SECRET"), ("STYTCH_SECRET", "STYTCH_PROJECT_ID")],
)
def test_half_of_the_credentials_is_not_completed_by_a_profile(
    given: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("live", TEST)
    monkeypatch.setenv(given, TEST)
    with pytest.raises(SettingsError, match=f"{missing} is not set"):
        loading.load(profile="live")


def test_a_chosen_profile_keeps_its_settings_with_credentials_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put("careful", read_only=True)
    monkeypatch.setenv("STYTCH_PROJECT_ID", LIVE)
    monkeypatch.setenv("STYTCH_SECRET", "another")
    assert loading.load(profile="careful").read_only


def test_the_default_profile_does_not_count_with_credentials_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put("default", base_url="https://elsewhere.example")
    monkeypatch.setenv("STYTCH_PROJECT_ID", LIVE)
    monkeypatch.setenv("STYTCH_SECRET", "another")
    assert loading.load().base_url is None


def test_the_default_profile_does_not_count_with_the_sandbox() -> None:
    put("default", read_only=True)
    assert not loading.load(sandbox=True).read_only


def test_a_flag_wins_over_a_variable_and_both_over_a_profile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put("default", deadline=1.0, port=1, host="127.0.0.3")
    monkeypatch.setenv("CONNECTED_APPS_MCP_DEADLINE", "2")
    monkeypatch.setenv("CONNECTED_APPS_MCP_PORT", "2")
    settings = loading.load(deadline="3")
    assert (settings.deadline, settings.port, settings.host) == (3.0, 2, "127.0.0.3")
    assert settings.sources == {
        "deadline": "--deadline",
        "port": "CONNECTED_APPS_MCP_PORT",
        "host": "profile default",
        "profile": "profile default",
        "project_id": "profile default",
    }


CREDENTIALS = {
    "": (None, None),
    "test": ("project-test-2", "secret-test-2"),
    "live": ("project-live-2", "secret-live-2"),
    "id": ("project-live-2", None),
    "secret": (None, "secret-live-2"),
    "both kinds": ("project-test-2", "secret-live-2"),
}
"""What the environment may give."""


def wanted(profile: str | None, given: str, *, sandbox: bool, has_default: bool) -> str | None:
    """The project in use; None where the settings are refused."""
    if sandbox:
        return None if profile else "sandbox"
    if profile == "gone" or (profile == "default" and not has_default):
        return None
    if given:
        return CREDENTIALS[given][0] if given in {"test", "live"} else None
    if profile == "other":
        return LIVE
    return TEST if has_default else None


def used(flags: dict[str, Any]) -> str | None:
    """The project in use, which has its own secret; None where the settings are refused."""
    try:
        settings = loading.load(**flags)
        if settings.sandbox:
            return "sandbox"
        credentials = settings.credentials()
    except SettingsError:
        return None
    stored = {TEST: SECRET, LIVE: SECRET} | dict([CREDENTIALS["test"], CREDENTIALS["live"]])
    assert credentials.secret.get_secret_value() == stored[credentials.project_id]
    return credentials.project_id


@pytest.mark.parametrize("has_default", [True, False])
@pytest.mark.parametrize("given", CREDENTIALS)
def test_no_combination_of_sources_leads_to_another_project(
    given: str, has_default: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("other", LIVE)
    if has_default:
        put("default", TEST)
    for name, value in zip(("STYTCH_PROJECT_ID", "STYTCH_SECRET"), CREDENTIALS[given], strict=True):
        monkeypatch.setenv(name, value or "")
    profiles, switches = [None, "default", "other", "gone"], [None, True, False]
    for flag, variable, switch, switched in product(profiles, profiles, switches, switches):
        monkeypatch.setenv("CONNECTED_APPS_MCP_PROFILE", variable or "")
        monkeypatch.setenv("CONNECTED_APPS_MCP_SANDBOX", "" if switched is None else str(switched))
        sandbox = bool(switched if switch is None else switch)
        chosen = flag or (None if switch else variable)  # --sandbox wins over a variable
        expected = wanted(chosen, given, sandbox=sandbox, has_default=has_default)
        found = used({"profile": flag, "sandbox": switch})
        assert found == expected, (flag, variable, switch, switched)


def test_without_a_profile_and_credentials_the_refusal_says_how_to_log_in() -> None:
    with pytest.raises(SettingsError, match="Run connected-apps-mcp login, or set STYTCH_PROJECT"):
        loading.load()


def test_an_unknown_profile_is_refused_with_those_that_exist() -> None:
    put("staging")
    with pytest.raises(SettingsError, match=r"no profile stagin\. Did you mean staging\?"):
        loading.load(profile="stagin")


@pytest.mark.parametrize("name", ["../etc", "UPPER", "", "-a", "a-", "a" * 33, "a/b", "a.b"])
def test_an_odd_name_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=r"--profile .*lower-case letters"):
        loading.load(profile=name)


@pytest.mark.parametrize(
    "setting", ["profile", "sandbox", "sandbox_db", "sandbox_kind", "allow_live_writes", "color"]
)
def test_a_setting_that_no_profile_may_hold_is_refused(setting: str) -> None:
    put("default", TEST, **{setting: True})
    with pytest.raises(SettingsError, match=f"Profile default: unknown setting {setting}"):
        loading.load()


def test_a_file_that_login_did_not_name_is_no_profile() -> None:
    profiles = put("default")
    for name in ("UPPER", "an\033[31m escape", "dotted.name", "default.bak"):
        file_of(name).write_text(file_of("default").read_text())
    assert profiles.names() == ["default"]


def test_a_malformed_setting_names_its_profile() -> None:
    put("default", secret_store="safe")
    with pytest.raises(SettingsError, match="Profile default: secret_store: Input should be"):
        loading.load()


def test_a_profile_and_the_sandbox_cannot_be_combined() -> None:
    put("live", LIVE)
    with pytest.raises(SettingsError, match="--profile and --sandbox cannot be combined"):
        loading.load(profile="live", sandbox=True)


def test_the_flag_for_the_sandbox_wins_over_the_variable_of_a_profile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put("live", LIVE)
    monkeypatch.setenv("CONNECTED_APPS_MCP_PROFILE", "live")
    assert loading.load(sandbox=True).profile is None


DAMAGE = {
    "no TOML": ("project_id = ", "not TOML"),
    "no project": ('secret_in = "file"\n', "project_id: Field required"),
    "odd project": ('project_id = "prod"\nsecret_in = "file"\n', "project_id: String should match"),
    "odd place": ('project_id = "project-test-1"\nsecret_in = "net"\n', "secret_in: Input should"),
    "more": (f'project_id = "project-test-1"\nsecret_in = "file"\nsecret = "{SECRET}"\n', "Extra"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_profile_is_refused_by_its_path(kind: str) -> None:
    text, cause = DAMAGE[kind]
    put("default")
    file_of("default").write_text(text)
    with pytest.raises(SettingsError, match=cause) as refused:
        loading.load()
    assert str(file_of("default")) in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_missing_secret_is_reported_with_its_place() -> None:
    put("default")
    (Path.home() / ".config/connected-apps-mcp/credentials/default").unlink()
    with pytest.raises(SettingsError, match=r"The secret of profile default is not in the file /"):
        loading.load()


def test_commands_that_need_no_secret_do_not_read_it() -> None:
    put("default")
    (Path.home() / ".config/connected-apps-mcp/credentials/default").unlink()
    assert loading.read().known_project() == TEST


@pytest.mark.parametrize("folder", ["profiles", "credentials"])
def test_a_folder_that_others_can_read_is_refused(folder: str) -> None:
    put("default")
    (Path.home() / ".config/connected-apps-mcp" / folder).chmod(0o755)
    with pytest.raises(SettingsError, match=f"{folder} is open to other users: run chmod 700"):
        loading.load()


def test_no_file_but_that_of_the_secret_holds_it() -> None:
    put("default", policy="/etc/policy.toml", toolsets=["apps"])
    files = [file for file in Path.home().rglob("*") if file.is_file()]
    holding = [file for file in files if SECRET in file.read_text()]
    assert [(file.parent.name, file.stat().st_mode & 0o777) for file in holding] == [
        ("credentials", 0o600)
    ]


def test_a_profile_survives_its_file() -> None:
    settings: dict[str, JsonValue] = {"toolsets": ["apps", "review"], "deadline": 2.5}
    profiles = put("default", LIVE, **settings)
    profile = profiles.get("default")
    assert (profile.project_id, profile.settings) == (LIVE, settings)


@pytest.mark.parametrize(("name", "flags"), [("live", ["--profile", "live"]), (None, [])])
def test_the_command_for_secrets_leads_to_the_same_project(
    name: str | None, flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put("live", LIVE)
    if name is None:
        monkeypatch.setenv("STYTCH_PROJECT_ID", TEST)
        monkeypatch.setenv("STYTCH_SECRET", "another")
    command = secrets_command(loading.load(profile=name))
    assert list(command.flags) == flags
    assert command.variables == ({} if name else {"STYTCH_PROJECT_ID": TEST})


def test_a_profile_holds_what_the_settings_print() -> None:
    given: dict[str, Any] = {"toolsets": "apps,review", "trusted_proxy": "10.0.0.0/8"}
    settings = loading.check(given | {"transport": "http", "project_id": TEST, "secret": SECRET})
    printed = json.loads(settings.model_dump_json(include=set(given)))
    assert printed == {"toolsets": ["apps", "review"], "trusted_proxy": ["10.0.0.0/8"]}
