"""What happens without the page: calls that wait, lines of the audit log, and changes of apps.

Other processes write the same records, so this looks at what has changed. The lines of the audit
log say which apps have changed, whichever process has changed them.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import anyio
from anyio import to_thread

from connected_apps_mcp.audit.verify import Snapshot, Unreadable
from connected_apps_tools.storage.errors import StoreError

from .approvals import Waiting
from .audit_view import RecordedLines, calls_of, client_id_of, software_of
from .calls import SOFTWARE
from .session import Session

SECONDS = 1.0
"""Time between two looks."""

LOOK_BACK = 1_000
"""A call that began more lines ago is not looked for when it ends."""

CREATING = {"create_app", "clone_app"}
"""Tools that make an app. The log does not know its id."""

Event = dict[str, str]

APPROVALS, AUDIT, APPS = ({"kind": kind} for kind in ("approvals", "audit", "apps"))


class Happenings:
    """What happens while one page listens."""

    def __init__(self, waiting: Waiting, log: Path | None, session: Session) -> None:
        """Look at the calls that wait, and at the audit log if it is in a folder."""
        self._waiting = waiting
        self._log = log
        self._session = session
        self._ids: frozenset[str] = frozenset()
        self._size = 0
        self._seq = 0

    async def events(self) -> AsyncIterator[Event | None]:
        """Each event; None after each look, so that a reader who is gone is noticed.

        The first ones cover what happened before the page listened, or since it last did.
        """
        await self._news()
        yield APPROVALS
        yield AUDIT
        yield None
        while not self._session.has_ended:
            await anyio.sleep(SECONDS)
            for event in await self._news():
                self._session.note_event()
                yield event
            yield None

    async def _news(self) -> list[Event]:
        with suppress(StoreError, Unreadable):  # a request of the page says what is wrong
            return [*await self._of_approvals(), *await to_thread.run_sync(self._of_log)]
        return []

    async def _of_approvals(self) -> list[Event]:
        before, self._ids = self._ids, await self._waiting.ids()
        return [] if before == self._ids else [APPROVALS]

    def _of_log(self) -> list[Event]:
        size = Snapshot(self._log).size if self._log else 0
        if not self._log or size == self._size:
            return []
        before, self._size = self._seq, size
        changed: dict[str, None] = {}
        is_more = False
        for call in calls_of(self._log):
            newest = max(line["seq"] for line in call if line)
            self._seq = max(self._seq, newest)
            if newest > before and _has_changed_something(call):
                is_more |= call.first["tool"] in CREATING and software_of(call.first) != SOFTWARE
                changed |= {
                    client_id: None for client_id in [client_id_of(call.first)] if client_id
                }
            if call.first["seq"] < before - LOOK_BACK:
                break
        apps = [{"kind": "app", "client_id": client_id} for client_id in changed]
        return [AUDIT, *apps, *([APPS] if is_more else [])]


def _has_changed_something(call: RecordedLines) -> bool:
    """Whether a call has changed something, or may have."""
    ended = call.last or {}
    took_effect = ended.get("ok") or ended.get("may_have_taken_effect")
    return bool(took_effect) and "revealed" not in ended
