"""The locks that a call holds while it changes something, and the look at them before each write.

A lock of a database ends with its connection, while its holder may still be at work.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass

from .records import Lock
from .threads import in_thread


@dataclass
class Turn:
    """A lock that this task relies on, and the tasks that it starts from now on."""

    lock: Lock
    over: bool = False

    @classmethod
    def begun(cls, lock: Lock) -> "Turn":
        """Rely on a lock until the turn is closed."""
        turn = cls(lock)
        _TURNS.set((*_under_way(), turn))
        return turn

    def close(self) -> None:
        """Release the lock."""
        self.over = True
        self.lock.close()


_TURNS: ContextVar[tuple[Turn, ...]] = ContextVar("turns", default=())


def _under_way() -> list[Turn]:
    return [turn for turn in _TURNS.get() if not turn.over]


async def all_held() -> bool:
    """Whether this process still holds each lock that this task relies on.

    Raises:
        StoreError: it cannot be found out.
    """
    turns = _under_way()
    return not turns or await in_thread(_all_held, turns)


def _all_held(turns: Sequence[Turn]) -> bool:
    first, *others = [turn.lock for turn in turns]
    return first.still_held(*others)
