"""The benchmark of speed reads whole responses, and its tables compare servers correctly."""

from pathlib import Path

import pytest

from load.connections import Exchanges
from peers import FROM_OPENAPI, THIS, ThisServer
from speed import service
from speed_report import Aim, medians, tables
from speed_scenarios import Bench, Effort, stdio

EVENTS = b"event: message\r\ndata: {}\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "response",
    [
        HEAD + b"content-length: 2\r\n\r\n{}",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(EVENTS), EVENTS),
    ],
    ids=["whole", "in chunks", "as an event"],
)
def test_a_response_over_http_is_handed_on_once_it_is_complete(response: bytes) -> None:
    bodies: list[bytes] = []
    exchanges = Exchanges(lambda _, __, body: bodies.append(body))
    for at in range(len(response)):
        assert bodies == []
        exchanges.data_received(response[at : at + 1])
    assert bodies == [b"{}"]


async def test_the_calls_of_a_server_are_measured_in_both_eras(tmp_path: Path) -> None:
    log, this = tmp_path / "log", ThisServer(folder=tmp_path)
    effort = Effort(rounds=1, seconds=0, warm_up=0, in_flight=(2,))
    async with service(0, log) as fast:
        bench = Bench(this, [this], fast, fast, log, effort)
        await stdio(bench)
    for era in ("handshake", "2026"):
        (rate,) = bench.figures[f"stdio {era} get, 2 in flight, calls/s"][THIS]
        assert rate > 0
    assert not [figure for figure in bench.figures if "lost" in figure]


def test_a_figure_is_the_median_of_its_rounds_and_writes_are_compared_with_reads() -> None:
    figures = medians(
        {"get, 32 in flight, calls/s": {THIS: [1, 100, 4]}}
        | {"a create, 32 in flight, calls/s": {THIS: [1, 2, 3]}}
        | {"a get, 32 in flight, calls/s": {THIS: [4]}}
    )
    assert figures["get, 32 in flight, calls/s"] == {THIS: 4}
    assert figures["a create / get, 32 in flight"] == {THIS: 0.5}


@pytest.mark.parametrize(
    ("aim", "met"),
    [
        (Aim("figure", "≤", 0.5, FROM_OPENAPI), True),
        (Aim("figure", "≥", 0.6, FROM_OPENAPI), False),
        (Aim("figure", "≤", 9), False),
        (Aim("another figure", "≤", 9), None),
    ],
)
def test_an_aim_bounds_a_figure_or_its_ratio_to_that_of_a_peer(aim: Aim, met: bool | None) -> None:
    assert aim.met({"figure": {THIS: 10, FROM_OPENAPI: 20}}) is met


def test_a_peer_without_a_figure_has_a_dash() -> None:
    printed = tables({"figure": {THIS: 10}}, [THIS, FROM_OPENAPI])
    assert printed.splitlines()[1].split() == ["figure", "10", "–"]  # noqa: RUF001 - a dash
