"""What happens without the page: calls that wait, lines of the audit log, and changes of apps.

Other processes write the same records, so this looks at what has changed. The lines of the audit
log say which apps have changed, whichever process has changed them.
"""

from collections.abc import AsyncIterator
from contextlib import suppress

import anyio
from anyio import to_thread

from connected_apps_mcp.audit.reading import Unreadable
from connected_apps_tools.storage.errors import StoreError

from .approvals import Waiting
from .audit_view import Log, RecordedLines, calls_of, client_id_of, software_of
from .calls import SOFTWARE
from .session import Session

SECONDS = 1.0
"""Time between two looks."""

LOOK_BACK = 1_000
"""A call that began more lines ago is not looked for when it ends. The first look goes so far."""

CREATING = {"create_app", "clone_app"}
"""Tools that make an app. The log does not know its id."""

Event = dict[str, str]

APPROVALS, AUDIT, APPS = ({"kind": kind} for kind in ("approvals", "audit", "apps"))


class Happenings:
    """What happens while one page listens."""

    def __init__(self, waiting: Waiting, log: Log | None, session: Session) -> None:
        """Look at the calls that wait, and at the audit log if it can be read."""
        self._waiting = waiting
        self._log = log
        self._session = session
        self._ids: frozenset[str] = frozenset()
        self._extent = 0
        self._seq = 0

    async def events(self) -> AsyncIterator[Event | None]:
        """Each event; None after each look, so that a reader who is gone is noticed.

        The first ones cover what happened before the page listened, or since it last did.
        """
        await self._news()
        events = [APPROVALS, AUDIT]
        while not self._session.has_ended:
            for event in events:
                yield event
            yield None
            await anyio.sleep(SECONDS)
            events = await self._news()

    async def _news(self) -> list[Event]:
        with suppress(StoreError, Unreadable):  # a request of the page says what is wrong
            return [*await self._of_approvals(), *await to_thread.run_sync(self._of_log)]
        return []

    async def _of_approvals(self) -> list[Event]:
        before, self._ids = self._ids, await self._waiting.ids()
        return [] if before == self._ids else [APPROVALS]

    def _of_log(self) -> list[Event]:
        extent = self._log().extent if self._log else 0
        if extent == self._extent:
            return []
        self._extent = extent
        changes = [call for call in self._ended_since(self._seq) if _has_changed_something(call)]
        ids = dict.fromkeys(filter(None, (client_id_of(call.first) for call in changes)))
        apps = [{"kind": "app", "client_id": client_id} for client_id in ids]
        return [AUDIT, *apps, *([APPS] if any(map(_created_elsewhere, changes)) else [])]

    def _ended_since(self, before: int) -> list[RecordedLines]:
        """The calls with a line after the one with this number."""
        found: list[RecordedLines] = []
        for call in calls_of(self._log()) if self._log else ():
            newest = max(line["seq"] for line in call if line)
            self._seq = max(self._seq, newest)
            if newest > before:
                found.append(call)
            if call.first["seq"] < (before or self._seq) - LOOK_BACK:
                break
        return found


def _has_changed_something(call: RecordedLines) -> bool:
    """Whether a call has changed something, or may have."""
    ended = call.last or {}
    took_effect = ended.get("ok") or ended.get("may_have_taken_effect")
    return bool(took_effect) and "revealed" not in ended


def _created_elsewhere(call: RecordedLines) -> bool:
    """Whether a call has made an app that the page does not know."""
    return call.first.get("tool") in CREATING and software_of(call.first) != SOFTWARE
