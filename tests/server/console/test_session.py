"""The session of a console ends: by its link, and by idleness."""

import httpx2
import pytest
from starlette.responses import PlainTextResponse

from connected_apps_mcp.commands.console.serving import end_with
from connected_apps_mcp.console.guards import Guards
from connected_apps_mcp.console.session import IDLE_SECONDS, LINK_SECONDS, Session
from connected_apps_mcp.transports.shutdown import ShutdownSignals

ORIGIN = "http://127.0.0.1:1"


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


def test_a_press_lets_the_session_go_on(clocks: Clocks) -> None:
    session, cookie = entered(clocks)
    clocks.move(IDLE_SECONDS - 1)
    session.note_person()
    clocks.move(IDLE_SECONDS - 1)
    assert session.admits(cookie)


@pytest.mark.parametrize(("headers", "goes_on"), [({}, False), ({"x-person": "1"}, True)])
async def test_a_request_counts_if_the_page_says_that_it_is_of_a_press(
    clocks: Clocks, headers: dict[str, str], *, goes_on: bool
) -> None:
    session, cookie = entered(clocks)
    guards = Guards(PlainTextResponse("here"), "/base/", ORIGIN, session)
    clocks.move(IDLE_SECONDS - 1)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=guards)) as client:
        sent = {"x-console": "1", "cookie": f"{session.cookie_name}={cookie}", **headers}
        assert (await client.get(f"{ORIGIN}/base/api/about", headers=sent)).text == "here"
    clocks.move(1)
    assert session.admits(cookie) is goes_on


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
