"""Callers share the requests in flight fairly, whatever they do and whenever they give up."""

from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskGroup
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import sized

from connected_apps_tools.api.fair_share import FairShare, share_key

SLOTS = 2
SETTLED = 10
"""Turns of the event loop after which every task waits."""


@dataclass(eq=False)
class Holder:
    """A task that waits for a slot, and holds it until it is done."""

    key: str
    done: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


@dataclass
class Office:
    """Tasks on one share.

    Attributes:
        waiting: those that wait.
        inside: those that hold a slot.
        log: each task that began to wait, stopped to wait, and got a slot.
        alone: the tasks that began to wait when no other of their caller did.
    """

    tasks: TaskGroup
    share: FairShare = field(default_factory=lambda: FairShare(SLOTS))
    waiting: list[Holder] = field(default_factory=list)
    inside: list[Holder] = field(default_factory=list)
    log: list[tuple[str, Holder]] = field(default_factory=list)
    alone: list[Holder] = field(default_factory=list)

    def come(self, key: str) -> None:
        """Start a task of a caller."""
        self.tasks.start_soon(self._hold, Holder(key))

    async def _hold(self, holder: Holder) -> None:
        share_key.set(holder.key)
        if all(holder.key != other.key for other in self.waiting):
            self.alone.append(holder)
        self.waiting.append(holder)
        self.log.append(("waits", holder))
        with holder.scope:
            try:
                await self.share.__aenter__()
            finally:
                self.waiting.remove(holder)
                self.log.append(("ends", holder))
            self.inside.append(holder)
            self.log.append(("in", holder))
            await holder.done.wait()
            self.inside.remove(holder)
            await self.share.__aexit__()

    async def check(self) -> None:
        """Let all tasks run until they wait. None waits while a slot is free."""
        for _ in range(SETTLED):
            await anyio.lowlevel.checkpoint()
        assert len(self.inside) <= SLOTS
        assert not self.waiting or len(self.inside) == SLOTS

    def turns_before(self, holder: Holder) -> list[str]:
        """The callers that got a slot while a task waited."""
        start = self.log.index(("waits", holder))
        end = self.log.index(("ends", holder))
        return [other.key for what, other in self.log[start:end] if what == "in"]


KEYS = "abc"
STEP = st.sampled_from([*KEYS, *KEYS, "leave", "leave", "cancel"])
STEPS = st.lists(st.tuples(STEP, st.booleans()))


async def play(steps: list[tuple[str, bool]], office: Office) -> None:
    """Let tasks come, leave and give up. What has no check after it happens at once."""
    for step, is_checked in steps:
        if step in KEYS:
            office.come(step)
        elif step == "leave" and office.inside:
            office.inside[0].done.set()
        elif step == "cancel" and office.waiting:
            office.waiting[len(steps) % len(office.waiting)].scope.cancel()
        if is_checked:
            await office.check()
    await office.check()


@pytest.mark.series
@settings(max_examples=sized("random queues of callers"))
@given(STEPS)
async def test_no_slot_is_lost(steps: list[tuple[str, bool]]) -> None:
    async with anyio.create_task_group() as tasks:
        office = Office(tasks)
        await play(steps, office)
        while office.inside:
            office.inside[0].done.set()
            await office.check()
        assert not office.waiting
        for _ in range(SLOTS):
            office.come("a")
        await office.check()
        assert len(office.inside) == SLOTS
        tasks.cancel_scope.cancel()


@pytest.mark.series
@settings(max_examples=sized("random queues of callers"))
@given(st.lists(STEP))
async def test_a_caller_waits_at_most_for_one_turn_of_each_other_caller(
    steps: list[str],
) -> None:
    async with anyio.create_task_group() as tasks:
        office = Office(tasks)
        await play([(step, True) for step in steps], office)
        tasks.cancel_scope.cancel()
    for holder in office.alone:
        turns = [key for key in office.turns_before(holder) if key != holder.key]
        assert len(turns) == len(set(turns))


async def test_a_caller_with_one_call_goes_before_the_queue_of_another() -> None:
    async with anyio.create_task_group() as tasks:
        office = Office(tasks)
        for key in ["a"] * 10 + ["b"]:
            office.come(key)
            await office.check()
        for _ in range(2):
            office.inside[0].done.set()
            await office.check()
        assert "b" in {holder.key for holder in office.inside}
        tasks.cancel_scope.cancel()


async def test_a_slot_that_comes_together_with_a_cancellation_goes_to_the_next() -> None:
    async with anyio.create_task_group() as tasks:
        office = Office(tasks)
        for key in "aabc":
            office.come(key)
            await office.check()
        office.inside[0].done.set()
        office.waiting[0].scope.cancel()
        await office.check()
        assert [holder.key for holder in office.inside] == ["a", "c"]
        tasks.cancel_scope.cancel()


async def test_the_calls_of_one_caller_go_in_the_order_in_which_they_came() -> None:
    async with anyio.create_task_group() as tasks:
        office = Office(tasks)
        for _ in range(6):
            office.come("a")
        await office.check()
        while office.inside:
            office.inside[0].done.set()
            await office.check()
    came = [holder for what, holder in office.log if what == "waits"]
    assert came == [holder for what, holder in office.log if what == "in"]
