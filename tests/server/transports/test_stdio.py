"""The stdio transport, as a host uses it."""

import json
import shlex
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.types import INVALID_REQUEST, PARSE_ERROR
from support import (
    ERAS,
    HELLO,
    REAL,
    SERVER,
    SLOWLY,
    announcing,
    answer,
    lines,
    running,
    serving,
    slow_service,
    talk,
)

from connected_apps_mcp.limits import MAX_MESSAGE_BYTES


def get_app(client_id: str) -> dict[str, Any]:
    params = {"name": "get_app", "arguments": {"client_id": client_id}}
    return {"jsonrpc": "2.0", "id": client_id, "method": "tools/call", "params": params}


def responses(output: str) -> dict[str | int, Any]:
    """The responses by id. Anything but protocol on standard output fails to parse."""
    return {message["id"]: message for message in map(json.loads, output.splitlines())}


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with serving(slow_service) as url:
        yield url


def start(service: str, *arguments: str) -> Any:
    return running("--base-url", service, *arguments, **REAL)


def test_a_call_in_flight_finishes_after_the_input_is_closed(service: str) -> None:
    with start(service) as process:
        output, errors = process.communicate(lines(*HELLO, get_app("slow")), timeout=20)
    assert responses(output)["slow"]["result"]["isError"] is False
    assert process.returncode == 0
    assert errors == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_after_the_call_in_flight(
    number: signal.Signals,
) -> None:
    called = threading.Event()
    with (
        serving(announcing(slow_service, called)) as service,
        start(service) as process,
    ):
        talk(process, lines(*HELLO))
        first = process.stdout.readline()
        talk(process, lines(get_app("slow")))
        assert called.wait(timeout=20)
        process.send_signal(number)
        output, errors = process.communicate(timeout=20)
    assert responses(first + output)["slow"]["result"]["isError"] is False
    assert process.returncode == 0
    assert errors == ""


def test_a_second_signal_ends_the_server_and_the_call_gets_an_error(service: str) -> None:
    with start(service) as process:
        talk(process, lines(*HELLO))
        first = process.stdout.readline()
        talk(process, lines(get_app("hanging")))
        for _ in range(2):
            time.sleep(0.3)
            process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=10)
    assert "error" in responses(first + output)["hanging"]
    assert process.returncode == 0


def stop_reading(process: subprocess.Popen[str]) -> None:
    """Request more than a pipe holds, and read nothing."""
    listing = [{"jsonrpc": "2.0", "id": n, "method": "tools/list", "params": {}} for n in range(50)]
    talk(process, lines(*HELLO))
    assert process.stdout
    process.stdout.readline()
    talk(process, lines(*listing))
    time.sleep(1)


def test_a_second_signal_ends_the_server_even_if_the_client_does_not_read(service: str) -> None:
    with start(service) as process:
        stop_reading(process)
        for _ in range(2):
            process.terminate()
            time.sleep(0.3)
        process.wait(timeout=10)
    assert process.returncode == 0


@pytest.mark.parametrize("ending", ["a signal", "the end of the input"])
def test_a_shutdown_waits_only_so_long_for_a_client_that_does_not_read(ending: str) -> None:
    # The shutdown takes at most the deadline and five seconds.
    with running("--sandbox", "--deadline", "0.1") as process:
        stop_reading(process)
        if ending == "a signal":
            process.terminate()
        elif process.stdin:
            process.stdin.close()
        process.wait(timeout=20)
    assert process.returncode == 0


def test_a_third_signal_ends_the_server_at_once(service: str) -> None:
    with start(service) as process:
        stop_reading(process)
        for _ in range(3):
            process.terminate()
            time.sleep(0.3)
        process.wait(timeout=10)
    assert process.returncode == 1


def test_hanging_calls_each_get_an_error_after_the_input_is_closed(service: str) -> None:
    creates = [
        {
            "jsonrpc": "2.0",
            "id": number,
            "method": "tools/call",
            "params": {"name": "get_app", "arguments": {"client_id": "hanging"}},
        }
        for number in range(20)
    ]
    with start(service, "--deadline", "0.5") as process:
        output, errors = process.communicate(lines(*HELLO, *creates), timeout=20)
    answers = responses(output)
    for number in range(20):
        assert "NoAnswer" in answers[number]["result"]["content"][0]["text"]
    assert errors == ""


@pytest.mark.parametrize("cancelled", [[1], {}, None, 1.5, "hanging"])
def test_a_malformed_cancellation_is_harmless(service: str, cancelled: Any) -> None:
    params = {"requestId": cancelled}
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
    with start(service) as process:
        output, errors = process.communicate(lines(*HELLO, cancel, get_app("quick")), timeout=20)
    assert responses(output)["quick"]["result"]["isError"] is False
    assert "Traceback" not in errors
    assert process.returncode == 0


def test_a_call_cancelled_by_its_number_as_text_is_not_waited_for(service: str) -> None:
    hanging = get_app("hanging") | {"id": 7}
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "7"}}
    with start(service) as process:
        output, _ = process.communicate(lines(*HELLO, hanging, cancel), timeout=10)
    assert 7 not in responses(output)
    assert process.returncode == 0


@pytest.mark.parametrize("stream", ["0<&-", "1>&-", "2>&-", "0>/dev/null", "0<&- 1>&- 2>&-"])
def test_a_missing_standard_stream_ends_the_server_cleanly(stream: str) -> None:
    command = " ".join(map(shlex.quote, [*SERVER, "--sandbox"]))
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} {stream}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert "Traceback" not in done.stderr


def test_a_broken_input_ends_the_server_cleanly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    with theirs:
        process = subprocess.Popen(
            [*SERVER, "--sandbox"],
            stdin=theirs.fileno(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    with process:
        ours.sendall(lines(*HELLO).encode())
        assert process.stdout
        process.stdout.readline()
        # Without lingering, closing resets the connection.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        ours.close()
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Cannot read standard input" in errors
    assert "Traceback" not in errors


def test_a_signal_ends_an_idle_server(service: str) -> None:
    with start(service) as process:
        talk(process, lines(*HELLO))
        process.stdout.readline()
        process.terminate()
        process.wait(timeout=10)
    assert process.returncode == 0


def test_an_empty_input_ends_the_server(service: str) -> None:
    with start(service) as process:
        output, errors = process.communicate("", timeout=10)
    assert (output, errors, process.returncode) == ("", "", 0)


def test_the_last_line_needs_no_newline(service: str) -> None:
    with start(service) as process:
        output, _ = process.communicate(lines(*HELLO, get_app("quick")).strip(), timeout=10)
    assert responses(output)["quick"]["result"]["isError"] is False


def test_a_line_that_is_not_a_message_is_refused(service: str) -> None:
    text = lines(*HELLO) + "not json\n{}\n[]\n" + "\xff\x00\n" + lines(get_app("quick"))
    with start(service) as process:
        output, errors = process.communicate(text, timeout=10)
    messages = [json.loads(line) for line in output.splitlines()]
    refused = [message["error"]["code"] for message in messages if message["id"] is None]
    assert refused == [PARSE_ERROR, INVALID_REQUEST, INVALID_REQUEST, PARSE_ERROR]
    assert responses(output)["quick"]["result"]["isError"] is False
    assert errors.count("not a JSON-RPC message") == 4
    assert process.returncode == 0


def test_empty_lines_are_skipped(service: str) -> None:
    with start(service) as process:
        output, errors = process.communicate("\n\r\n \n" + lines(*HELLO) + "\n", timeout=10)
    assert responses(output).keys() == {"hello"}
    assert errors == ""


def test_an_endless_line_ends_the_input_and_is_logged(service: str) -> None:
    with start(service) as process:
        output, errors = process.communicate(
            lines(*HELLO) + "x" * (MAX_MESSAGE_BYTES + 70_000), timeout=20
        )
    assert "hello" in responses(output)
    assert f"longer than {MAX_MESSAGE_BYTES} bytes" in errors
    assert process.returncode == 0


def test_a_client_that_stops_reading_causes_no_traceback(service: str) -> None:
    with start(service) as process:
        process.stdout.close()
        talk(process, lines(*HELLO, get_app("quick")))
        process.stdin.close()
        errors = process.stderr.read()
        process.wait(timeout=20)
    assert "no longer reads" in errors
    assert "Traceback" not in errors
    assert process.returncode == 0


def test_standard_output_has_only_protocol_even_at_log_level_debug(service: str) -> None:
    with start(service, "--log-level", "debug") as process:
        output, errors = process.communicate(lines(*HELLO, get_app("quick")), timeout=20)
    assert responses(output).keys() == {"hello", "quick"}
    assert (
        "DEBUG connected_apps_tools.api.client: GET /v1/connected_apps/clients/{client_id}: 200"
        in errors
    )
    assert REAL["STYTCH_SECRET"] not in errors + output


def test_output_of_a_library_goes_to_standard_error() -> None:
    script = (
        "from connected_apps_mcp.transports.wire import Wire\n"
        "import anyio, os, sys\n"
        "async def main():\n"
        "  with Wire(print):\n"
        "    print('a stray print'); os.write(1, b'a stray write'); print([sys.stdin.read()])\n"
        "anyio.run(main)\n"
        "print('afterwards', sys.stdin.read())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input="given", capture_output=True, text=True, check=True
    )
    assert done.stdout == "afterwards given\n"
    assert "a stray print" in done.stderr
    assert "a stray write" in done.stderr
    assert "['']" in done.stderr


@pytest.mark.parametrize("era", ERAS)
async def test_cancelling_one_call_leaves_the_others_alone(service: str, era: str) -> None:
    parameters = StdioServerParameters(
        command=SERVER[0], args=[*SERVER[1:], "--base-url", service], env=REAL
    )
    finished: list[str] = []
    async with Client(parameters, mode=era) as client:

        async def ask(client_id: str) -> None:
            result = await client.call_tool("get_app", {"client_id": client_id})
            finished.append(answer(result)["app"]["client_id"])

        async with anyio.create_task_group() as others:
            for _ in range(20):
                others.start_soon(ask, "slow")
            with anyio.move_on_after(SLOWLY / 5) as scope:
                await ask("hanging")
        await ask("quick")
    assert scope.cancelled_caught
    assert finished == ["slow"] * 20 + ["quick"]
