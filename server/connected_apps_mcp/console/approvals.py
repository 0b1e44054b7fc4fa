"""The calls that wait for a person: the same that `connected-apps-mcp approve` shows."""

from typing import Any

from connected_apps_mcp.confirmation.approvals import LIFETIME, Approvals, PendingCall
from connected_apps_tools.storage.threads import in_thread


class Waiting:
    """The calls that wait. Its methods raise `StoreError`."""

    def __init__(self, approvals: Approvals) -> None:
        self._approvals = approvals

    async def calls(self) -> list[dict[str, Any]]:
        """Each call, as the page shows it, the oldest first."""
        pending = await in_thread(self._pending)
        return [_shown(call) for call in sorted(pending, key=lambda call: call.since)]

    async def decide(self, call_id: str, *, approve: bool) -> bool:
        """Approve a call or decline it. Return whether it was waiting."""
        return await in_thread(self._decide, call_id, approve)

    async def ids(self) -> frozenset[str]:
        """What tells whether the calls are others than before."""
        return frozenset(call.id for call in await in_thread(self._pending))

    def _pending(self) -> list[PendingCall]:
        return [call for call in self._approvals if not call.approved]

    def _decide(self, call_id: str, approve: bool) -> bool:  # noqa: FBT001 - run in a thread
        for call in self._pending():
            if call.id == call_id:
                return (self._approvals.approve if approve else self._approvals.remove)(call)
        return False


def _shown(call: PendingCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "tool": call.tool,
        "arguments": call.arguments,
        "caller": call.caller,
        "question": call.question,
        "since": call.since.isoformat(),
        "until": (call.since + LIFETIME).isoformat(),
    }
