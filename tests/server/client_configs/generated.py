"""Generated documents in each format, with what they hold, as people write them by hand."""

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from connected_apps_mcp.client_configs.documents import Format

NAMES = ["mcpServers", "other", "a b", "x-1", "é", "deep", 'quoted "//" name', "#"]
"""Names that the documents use. The entries of the tests have other names."""

NOISE = ["lost?", "{ } [ ] , :", '"', "'", "[mcpServers.ours]", "ours: 1", '"ours": {}', "é"]
"""What comments say. Nothing of it is meant."""


@dataclass(frozen=True)
class Written:
    """A text, and what it holds."""

    format: Format
    text: str
    data: dict[str, Any]


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-99, 10**20),
    st.sampled_from(["", "plain", "two words", "//no # comment", '"{', "\\", "line\nbreak", "é"]),
)

LINE_BREAKS = st.sampled_from(["\n", "\n", "\r\n"])


@st.composite
def json_documents(draw: st.DrawFn) -> Written:
    end = draw(LINE_BREAKS)
    comments = draw(st.booleans())
    gap = _gaps(end, comments=comments)

    def value(depth: int) -> tuple[str, Any]:
        kind = draw(
            st.sampled_from(["scalar", "scalar", "object", "list"] if depth else ["scalar"])
        )
        if kind == "object":
            return an_object(depth)
        if kind == "list":
            items = [value(depth - 1) for _ in range(draw(st.integers(0, 2)))]
            return _joined(draw, gap, "[]", items, comments), [data for _, data in items]
        scalar = draw(st.one_of(SCALARS, st.none()))
        return json.dumps(scalar, ensure_ascii=draw(st.booleans())), scalar

    def an_object(depth: int) -> tuple[str, Any]:
        names = draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True))
        members, data = [], {}
        for name in names:
            must = name == "mcpServers"
            text, data[name] = an_object(max(depth - 1, 0)) if must else value(max(depth - 1, 0))
            members.append((f"{json.dumps(name)}{draw(gap)}:{draw(gap)}{text}", None))
        return _joined(draw, gap, "{}", members, comments), data

    before, after = draw(gap), draw(gap)
    if comments and draw(st.integers(0, 9)) == 0:
        return Written("json", before + after, {})
    text, data = an_object(3)
    return Written("json", before + text + after, data)


def _joined(
    draw: st.DrawFn, gap: st.SearchStrategy[str], ends: str, items: list[Any], trailing: bool
) -> str:
    text = ends[0]
    for index, (item, _) in enumerate(items):
        last = index == len(items) - 1
        comma = "," if not last or (trailing and draw(st.booleans())) else ""
        text += draw(gap) + item + draw(gap) + comma
    return text + draw(gap) + ends[1]


def _gaps(end: str, *, comments: bool) -> st.SearchStrategy[str]:
    blanks = st.sampled_from(["", "", " ", "  ", "\t", end, end + "  ", end + "\t", end + end])
    if not comments:
        return blanks
    said = st.sampled_from(NOISE)
    lines = said.map(lambda text: f"// {text}{end}")
    blocks = said.map(lambda text: f"/* {text}{end} */")
    return st.lists(st.one_of(blanks, blanks, lines, blocks), max_size=3).map("".join)


@st.composite
def toml_documents(draw: st.DrawFn) -> Written:
    end = draw(LINE_BREAKS)
    blanks = st.sampled_from(["", "", end, "  " + end, end + end])
    remarks = st.sampled_from(["", "", *(f"  # {text}" for text in NOISE)])
    data: dict[str, Any] = {}

    def pair(names: list[str], into: dict[str, Any], name: str) -> str:
        value = draw(SCALARS)
        into[name] = value
        dotted = ".".join(map(_toml_key, [*names, name]))
        equals = draw(st.sampled_from([" = ", "=", "  =\t"]))
        return f"{draw(_indents)}{dotted}{equals}{_toml_value(draw, value)}"

    lines: list[str] = []

    def put(line: str) -> None:
        lines.append(draw(blanks) + line + draw(remarks) + end)

    for name in draw(st.lists(st.sampled_from(NAMES[1:]), max_size=3, unique=True)):
        put(pair([], data, name))
    if draw(st.booleans()):
        data["list"] = [[1, "]"], ["["]]
        put(f'list = [ # {NOISE[4]}{end}  [1, "]"],{end}  ["["], # ]{end}]')
    if draw(st.booleans()):
        data["long"] = "[mcpServers.ours]\n# no\n"
        put(f'long = """{end}[mcpServers.ours]{end}# no{end}"""') if end == "\n" else put(
            'long = "[mcpServers.ours]\\n# no\\n"'
        )
    match draw(st.sampled_from(["none", "empty", "dotted", "inline", "table", "sub", "mixed"])):
        case "empty":
            data["mcpServers"] = {}
            put("mcpServers = {" + draw(_spaces) + "}")
        case "dotted":
            data["mcpServers"] = {"first": {}}
            put(pair(["mcpServers", "first"], data["mcpServers"]["first"], "command"))
        case "inline":
            data["mcpServers"] = {"first": {"args": ["}", ","]}, "second": {}}
            space = draw(_spaces)
            put("mcpServers = {" + space + 'first = { args = ["}", ","]}, second={}' + space + "}")
        case "table":
            data["mcpServers"] = {}
            put("[mcpServers]")
        case "sub":
            data["mcpServers"] = {"first": {}}
            put("[ mcpServers . 'first' ]")
            put(pair([], data["mcpServers"]["first"], "command"))
        case "mixed":
            data["mcpServers"] = {"zeroth": {}, "first": {"env": {}}}
            put("[mcpServers]")
            put(pair(["zeroth"], data["mcpServers"]["zeroth"], "command"))
            put('[mcpServers."first".env]')
            put(pair([], data["mcpServers"]["first"]["env"], "KEY"))
    for number in range(draw(st.integers(0, 2))):
        data.setdefault("array", []).append({"number": number})
        put("[[array]]")
        put(f"number = {number}")
    if draw(st.booleans()):
        lines.append(draw(_indents) + "# the end" + end)
    return Written("toml", _unended(draw, "".join(lines) + draw(blanks), end), data)


_spaces = st.sampled_from(["", " ", "  "])
_indents = st.sampled_from(["", "", "  ", "\t"])


def _toml_key(name: str) -> str:
    return name if name.isascii() and name.isalnum() else json.dumps(name, ensure_ascii=False)


def _toml_value(draw: st.DrawFn, value: Any) -> str:
    if isinstance(value, str) and not set("'\n") & set(value) and draw(st.booleans()):
        return f"'{value}'"
    return json.dumps(value, ensure_ascii=False)


def _unended(draw: st.DrawFn, text: str, end: str) -> str:
    """The text, or the text without its last line break."""
    return text.removesuffix(end) if draw(st.integers(0, 3)) == 0 else text


@st.composite
def yaml_documents(draw: st.DrawFn) -> Written:
    end = draw(LINE_BREAKS)
    remarks = st.sampled_from(["", "", *(f"  # {text}" for text in NOISE)])
    step = draw(st.sampled_from([1, 2, 4]))
    lines: list[str] = []

    def put(line: str) -> None:
        lines.append(line + draw(remarks) + end)
        if draw(st.integers(0, 3)) == 0:
            lines.append(" " * draw(st.integers(0, 6)) + draw(st.sampled_from(["", "# own"])) + end)

    def scalar(indent: int, lead: str) -> Any:
        value = draw(SCALARS)
        if isinstance(value, str) and value == "line\nbreak" and end == "\n":
            lines.append(
                f"{lead} |-{end}{' ' * (indent + step)}line{end}{' ' * (indent + step)}break{end}"
            )
            return value
        if value == "plain" and draw(st.booleans()):
            put(f"{lead} plain")
        elif isinstance(value, str) and not set("'\n") & set(value) and draw(st.booleans()):
            put(f"{lead} '{value}'")
        else:
            put(f"{lead} {json.dumps(value, ensure_ascii=False)}")
        return value

    def node(indent: int, depth: int, lead: str, *, must: bool = False) -> Any:
        kinds = ["block", "flow", "empty", "nothing"]
        kind = draw(st.sampled_from(kinds if must else [*kinds, "scalar", "scalar", "list"]))
        if kind == "block" and depth:
            put(lead)
            return mapping(indent + step, depth - 1, at_least=1)
        if kind == "flow":
            space = draw(_spaces)
            put(
                lead
                + " {"
                + space
                + "a: [b, '}'], \"c\": {d: 1}"
                + draw(st.sampled_from(["", ","]))
                + space
                + "}"
            )
            return {"a": ["b", "}"], "c": {"d": 1}}
        if kind == "list":
            put(lead)
            items = draw(st.integers(1, 2))
            return [scalar(indent + step, " " * indent + "-") for _ in range(items)]
        if kind == "scalar":
            return scalar(indent, lead)
        put(lead + ("" if kind == "nothing" else f" {{{draw(_spaces)}}}"))
        return {}

    def mapping(indent: int, depth: int, at_least: int) -> dict[str, Any]:
        names = draw(st.lists(st.sampled_from(NAMES), min_size=at_least, max_size=3, unique=True))
        data = {}
        for name in names:
            key = (
                name if name.isascii() and name.isalnum() else json.dumps(name, ensure_ascii=False)
            )
            lead = " " * indent + key + ":"
            data[name] = node(indent, depth, lead, must=name == "mcpServers")
        return data

    head = draw(
        st.sampled_from(["", "", "# head" + end, end, "---" + end, "%YAML 1.2" + end + "---" + end])
    )
    if draw(st.integers(0, 4)) == 0:
        blank = draw(_spaces)
        written = draw(
            st.sampled_from([("{" + blank + "}", {}), ('{"deep": {"a": 1}}', {"deep": {"a": 1}})])
        )
        return Written("yaml", _unended(draw, head + written[0] + end, end), written[1])
    data = mapping(0, 2, at_least=0)
    tail = draw(st.sampled_from(["", "", end, "# tail" + end]))
    return Written("yaml", _unended(draw, head + "".join(lines) + tail, end), data)


DOCUMENTS = st.one_of(json_documents(), toml_documents(), yaml_documents())

PIECES = [
    *(
        "",
        "\n",
        "\r",
        "  ",
        "\t",
        "\0",
        "\x85",
        "\u2028",
        "\ufeff",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "'",
        '"',
    ),
    *(
        "#",
        "//",
        "/*",
        "*/",
        "\\",
        "=",
        "- ",
        "? ",
        "&a ",
        "*a",
        "!t ",
        "<<: ",
        "---\n",
        "...",
        "|",
    ),
    *("null", "~", "1_0", "0x1F", "a: b", "mcpServers", "NaN", "1e999"),
]


@st.composite
def _damaged(draw: st.DrawFn) -> tuple[Format, str]:
    document = draw(DOCUMENTS)
    text = document.text
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        length = draw(st.sampled_from([0, 0, 1, 1, 5, 100]))
        text = text[:start] + draw(st.sampled_from(PIECES)) + text[start + length :]
    return document.format, text


DAMAGED = _damaged()
"""Documents in which some pieces are missing, and others are where they should not be."""
