"""Runs this program where the parts of Python are missing that only POSIX systems have.

A script: `python without_posix.py ARGUMENTS` runs the command, `--import-all` every module of ours.
It cannot stand for Windows, but whatever it finds fails there too. The libraries are imported
before, and the few calls of Windows itself have stand-ins.
"""

import builtins
import importlib
import os
import pkgutil
import shutil
import signal
import sys
import types
from typing import Any

for _name in (
    "aiohttp",
    "anyio._backends._asyncio",
    "click.testing",
    "httpx2",
    "keyring.backends.chainer",
    "mcp.client.stdio",
    "platformdirs",
    "subprocess",
    "uvicorn",
):
    importlib.import_module(_name)

from connected_apps_tools.secrets.delivery import posix_tree  # noqa: E402 - after the libraries
from connected_apps_tools.storage import posix  # noqa: E402

MISSING_MODULES = {"fcntl", "grp", "pwd", "resource", "termios", "uvloop"}
MISSING = {
    os: ["O_DIRECTORY", "O_NOFOLLOW", "geteuid", "getuid", "pread", "fork", "execvpe"],
    signal: ["SIGHUP", "SIGPIPE", "SIGXFSZ"],
}


ONLY_POSIX = {
    posix.__name__,
    posix_tree.__name__,
    "connected_apps_tools.secrets.delivery.guard",
}
"""The modules of ours that only POSIX systems import."""


def windows() -> types.ModuleType:
    """The module of Windows' own calls, by the means of this system."""
    module = types.ModuleType("connected_apps_tools.storage.windows")
    names = [name for name in vars(posix) if not name.startswith("_")]
    vars(module).update({name: vars(posix)[name] for name in names if name != "DescriptorFolder"})
    return module


def windows_tree() -> types.ModuleType:
    """The same of the module that runs a command with everything that it starts."""
    module = types.ModuleType("connected_apps_tools.secrets.delivery.windows_tree")
    vars(module)["ProcessTree"] = posix_tree.ProcessTree
    return module


def take_away() -> None:
    """Take away what only POSIX has. The stand-ins for Windows keep it for themselves."""
    vars(posix)["os"] = types.SimpleNamespace(**vars(os))
    ordinary, opened = builtins.__import__, os.open

    def import_(name: str, into: Any = None, *rest: Any) -> types.ModuleType:
        if name in MISSING_MODULES and into is not vars(posix):
            raise ModuleNotFoundError(name)
        return ordinary(name, into, *rest)

    def open_(*arguments: Any, dir_fd: int | None = None, **more: Any) -> int:
        if dir_fd is not None:
            raise NotImplementedError
        return opened(*arguments, **more)

    vars(builtins)["__import__"] = import_
    vars(os)["open"] = open_
    vars(sys)["modules"]["uvloop"] = None  # so that it is not found either
    vars(shutil)["_use_fd_functions"] = False
    for module, names in MISSING.items():
        for name in names:
            delattr(module, name)
    vars(signal)["SIGBREAK"] = signal.SIGUSR1
    vars(sys)["platform"] = "win32"
    for name in [name for name in sys.modules if name.startswith("connected_apps_tools")]:
        del sys.modules[name]
    for module in (windows(), windows_tree()):
        sys.modules[module.__name__] = module


def import_all() -> None:
    """Import every module of both packages, and say which."""
    for name in ("connected_apps_mcp", "connected_apps_tools"):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if module.name not in ONLY_POSIX:
                importlib.import_module(module.name)
                sys.stdout.write(f"{module.name}\n")


if __name__ == "__main__":
    take_away()
    if sys.argv[1:] == ["--import-all"]:
        import_all()
    else:
        from connected_apps_mcp.__main__ import main

        main()
