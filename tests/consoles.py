"""The console, as a process at a terminal, and what stands in for its page."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from server.terminal import Terminal, at_terminal

from connected_apps_mcp.confirmation.approvals import KIND, Approvals, PendingCall
from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed
from connected_apps_tools.storage.records import FolderState

CALENDAR, NOTES, REPORTS = (
    f"connected-app-test-00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3)
)
"""The apps of the example."""


MOST_LOOKS = 30
"""Looks of the console, one a second, until a test waits no longer."""


class Page(httpx2.Client):
    """A browser with the page of a console: it sends what the page sends.

    Attributes:
        link: what the console printed.
        token: the one in the link.
        origin: where the console is.
        seen: every response so far, but for streams.
    """

    def __init__(self, link: str) -> None:
        url, _, self.token = link.partition("#token=")
        self.link, self.url = link, url
        self.origin = "/".join(url.split("/")[:3])
        self.seen: list[str] = []
        super().__init__(
            base_url=url,
            headers={"x-console": "1", "origin": self.origin},
            event_hooks={"response": [self._look]},
            timeout=20,
        )

    def _look(self, response: httpx2.Response) -> None:
        if "event-stream" not in response.headers.get("content-type", ""):
            self.seen.append(f"{response.headers}\n{response.read().decode()}")

    def enter(self) -> "Page":
        """Open the session."""
        assert self.post("api/session", json={"token": self.token}).json() == {"result": None}
        return self

    def ask(self, tool: str, answer: dict[str, Any] | None = None, **arguments: Any) -> Any:
        """Call a tool, and return the outcome."""
        body = {"tool": tool, "arguments": arguments} | ({"answer": answer} if answer else {})
        return self.post("api/call", json=body).json()

    def result(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The result of a tool, with a yes to each question."""
        outcome = self.ask(tool, **arguments)
        while "question" in outcome:
            outcome = self.ask(tool, yes_to(outcome), **arguments)
        result: dict[str, Any] = outcome["result"]
        return result

    def secret(self, client_id: str, answer: dict[str, Any] | None = None) -> Any:
        """Ask for a secret, and return the outcome."""
        body = {"client_id": client_id, "which": "current"}
        return self.post("api/secret", json=body | ({"answer": answer} if answer else {})).json()

    def audit(self, **wanted: Any) -> dict[str, Any]:
        """A page of the audit log."""
        page: dict[str, Any] = self.get("api/audit", params=wanted).json()["result"]
        return page

    def events(self) -> Iterator[dict[str, Any]]:
        """What happens from now on. The first one is empty: what was before is known now."""
        looks = 0
        with self.stream("GET", "api/events") as stream:
            for line in stream.iter_lines():
                if line.startswith("data: ") and looks:
                    yield json.loads(line.removeprefix("data: "))
                elif line == ":":
                    looks += 1
                    assert looks < MOST_LOOKS, "it does not happen"
                    if looks == 1:
                        yield {}


def yes_to(outcome: dict[str, Any]) -> dict[str, Any]:
    """The answer to a question."""
    return {"answer": outcome["question"]["id"], "confirm": True}


def no_to(outcome: dict[str, Any]) -> dict[str, Any]:
    """The other answer."""
    return {**yes_to(outcome), "confirm": False}


def flags_for(folder: Path) -> list[str]:
    """The flags that lead to the apps and data in a folder."""
    return [
        "--sandbox",
        "--sandbox-db",
        str(folder / "apps.db"),
        "--data-dir",
        str(folder / "data"),
    ]


def fill(folder: Path, content: Seed) -> None:
    """Fill the sandbox of a folder."""
    seed(create_sandbox(database=folder / "apps.db"), content)


def approvals_in(folder: Path) -> Approvals:
    """The calls that wait in a folder."""
    return Approvals(FolderState(folder / "data").records(KIND))


def waiting_call(client_id: str = CALENDAR, **more: Any) -> PendingCall:
    """A call of an agent that waits."""
    given: dict[str, Any] = {
        "id": "a" * 64,
        "project_id": "project-test-1",
        "environment": "sandbox",
        "caller": {"user": "ops"},
        "tool": "delete_app",
        "arguments": {"client_id": client_id},
        "state": "state",
        "question": "Delete this app? This cannot be undone.\nApp: none\nIt ends.",
    }
    return PendingCall(**{**given, **more})


@contextmanager
def console_at_terminal(*flags: str) -> Iterator[tuple[Page, Terminal]]:
    """A console, and a page that nobody has entered yet."""
    with at_terminal("console", "--no-open", *flags) as terminal:
        with Page(terminal.line_with("#token=")) as page:
            yield page, terminal
        stop(terminal)


def stop(terminal: Terminal) -> str:
    """End the console, and return all that it said."""
    terminal.interrupt()
    return terminal.end()[1]


@contextmanager
def console(folder: Path, *flags: str, content: Seed | None = None) -> Iterator[Page]:
    """A page in a console on the apps of a folder."""
    fill(folder, content or Seed(example=True))
    with console_at_terminal(*flags_for(folder), *flags) as (page, _):
        yield page.enter()
