"""Starts our command from a process that has already imported it: a tenth of the CPU time.

Linux only. A test marked `cold` starts each process for real.
"""

import ctypes
import gc
import inspect
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

STARTUP = ("PYTHON", "LC_", "LANG", "LD_")
"""The variables that matter while Python itself starts begin with these."""

ORDINARY: dict[str, Any] = {
    "preexec_fn": None,
    "pass_fds": (),
    "shell": False,
    "executable": None,
    "gid": None,
    "gids": None,
    "uid": None,
    "umask": -1,
}
"""Arguments of `Popen` that a warm start knows only with these values."""

MAX_REQUEST = 100_000
"""A longer command or environment, in bytes, is for a real start."""

IMPORTED = [
    "connected_apps_mcp.commands.cli",
    "connected_apps_mcp.sandbox",
    "connected_apps_mcp.transports.http.app",
    "connected_apps_mcp.transports.http.listening",
    "connected_apps_mcp.transports.stdio",
    "connected_apps_mcp.wiring",
    "mcp.client.stdio",
]
"""What most starts import."""

_PR_SET_CHILD_SUBREAPER = 36


class Template:
    """The process that forks for each start."""

    def __init__(self) -> None:
        # The orphans that a template leaves become children of this process, as real starts are.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def start(self, request: bytes, streams: list[int]) -> int:
        """Start a process on three streams; return its id."""
        with self._lock:
            socket.send_fds(self._control, [request], streams)
            return int(self._control.recv(100))

    def end(self) -> None:
        """End the template; what it started goes on."""
        self._control.close()
        self._process.wait(20)


_COLD: Callable[..., None] = vars(subprocess.Popen)["_execute_child"]
_PARAMETERS = inspect.signature(_COLD)
_PIPES = ["p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite"]


@contextmanager
def warm_starts() -> Iterator[None]:
    """Let `subprocess` start our command warm."""
    templates: list[Template] = []

    def start(process: Any, *args: Any) -> None:
        given = _PARAMETERS.bind(process, *args).arguments
        request = _request(given)
        if request is None:
            return _COLD(process, *args)
        if not templates:
            templates.append(Template())
        ends = (given["p2cread"], given["c2pwrite"], given["errwrite"])
        streams = [number if end == -1 else end for number, end in enumerate(ends)]
        process.pid = templates[0].start(request, streams)
        process._child_created = True
        process._close_pipe_fds(*(given[pipe] for pipe in _PIPES))
        return None

    with _starting_by(start):
        yield
    for template in templates:
        template.end()


@contextmanager
def cold_starts() -> Iterator[None]:
    """Let `subprocess` start everything for real."""
    with _starting_by(_COLD):
        yield


@contextmanager
def _starting_by(start: Callable[..., None]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess.Popen, "_execute_child", start)
        yield


def _request(given: dict[str, Any]) -> bytes | None:
    """What a template has to know for a start; None where only a real one will do."""
    command = [] if isinstance(given["args"], str) else list(map(os.fsdecode, given["args"]))
    given_env = os.environ if given["env"] is None else given["env"]
    env = {os.fsdecode(name): os.fsdecode(value) for name, value in given_env.items()}
    cwd = os.fspath(given["cwd"] or Path.cwd())
    if not (
        command[:2] == [sys.executable, "-P"]
        and len(command) > 2
        and (command[2] == "-m" or command[2].endswith(".py"))
        and all(given[name] == value for name, value in ORDINARY.items())
        and all(os.environ.get(name) == env[name] for name in env if name.startswith(STARTUP))
        and Path(cwd).is_dir()
    ):
        return None
    how = {"session": given["start_new_session"], "group": given["process_group"]}
    request = json.dumps({"command": command[2:], "env": env, "cwd": cwd, **how}).encode()
    return request if len(request) < MAX_REQUEST else None


# What follows runs in the template.


def _next_start(control: socket.socket) -> dict[str, Any]:
    """Fork for each request; return it in the process that it is about."""
    while True:
        message, streams, *_ = socket.recv_fds(control, 2 * MAX_REQUEST, 3)
        if not message:
            os._exit(0)
        request: dict[str, Any] = json.loads(message)
        if _forked_twice(control, request):
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            os.closerange(3, max(streams) + 1)
            return request
        for stream in streams:
            os.close(stream)


def _forked_twice(control: socket.socket, request: dict[str, Any]) -> bool:
    """Fork an orphan, and send its process id once it leads its group; true in the orphan."""
    reads, writes = os.pipe()
    if child := os.fork():
        os.close(writes)
        os.waitpid(child, 0)  # from here on the orphan is a child of who asked for it
        control.send(os.read(reads, 100))
        os.close(reads)
        return False
    if os.fork():
        os._exit(0)
    # Whoever knows the process id may signal the group.
    if request["session"]:
        os.setsid()
    if request["group"] != -1:
        os.setpgid(0, request["group"])
    os.write(writes, b"%d" % os.getpid())
    return True


def _become(request: dict[str, Any]) -> None:
    """Run a command as a Python that was just started would."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())  # type: ignore[union-attr]
    sys.argv = request["command"]
    if sys.argv[0] == "-m":
        sys.argv = sys.argv[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


def _main() -> None:
    for name in IMPORTED:
        import_module(name)
    gc.freeze()  # what is never looked at is never copied
    with socket.socket(fileno=int(sys.argv[1])) as control:
        try:
            request = _next_start(control)
        except KeyboardInterrupt:
            os._exit(0)
    _become(request)


if __name__ == "__main__":
    _main()
