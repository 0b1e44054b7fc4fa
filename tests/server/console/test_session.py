"""The session of a console ends: by its link, and by idleness."""

import pytest

from connected_apps_mcp.commands.console import end_with
from connected_apps_mcp.console.session import (
    ECHO_SECONDS,
    IDLE_SECONDS,
    LINK_SECONDS,
    Session,
)
from connected_apps_mcp.transports.shutdown import ShutdownSignals


class Clocks:
    """Two clocks that a test moves."""

    def __init__(self) -> None:
        self.now = [100.0, 1_000.0]

    def __call__(self) -> tuple[float, ...]:
        return tuple(self.now)

    def move(self, seconds: float) -> None:
        self.now = [now + seconds for now in self.now]


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def entered(clocks: Clocks) -> tuple[Session, str]:
    """A session that somebody has opened, and its cookie."""
    session = Session(clocks)
    cookie = session.open(session.token)
    assert cookie
    return session, cookie


def test_the_link_counts_for_a_short_time(clocks: Clocks) -> None:
    session = Session(clocks)
    clocks.move(LINK_SECONDS)
    assert session.has_ended
    assert session.open(session.token) is None


def test_the_token_counts_once(clocks: Clocks) -> None:
    session, _ = entered(clocks)
    assert session.open(session.token) is None


def test_a_session_ends_after_idleness(clocks: Clocks) -> None:
    session, cookie = entered(clocks)
    clocks.move(IDLE_SECONDS)
    assert session.has_ended
    assert not session.admits(cookie)


@pytest.mark.parametrize("clock", [0, 1])
def test_a_session_ends_by_either_clock(clocks: Clocks, clock: int) -> None:
    session, cookie = entered(clocks)
    clocks.now[clock] += IDLE_SECONDS
    assert not session.admits(cookie)


def test_a_request_lets_the_session_go_on(clocks: Clocks) -> None:
    session, cookie = entered(clocks)
    clocks.move(IDLE_SECONDS - 1)
    session.note_request()
    clocks.move(IDLE_SECONDS - 1)
    assert session.admits(cookie)


def test_what_the_page_asks_because_of_an_event_is_no_sign_of_a_person(clocks: Clocks) -> None:
    session, cookie = entered(clocks)
    clocks.move(IDLE_SECONDS - 1)
    session.note_event()
    session.note_request()
    clocks.move(1)
    assert not session.admits(cookie)


def test_a_request_some_time_after_an_event_is_a_sign_of_a_person(clocks: Clocks) -> None:
    session, cookie = entered(clocks)
    session.note_event()
    clocks.move(ECHO_SECONDS)
    session.note_request()
    clocks.move(IDLE_SECONDS - 1)
    assert session.admits(cookie)


async def test_a_console_ends_with_its_session(clocks: Clocks) -> None:
    session, _ = entered(clocks)
    clocks.move(IDLE_SECONDS)
    ended: list[str] = []
    async with ShutdownSignals() as signals:
        signals.react(lambda: ended.append("ended"))
        await end_with(session, signals)
    assert ended == ["ended"]


def test_nobody_is_admitted_before_the_link_is_opened(clocks: Clocks) -> None:
    assert not Session(clocks).admits("")
