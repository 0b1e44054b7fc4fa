"""A server on each kind of standard input and output."""

import json
import os
import pty
import select
import socket
import subprocess
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest
from support import HELLO, MODERN, SERVER, lines

from connected_apps_mcp.transports.descriptors import open_input, open_output


class Ends(NamedTuple):
    """The descriptors of a connection: those of the server, and those of its client."""

    stdin: int
    stdout: int
    writing: int
    reading: int


def pipes() -> Ends:
    stdin, writing = os.pipe()
    reading, stdout = os.pipe()
    return Ends(stdin, stdout, writing, reading)


def sockets() -> Ends:
    """A socket for each direction, as Node.js gives them."""
    (stdin, writing), (stdout, reading) = socket.socketpair(), socket.socketpair()
    return Ends(stdin.detach(), stdout.detach(), writing.detach(), reading.detach())


def one_socket() -> Ends:
    """A socket for both directions, as inetd gives it."""
    theirs, ours = (end.detach() for end in socket.socketpair())
    return Ends(theirs, theirs, ours, ours)


def terminal() -> Ends:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)  # no echo, and no bound on a line
    return Ends(theirs, theirs, ours, ours)


KINDS = [pipes, sockets, one_socket, terminal]


@contextmanager
def opened(kind: Callable[[], Ends]) -> Iterator[Ends]:
    ends = kind()
    try:
        yield ends
    finally:
        for descriptor in set(ends):
            os.close(descriptor)


@contextmanager
def serving_on(ends: Ends, stderr: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    """A server. This process shares its ends, so that the end of the input is not seen."""
    with subprocess.Popen(
        [*SERVER, "--sandbox"], stdin=ends.stdin, stdout=ends.stdout, stderr=stderr
    ) as process:
        try:
            yield process
            process.terminate()
            assert process.wait(timeout=20) == 0
        finally:
            process.kill()


def send(ends: Ends, *messages: dict[str, Any]) -> None:
    """Send messages in one write, in a thread where they may be more than the server takes."""
    data = lines(*messages).encode()

    def write(data: bytes) -> None:
        while data:
            data = data[os.write(ends.writing, data) :]

    if len(data) < 4096:
        write(data)
    else:
        threading.Thread(target=write, args=(data,)).start()


def received(ends: Ends, count: int, size: int = 65_536) -> list[dict[str, Any]]:
    """The next messages of the server: so many and no more."""
    return [json.loads(line) for line in received_lines(ends, count, size)]


def received_lines(ends: Ends, count: int, size: int = 65_536) -> list[bytes]:
    data = b""
    while data.count(b"\n") < count:
        assert select.select([ends.reading], [], [], 20)[0], data[-1000:]
        data += os.read(ends.reading, size)
        if size < 65_536:
            time.sleep(0.001)
    return data.splitlines()


def ping(number: int | str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": "ping"}


def listing(number: int, era: str) -> dict[str, Any]:
    params = {"_meta": MODERN} if era == "modern" else {}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/list", "params": params}


@pytest.mark.parametrize("era", ["legacy", "modern"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_client_is_served_on_each_kind_of_stream(kind: Callable[[], Ends], era: str) -> None:
    hello = HELLO if era == "legacy" else []
    with opened(kind) as ends, serving_on(ends):
        send(ends, *hello, listing(1, era), listing(2, era))
        messages = received(ends, len(hello[:1]) + 2)
    answers = {message["id"]: message["result"] for message in messages}
    assert answers[1]["tools"] == answers[2]["tools"] != []


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_a_file_of_messages_is_answered_in_a_file(era: str, tmp_path: Path) -> None:
    hello = HELLO if era == "legacy" else []
    numbers = range(100)
    (tmp_path / "in").write_text(lines(*hello, *(listing(number, era) for number in numbers)))
    with (tmp_path / "in").open() as stdin, (tmp_path / "out").open("w") as stdout:
        subprocess.run([*SERVER, "--sandbox"], stdin=stdin, stdout=stdout, check=True, timeout=60)
    answered = [json.loads(line)["id"] for line in (tmp_path / "out").read_text().splitlines()]
    assert sorted(answered[len(hello[:1]) :]) == [*numbers]


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_is_gone_ends_the_server(kind: Callable[[], Ends]) -> None:
    ends = kind()
    command = [*SERVER, "--sandbox"]
    with subprocess.Popen(command, stdin=ends.stdin, stdout=ends.stdout) as process:
        send(ends, *HELLO)
        received(ends, 1)
        for descriptor in set(ends):
            os.close(descriptor)
        assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_no_descriptor_becomes_non_blocking(kind: Callable[[], Ends]) -> None:
    with opened(kind) as ends:
        with serving_on(ends):
            send(ends, *HELLO)
            received(ends, 1)
            send(ends, *(listing(number, "legacy") for number in range(50)))
            time.sleep(0.5)  # until the server waits for input, and for this process to read
            assert os.get_blocking(ends.stdin)
            assert os.get_blocking(ends.stdout)
            received(ends, 50)
        assert os.get_blocking(ends.stdin)
        assert os.get_blocking(ends.stdout)


@pytest.mark.parametrize("kind", KINDS)
def test_a_descriptor_that_is_non_blocking_is_served(kind: Callable[[], Ends]) -> None:
    with opened(kind) as ends:
        os.set_blocking(ends.stdin, False)
        os.set_blocking(ends.stdout, False)
        with serving_on(ends):
            send(ends, *HELLO, ping(1))
            assert [message["id"] for message in received(ends, 2)] == ["hello", 1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_slow_reader_gets_large_messages_whole(kind: Callable[[], Ends]) -> None:
    ids = [letter * 1_200_000 for letter in "abc"]
    with opened(kind) as ends, serving_on(ends):
        send(ends, *HELLO, *map(ping, ids))
        messages = received(ends, 4, size=20_000)
    assert sorted(message["id"] for message in messages[1:]) == ids


@pytest.mark.parametrize("kind", KINDS)
def test_thousands_of_messages_in_one_write_are_each_answered(kind: Callable[[], Ends]) -> None:
    with opened(kind) as ends, serving_on(ends):
        send(ends, *HELLO, *map(ping, range(3000)))
        messages = received(ends, 3001)
    assert sorted(message["id"] for message in messages[1:]) == [*range(3000)]


def test_errors_to_the_socket_of_the_messages_are_between_them() -> None:
    with opened(one_socket) as ends, serving_on(ends, stderr=ends.stdout):
        send(ends, *HELLO)
        received(ends, 1)
        os.write(ends.writing, b"no message\n" + lines(ping(1)).encode())
        printed = received_lines(ends, 3)
    refused, answered = (json.loads(line) for line in printed if line.startswith(b"{"))
    assert refused["id"] is None
    assert answered["id"] == 1


def nothing() -> None:
    """Do nothing: the test waits by itself."""


@pytest.mark.parametrize("kind", KINDS)
async def test_the_event_loop_reads_and_writes_without_threads(kind: Callable[[], Ends]) -> None:
    threads = threading.active_count()
    with opened(kind) as ends:
        incoming = open_input(ends.stdin, nothing)
        outgoing = open_output(ends.stdout, nothing)
        incoming.start()
        os.write(ends.writing, b"question")
        with anyio.fail_after(20):
            assert await incoming.receive() == b"question"
            await outgoing.write(b"answer")
        assert threading.active_count() == threads
        assert os.read(ends.reading, 100) == b"answer"
        incoming.close()
        outgoing.close()


async def test_threads_read_and_write_a_pipe_that_cannot_be_opened_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(path: str, _flags: int) -> int:
        raise PermissionError(path)

    ends, ended = pipes(), anyio.Event()
    monkeypatch.setattr(os, "open", refuse)
    incoming, outgoing = open_input(ends.stdin, ended.set), open_output(ends.stdout, nothing)
    incoming.start()
    os.write(ends.writing, b"question")
    with anyio.fail_after(20):
        assert await incoming.receive() == b"question"
        await outgoing.write(b"answer")
        assert os.read(ends.reading, 100) == b"answer"
        os.close(ends.writing)
        await ended.wait()
    incoming.close()
    outgoing.close()
    for descriptor in (ends.stdin, ends.reading):
        os.close(descriptor)


async def test_a_message_that_began_is_written_whole_after_a_cancellation() -> None:
    messages = [bytes([number]) * 100_000 for number in range(3)]
    with opened(pipes) as ends:
        outgoing = open_output(ends.stdout, nothing)
        with anyio.move_on_after(0.1):
            async with anyio.create_task_group() as tasks:
                for message in messages:
                    tasks.start_soon(outgoing.write, message)
        data = b""
        with anyio.fail_after(20):
            while len(data) < 300_000:
                data += await anyio.to_thread.run_sync(partial(os.read, ends.reading, 65_536))
        outgoing.close()
    assert data == b"".join(messages)
    assert outgoing.unread == 0
