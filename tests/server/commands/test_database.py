"""`connected-apps-mcp database`, and what other commands do with a database."""

import json
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from click.testing import CliRunner, Result
from postgres import PostgresServer, execute
from server.audit.logs import record

from connected_apps_mcp.callers import Caller
from connected_apps_mcp.commands.cli import main
from connected_apps_mcp.confirmation.approvals import KIND, Approvals, PendingCall, ProjectLabel
from connected_apps_mcp.settings.credentials import DATABASE_URL
from connected_apps_mcp.settings.loading import read
from connected_apps_mcp.settings.settings import SettingsError
from connected_apps_mcp.wiring import JOURNAL, open_audit
from connected_apps_tools.safety.question import Question
from connected_apps_tools.secrets.journal import Intent, Journal
from connected_apps_tools.storage.postgres.state import DatabaseState

AWAY = "postgresql://someone:my-password@127.0.0.1:1/none"


def run(*arguments: str, url: str | None = None, **environment: str) -> Result:
    given = environment | ({DATABASE_URL: url} if url else {})
    return CliRunner().invoke(main, arguments, env=given)


@pytest.fixture
def state(database_url: str) -> Iterator[DatabaseState]:
    """The state, as a server that runs has it."""
    state = DatabaseState(database_url)
    yield state
    state.close()


@pytest.fixture
def recorded(
    state: DatabaseState, database_url: str, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call in a log in the database, which the environment names."""
    monkeypatch.setenv(DATABASE_URL, database_url)

    async def make() -> None:
        async with open_audit(read(audit_key_file=str(key)), state) as log:
            await record(log)

    anyio.run(make)


@pytest.fixture
def server_role(postgres: PostgresServer) -> Iterator[str]:
    postgres.execute("CREATE ROLE server LOGIN PASSWORD 'server'")
    yield "server"
    postgres.execute("DROP ROLE server")


def test_migrate_makes_the_tables_and_check_finds_them(empty_database: str) -> None:
    missing = run("database", "check", url=empty_database)
    assert missing.exit_code == 1
    assert "Run connected-apps-mcp database migrate." in missing.stderr
    made = run("database", "migrate", url=empty_database)
    assert made.exit_code == 0
    assert made.stdout.splitlines()[0] == "Applied 0001_records."
    assert run("database", "check", url=empty_database).exit_code == 0
    again = run("database", "migrate", url=empty_database)
    assert again.stdout == "The tables are those of this version.\n"


def test_check_warns_of_a_role_that_may_change_the_log(database_url: str) -> None:
    assert (
        "The role may change the lines of the audit log"
        in run("database", "check", url=database_url).stdout
    )


def test_the_role_of_the_servers_gets_what_it_needs(
    postgres: PostgresServer, server_role: str
) -> None:
    with postgres.new_database() as name:
        made = run("database", "migrate", "--server-role", server_role, url=postgres.url(name))
        assert made.exit_code == 0
        own = postgres.url(name, user=server_role, password=server_role)
        assert run("database", "check", url=own).stdout == "The database can be used.\n"
        postgres.execute(f"DROP OWNED BY {server_role}", name)


@pytest.mark.parametrize("command", ["migrate", "check"])
def test_a_database_that_is_away_is_reported_without_its_password(command: str) -> None:
    refused = run("database", command, url=AWAY)
    assert refused.exit_code == 1
    assert "The database cannot be used: it cannot be reached." in refused.stderr
    assert "my-password" not in refused.output


@pytest.mark.parametrize("command", ["migrate", "check"])
def test_without_a_url_the_variable_is_named(command: str) -> None:
    refused = run("database", command)
    assert refused.exit_code == 2
    assert f"{DATABASE_URL} is not set." in refused.stderr


@pytest.mark.usefixtures("recorded")
def test_the_commands_of_the_audit_log_read_the_database(key: Path) -> None:
    verified = run("audit", "verify", "--audit-key-file", str(key))
    assert verified.exit_code == 0
    assert verified.stdout.startswith("The audit log in the database\n3 lines in 1 files.\n")
    last = verified.stdout.split()[-1]
    remembered = ("audit", "verify", "--audit-key-file", str(key), "--remembered", last)
    assert run(*remembered).exit_code == 0
    assert len(run("audit", "tail", "-n", "2").stdout.splitlines()) == 2
    exported = run("audit", "export").stdout_bytes
    assert [line[:14] for line in exported.splitlines()] == [
        b'{"v":1,"seq":%d' % number for number in (1, 2, 3)
    ]


@pytest.mark.usefixtures("recorded")
def test_verify_needs_the_key_of_a_log_in_the_database() -> None:
    refused = run("audit", "verify")
    assert refused.exit_code == 2
    assert "--audit-key-file" in refused.stderr


@pytest.mark.usefixtures("recorded")
def test_a_folder_for_the_log_wins_over_the_database(tmp_path: Path) -> None:
    refused = run("audit", "tail", "--audit-log", str(tmp_path / "none"))
    assert f"there is no folder {tmp_path / 'none'}" in refused.stderr


def test_a_database_that_is_away_has_no_log_to_show() -> None:
    refused = run("audit", "tail", url=AWAY)
    assert refused.exit_code == 2
    assert "The database cannot be used" in refused.stderr


async def test_a_log_in_the_database_needs_a_key(
    state: DatabaseState, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATABASE_URL, database_url)
    with pytest.raises(SettingsError, match="needs --audit-key-file, the same key for all"):
        async with open_audit(read(), state):
            pass


def found(name: str, url: str, *flags: str) -> list[dict[str, str]]:
    """What the doctor finds about something."""
    checks = json.loads(run("doctor", "--json", *flags, url=url).stdout)["checks"]
    return [check for check in checks if check["check"] == name]


def reported(name: str, url: str, *flags: str) -> list[str]:
    """What the doctor says about something."""
    return [check["text"] for check in found(name, url, *flags)]


@pytest.mark.usefixtures("recorded")
def test_the_doctor_checks_the_database_and_its_log(database_url: str, key: Path) -> None:
    flags = ("--audit-key-file", str(key))
    (database,) = reported("database", database_url, *flags)
    assert "The role may change the lines of the audit log." in database
    (log,) = reported("audit log", database_url, *flags)
    assert "The last file in the database is intact; its last line is 3." in log


def test_the_doctor_reports_a_database_that_is_away_once() -> None:
    (database,) = reported("database", AWAY)
    assert "The database cannot be used: it cannot be reached." in database
    for name in ("audit log", "journal", "approvals"):
        assert reported(name, AWAY) == []
    assert "my-password" not in database


def test_the_doctor_says_which_stores_the_other_servers_reach(database_url: str) -> None:
    (store,) = found("secret store", database_url)
    assert "Choose aws, vault or none" in store["text"]
    assert store["remedy"] == "See docs/how-to/replicas.md."


def test_the_doctor_finds_no_unfinished_call_in_a_new_database(database_url: str) -> None:
    assert reported("journal", database_url) == ["No call was interrupted."]
    assert reported("approvals", database_url) == ["No call waits for approval."]


def test_the_doctor_finds_the_calls_that_an_ended_server_left_in_the_database(
    database_url: str,
) -> None:
    ended = DatabaseState(database_url)
    intent = Intent(act="create_app", project_id="project-test-1", client_name="Bill")
    Journal(ended.records(JOURNAL)).record(intent)
    ended.records(JOURNAL).write("it's half", '{"act": "crea')
    assert len(found("journal", database_url)) == 1  # that server still runs
    ended.close()
    interrupted, damaged = found("journal", database_url)
    assert "A call of create_app (Bill)" in interrupted["text"]
    assert interrupted["remedy"].startswith("Another server looks for it. Or run: ")
    assert "The journal contains it's half" in damaged["text"]
    assert damaged["remedy"].endswith(
        "DELETE FROM connected_apps_mcp.records WHERE kind = 'journal' AND name = 'it''s half';"
    )


def test_the_doctor_finds_the_calls_that_wait_in_the_database(
    state: DatabaseState, database_url: str
) -> None:
    question = Question("Do it?", [("Client id", "mine")], "Then it is done.", "state")
    project = ProjectLabel("project-test-1", "test")
    call = ("delete_app", {"client_id": "mine"})
    Approvals(state.records(KIND)).add(PendingCall.of(project, Caller.of_process(), call, question))
    (waiting,) = found("approvals", database_url)
    assert waiting["text"] == "Calls that wait for approval: 1."
    assert "approve" in waiting["remedy"]
    assert reported("approvals", database_url) == [waiting["text"]]


@pytest.mark.parametrize("name", ["journal", "approvals"])
def test_the_doctor_says_how_to_repair_what_it_cannot_read(
    state: DatabaseState, database_url: str, name: str
) -> None:
    execute(state, "ALTER TABLE connected_apps_mcp.records RENAME TO away")
    (broken,) = found(name, database_url)
    assert broken["state"] == "broken"
    assert broken["remedy"].endswith("database check")
