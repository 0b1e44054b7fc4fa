"""Commands of a destination, well-behaved and not, in Python."""

import os
import sys
from pathlib import Path
from textwrap import dedent

from connected_apps_tools.secrets.delivery.command import Command

SECRET = "delivery-canary-Zx81kQ0pLm27-_Ab"

TREE = """
    import os, signal, sys, time
    def stay(*_):
        os.open(sys.argv[1] + "/" + str(os.getpid()), os.O_CREAT)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        time.sleep(60)
    def wait_for(count):
        while len(os.listdir(sys.argv[1])) < count:
            time.sleep(0.005)
"""
"""What the commands that start others share: each process notes its id in a folder."""

HIDING = {
    "a child": "if os.fork() == 0: stay()",
    "a child in a session of its own": "if os.fork() == 0: os.setsid(); stay()",
    "an orphan": "if os.fork() == 0: os.fork() and os._exit(0); stay()",
    "a daemon": (
        "if os.fork() == 0: os.setsid(); os.fork() and os._exit(0); os.closerange(0, 9); stay()"
    ),
    "a daemon without variables": (
        "if os.fork() == 0: os.setsid(); os.fork() and os._exit(0); "
        "os.execve('/bin/sh', ['sh', '-c', f': >{sys.argv[1]}/$$; exec /bin/sleep 60'], {})"
    ),
}
"""Ways to leave a process behind."""


def python(script: str, *arguments: str, **options: object) -> Command:
    """A command that runs a script."""
    given: dict[str, object] = {"env": None, "variables": (), "seconds": 20} | options
    return Command([sys.executable, "-c", dedent(script), *arguments], **given)  # type: ignore[arg-type]


def leaving(way: str, folder: Path, end: str = "", **options: object) -> Command:
    """A command that leaves a process behind, and then ends in some way."""
    script = f"{dedent(TREE)}\n{HIDING[way]}\nwait_for(1)\n{end}"
    return python(script, str(folder), **options)


def started(folder: Path) -> int:
    """How many processes noted their ids."""
    return len(list(folder.iterdir()))


def alive(folder: Path) -> list[int]:
    """The processes that noted their ids, and still run."""
    return [int(each.name) for each in folder.iterdir() if _runs(int(each.name))]


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
