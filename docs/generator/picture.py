"""The picture of a terminal in the README: a real run of `connected-apps-mcp demo`, as SVG."""

import re
import subprocess
import sys
from collections.abc import Iterator
from html import escape, unescape

from connected_apps_mcp.client_configs.entries import PROGRAM

from .places import DOCS

PICTURE = DOCS / "pictures" / "demo.svg"

COLUMNS = 100
CHARACTER_WIDTH, LINE_HEIGHT, MARGIN, BAR = 8.4, 20, 16, 32
"""In pixels, for a font of 14 pixels."""

PAGE = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img"
xml:space="preserve">
<title>A terminal in which connected-apps-mcp demo runs</title>
<style>
text {{ font: 14px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #d8dee9; }}
.ok {{ fill: #a3be8c; }}
.prompt {{ fill: #88c0d0; }}
</style>
<rect width="100%" height="100%" rx="8" fill="#242933"/>
<circle cx="20" cy="18" r="6" fill="#bf616a"/>
<circle cx="40" cy="18" r="6" fill="#ebcb8b"/>
<circle cx="60" cy="18" r="6" fill="#a3be8c"/>
{lines}
</svg>
"""
LINE = '<text x="{x}" y="{y}">{text}</text>'

RANDOM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=secret …)\S{4}")
"""What differs in each run: the id of the app, and the end of its secret."""


def write() -> None:
    """Draw a new picture, unless the one that is there says the same."""
    text = recording()
    if not PICTURE.exists() or without_chance(shown(PICTURE.read_text("utf-8"))) != without_chance(
        text
    ):
        PICTURE.parent.mkdir(exist_ok=True)
        PICTURE.write_text(drawn(text), "utf-8")


def recording() -> str:
    """What a terminal shows of a run, with the command."""
    command = [sys.executable, "-m", "connected_apps_mcp", "demo"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    return "\n".join(_wrapped(f"$ {PROGRAM} demo\n{ran.stdout}"))


def drawn(text: str) -> str:
    """The picture of a text."""
    lines = text.splitlines()
    return PAGE.format(
        width=COLUMNS * CHARACTER_WIDTH + 2 * MARGIN,
        height=BAR + len(lines) * LINE_HEIGHT + MARGIN,
        lines="\n".join(
            LINE.format(x=MARGIN, y=BAR + (at + 1) * LINE_HEIGHT, text=_coloured(escape(line)))
            for at, line in enumerate(lines)
        ),
    )


def shown(picture: str) -> str:
    """The text in a picture."""
    lines = re.findall(r"<text[^>]*>(.*)</text>", picture)
    return "\n".join(unescape(re.sub(r"<[^>]+>", "", line)) for line in lines)


def without_chance(text: str) -> str:
    """A recording without what differs in each run."""
    return RANDOM.sub("…", text)


def _wrapped(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from (line[at : at + COLUMNS] for at in range(0, len(line) or 1, COLUMNS))


def _coloured(line: str) -> str:
    line = re.sub(r"^(\$ .*)", r'<tspan class="prompt">\1</tspan>', line)
    return re.sub(r"^(  ok)(?=  )", r'<tspan class="ok">\1</tspan>', line)
