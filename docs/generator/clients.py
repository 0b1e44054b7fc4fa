"""The MCP clients that `install` knows."""

import shlex
from collections.abc import Iterator, Mapping
from pathlib import PureWindowsPath

from connected_apps_mcp.client_configs.clients import BY_KEY, CLIENTS, Client
from connected_apps_mcp.client_configs.documents import with_entry
from connected_apps_mcp.client_configs.entries import NAME, PROGRAM, Entry, name_for

from .markdown import table

COMMANDS = """\
```console
$ {program} install {key} --sandbox         # the sandbox
$ {program} install {key}                   # the project of `login`
$ {program} install {key} --profile live    # the project of `login --profile live`
$ {program} uninstall {key}
```
"""

EXAMPLE = """\
With an entry for the sandbox, one for the default profile and one for the profile `live`, the file
has this text:

```{format}
{text}
```
"""

COMMAND = f"/home/me/.local/bin/{PROGRAM}"
"""Where the program is in the examples."""

EXAMPLES: tuple[tuple[str | None, tuple[str, ...]], ...] = (
    (None, ("--sandbox",)),
    (None, ("--profile", "default")),
    ("live", ("--profile", "live")),
)
"""The profile and the flags of each entry that is shown."""

FOLDERS: Mapping[str, Mapping[str, str]] = {
    "Linux": {"home": "~", "xdg": "~/.config", "config": "~/.config"},
    "macOS": {"home": "~", "xdg": "~/.config", "config": "~/Library/Application Support"},
    "Windows": {
        "home": "%USERPROFILE%",
        "xdg": "%USERPROFILE%/.config",
        "config": "%APPDATA%",
    },
}


def clients() -> str:
    """Every client: its name for `install`, and what its configuration can be."""
    return table(
        ["client", "name", "scopes", "its own command"],
        (
            [
                f"[{client.title}]({client.key}.md)",
                f"`{client.key}`",
                "user, project" if client.project else "user",
                f"`{client.own.program}`" if client.own else "",
            ]
            for client in CLIENTS
        ),
    )


def client(key: str) -> str:
    """What `install` does in a client: its commands, the files, and the text that it writes."""
    known = BY_KEY[key]
    return "\n".join(
        [
            COMMANDS.format(program=PROGRAM, key=key),
            *_own_command(known),
            table(["where", "file"], _files(known)),
            EXAMPLE.format(format=known.format, text=_text(known).rstrip()),
            f"Source: <{known.source}>, read in November 2026.\n",
        ]
    )


def _own_command(known: Client) -> Iterator[str]:
    if known.own:
        entry = Entry(NAME, (COMMAND, *EXAMPLES[1][1]))
        ran = shlex.join([known.own.program, *known.own.add(entry)])
        when = "" if known.own.remove else " and the file is new"
        yield (
            f"If `{known.own.program}` is on the `PATH`{when}, `install` lets the client write its "
            f"file (scope: user):\n\n```console\n$ {ran}\n```\n"
        )


def _files(known: Client) -> Iterator[list[str]]:
    for system, folders in FOLDERS.items():
        template = (known.windows if system == "Windows" else None) or known.file
        path = template.format(**folders)
        yield [system, f"`{PureWindowsPath(path) if system == 'Windows' else path}`"]
    if known.folder_variable:
        yield [f"if `{known.folder_variable}` is set", "the same name in that folder"]
    if known.folder_pointer:
        yield [f"if there is `~/{known.folder_pointer}`", "the same name in the folder it names"]
    if known.project:
        yield ["a project (`--scope project`)", f"`{known.project}`"]


def _text(known: Client) -> str:
    text = ""
    for profile, flags in EXAMPLES:
        name = name_for(profile, sandbox="--sandbox" in flags)
        entry = Entry(name, (COMMAND, *flags))
        text = with_entry(known.format, text, (*known.path, name), known.shape(entry))
    return text
