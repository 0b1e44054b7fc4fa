"""Configuration files that must not be edited. Each is made in an empty folder."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

from connected_apps_mcp.client_configs.documents import Format

SECRET = "sk-live-canary"
"""A credential of another server, in every file. No refusal shows it."""

JSON = f"""{{
  // the servers
  "mcpServers": {{
    "other": {{"command": "npx", "env": {{"KEY": "{SECRET}"}}}},
  }},
  "theme": ["dark", 1.5, null, true],
}}
"""

OTHER = f'"other": {{"KEY": "{SECRET}"}}'

_DEEP = 100_000

TEXTS: dict[str, tuple[Format, str]] = {
    **{
        f"JSON, cut at {size}": ("json", JSON[:size])
        for size in range(len("{\n"), JSON.rindex("}"), 5)
    },
    "JSON, two roots": ("json", JSON + JSON),
    "JSON, a word after the root": ("json", JSON + "x"),
    "JSON, a brace too many": ("json", JSON + "}"),
    "JSON, one key twice at the root": ("json", f"{{{OTHER}, {OTHER}}}"),
    "JSON, one server twice": ("json", f'{{"mcpServers": {{{OTHER}, {OTHER}}}}}'),
    "JSON, one key twice far inside": ("json", f'{{"a": [{{"b": {{{OTHER}, {OTHER}}}}}]}}'),
    "JSON, a list": ("json", f"[{{{OTHER}}}]"),
    "JSON, a text": ("json", f'"{SECRET}"'),
    "JSON, null": ("json", f"null // {SECRET}"),
    "JSON, servers in a list": ("json", f'{{"mcpServers": [{{{OTHER}}}]}}'),
    "JSON, servers in a text": ("json", f'{{"mcpServers": "{SECRET}"}}'),
    "JSON, no servers": ("json", f'{{{OTHER}, "mcpServers": null}}'),
    "JSON, our entry is null": ("json", f'{{"mcpServers": {{{OTHER}, "ours": null}}}}'),
    "JSON, a number as a key": ("json", f"{{{OTHER}, 1: 2}}"),
    "JSON, a key without quotes": ("json", f"{{{OTHER}, a: 2}}"),
    "JSON, single quotes": ("json", f"{{'a': '{SECRET}'}}"),
    "JSON, two commas": ("json", f"{{{OTHER},,}}"),
    "JSON, only a comma": ("json", f"{{,}} // {SECRET}"),
    "JSON, a comment without an end": ("json", f"{{{OTHER}}} /* {SECRET}"),
    "JSON, a line break in a text": ("json", f'{{"a": "{SECRET}\n"}}'),
    "JSON, an unknown escape": ("json", f'{{"a": "\\q{SECRET}"}}'),
    "JSON, NaN": ("json", f'{{{OTHER}, "a": NaN}}'),
    "JSON, a number without an end": ("json", f'{{{OTHER}, "a": {"9" * 5_000}}}'),
    "JSON, deep lists": ("json", f'{{{OTHER}, "a": {"[" * _DEEP}{"]" * _DEEP}}}'),
    "JSON, deep objects": ("json", f"{{{OTHER}, " + '"a":{' * _DEEP + "}" * (_DEEP + 1)),
    "JSON, old line breaks": ("json", f"{{{OTHER}}}\r"),
    "JSON, a conflict of git": ("json", f"{{\n<<<<<<< HEAD\n{OTHER}\n=======\n>>>>>>> x\n}}\n"),
    "TOML, a text without an end": ("toml", f'key = "{SECRET}'),
    "TOML, a long text without an end": ("toml", f'key = """{SECRET}\n'),
    "TOML, a header without an end": ("toml", f'key = "{SECRET}"\n[mcpServers.ot'),
    "TOML, a list without an end": ("toml", f'args = ["{SECRET}",\n'),
    "TOML, a key without a value": ("toml", f'key = "{SECRET}"\nmodel ='),
    "TOML, half a key": ("toml", f'key = "{SECRET}"\nmod'),
    "TOML, an inline table without an end": ("toml", f'env = {{ KEY = "{SECRET}"'),
    "TOML, one key twice": ("toml", f'key = "{SECRET}"\nkey = 2\n'),
    "TOML, one table twice": ("toml", f'[a]\nkey = "{SECRET}"\n[a]\n'),
    "TOML, a table over a value": ("toml", f'mcpServers = "{SECRET}"\n[mcpServers.a]\n'),
    "TOML, servers in a text": ("toml", f'mcpServers = "{SECRET}"\n'),
    "TOML, servers in a list of tables": ("toml", f'[[mcpServers]]\nkey = "{SECRET}"\n'),
    "TOML, a date that cannot be": ("toml", f'key = "{SECRET}"\nday = 2026-02-30\n'),
    "TOML, a number without an end": ("toml", f'key = "{SECRET}"\nn = {"9" * 5_000}\n'),
    "TOML, deep lists": ("toml", f'key = "{SECRET}"\na = {"[" * _DEEP}{"]" * _DEEP}\n'),
    "TOML, old line breaks": ("toml", f'key = "{SECRET}"\r'),
    "TOML, in truth JSON": ("toml", JSON),
    "YAML, a text without an end": ("yaml", f"key: '{SECRET}\n"),
    "YAML, a mapping without an end": ("yaml", f"mcpServers: {{key: {SECRET}\n"),
    "YAML, a list without an end": ("yaml", f"args: [{SECRET},\n"),
    "YAML, half a key": ("yaml", f"key: {SECRET}\nmod"),
    "YAML, two documents": ("yaml", f"key: {SECRET}\n---\nother: 1\n"),
    "YAML, one key twice": ("yaml", f"key: {SECRET}\nkey: 2\n"),
    "YAML, one server twice": ("yaml", f"mcpServers:\n  a: {SECRET}\n  a: 2\n"),
    "YAML, a list": ("yaml", f"- {SECRET}\n"),
    "YAML, a text": ("yaml", f"{SECRET}\n"),
    "YAML, servers in a list": ("yaml", f"mcpServers:\n  - {SECRET}\n"),
    "YAML, servers in a text": ("yaml", f"mcpServers: {SECRET}\n"),
    "YAML, servers that are null": ("yaml", f"key: {SECRET}\nmcpServers: null\n"),
    "YAML, servers with an anchor": ("yaml", f"mcpServers: &a\n  key: {SECRET}\nb: *a\n"),
    "YAML, servers as an alias": ("yaml", f"b: &a\n  key: {SECRET}\nmcpServers: *a\n"),
    "YAML, an unknown alias": ("yaml", f"key: {SECRET}\nb: *nothing\n"),
    "YAML, servers with a tag": ("yaml", f"mcpServers: !!python/object:os.x {SECRET}\n"),
    "YAML, a tab as indentation": ("yaml", f"mcpServers:\n\tkey: {SECRET}\n"),
    "YAML, wrong indentation": ("yaml", f"mcpServers:\n    key: {SECRET}\n  b: 1\n"),
    "YAML, a number without an end": ("yaml", f"key: {SECRET}\nn: {'9' * 5_000}\n"),
    "YAML, deep lists": ("yaml", f"key: {SECRET}\na: {'[' * 2_000}{']' * 2_000}\n"),
    "YAML, old line breaks": ("yaml", f"key: {SECRET}\r"),
    "YAML, a character of control": ("yaml", f"key: {SECRET}\na: \x07\n"),
}
"""Texts that are damaged, or that an entry cannot be added to."""

BYTES = {
    "a byte order mark": b"\xef\xbb\xbf" + JSON.encode(),
    "UTF-16": JSON.encode("utf-16"),
    "UTF-16, big endian": b"\xfe\xff" + JSON.encode("utf-16-be"),
    "UTF-16 without a mark": JSON.encode("utf-16-le"),
    "UTF-32": JSON.encode("utf-32"),
    "Latin-1": JSON.replace("dark", "dünkel").encode("latin-1"),
    "half a character at the end": JSON.encode() + "é".encode()[:1],
    "a surrogate": JSON.encode() + b"\xed\xa0\x80",
    "a NUL byte at the start": b"\0" + JSON.encode(),
    "a NUL byte at the end": JSON.encode() + b"\0",
    "only NUL bytes, as after a crash": bytes(512),
    "gzip": b"\x1f\x8b\x08\0" + JSON.encode(),
    "a huge file": JSON.encode() + b" " * (5 << 20),
}
"""Files that are no text, or too much of it."""

Make = Callable[[Path], Path]

STRANGER = 54_321
"""The id of another user."""


def written(path: Path) -> Path:
    """A file that could be edited."""
    path.write_text(JSON)
    return path


def _linked(path: Path, to: Path | str) -> Path:
    path.symlink_to(to)
    return path


def _given_away(path: Path) -> Path:
    os.chown(path, STRANGER, STRANGER, follow_symlinks=False)
    return path


def _with_mode(path: Path, mode: int) -> Path:
    path.chmod(mode)
    return path


def _folder(path: Path, mode: int = 0o700) -> Path:
    path.mkdir()
    path.chmod(mode)
    return path


def _fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _socket(path: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    return path


def _pair_of_links(folder: Path) -> Path:
    return _linked(_linked(folder / "config", folder / "other").parent / "other", "config")


def _chain_of_links(folder: Path) -> Path:
    previous = written(folder / "end")
    for number in range(50):
        previous = _linked(folder / f"link-{number}", previous)
    return previous


def _hard_link(folder: Path) -> Path:
    (folder / "config").hardlink_to(written(folder / "other"))
    return folder / "config"


def _in_read_only_folder(folder: Path) -> Path:
    path = written(_folder(folder / "closed") / "config")
    _with_mode(path.parent, 0o500)
    return path


def _link_into_read_only_folder(folder: Path) -> Path:
    return _linked(folder / "config", _in_read_only_folder(folder))


def _in_folder_that_is_a_file(folder: Path) -> Path:
    return written(folder / "file") / "config"


PLACES: dict[str, Make] = {
    "a link to itself": lambda folder: _linked(folder / "config", "config"),
    "two links to each other": _pair_of_links,
    "a chain of many links": _chain_of_links,
    "a link to nothing": lambda folder: _linked(folder / "config", "nothing"),
    "a link into a folder that is not there": lambda folder: _linked(folder / "config", "a/b"),
    "a link to a folder": lambda folder: _linked(folder / "config", _folder(folder / "other")),
    "a link to /dev/null": lambda folder: _linked(folder / "config", "/dev/null"),
    "a link to /dev/zero": lambda folder: _linked(folder / "config", "/dev/zero"),
    "a link to a pipe": lambda folder: _linked(folder / "config", _fifo(folder / "pipe")),
    "a link to a read-only file": lambda folder: _linked(
        folder / "config", _with_mode(written(folder / "other"), 0o400)
    ),
    "a link into a read-only folder": _link_into_read_only_folder,
    "a pipe": lambda folder: _fifo(folder / "config"),
    "a socket": lambda folder: _socket(folder / "config"),
    "a folder": lambda folder: _folder(folder / "config"),
    "a file in the place of the folder": _in_folder_that_is_a_file,
    "a read-only file": lambda folder: _with_mode(written(folder / "config"), 0o444),
    "a file without permissions": lambda folder: _with_mode(written(folder / "config"), 0),
    "a file in a read-only folder": _in_read_only_folder,
    "a new file in a read-only folder": lambda folder: _folder(folder / "closed", 0o500) / "config",
    "a hard link": _hard_link,
    "a name that is too long": lambda folder: folder / ("x" * 300),
}
"""Things that are in the place of a file that this user can replace."""


def _link_into_foreign_folder(folder: Path) -> Path:
    other = _folder(folder / "foreign")
    link = _linked(folder / "config", written(other / "config"))
    _given_away(other)
    return link


FOREIGN: dict[str, Make] = {
    "a file of another user": lambda folder: _given_away(written(folder / "config")),
    "a link to a file of another user": lambda folder: _linked(
        folder / "config", _given_away(written(folder / "other"))
    ),
    "a link of another user": lambda folder: _given_away(
        _linked(folder / "config", written(folder / "other"))
    ),
    "a link into a folder of another user": _link_into_foreign_folder,
}
"""The same, of other users. Only root can make them."""
