"""How an entry looks in documents that people have."""

import pytest
from pydantic import JsonValue

from connected_apps_mcp.client_configs.documents import (
    Format,
    Unreadable,
    entry_of,
    with_entry,
    without_entry,
)

ENTRY: dict[str, JsonValue] = {"command": "/bin/ours", "args": ["--sandbox"]}

ONE_LINE = '"ours": {"command": "/bin/ours", "args": ["--sandbox"]}'

CASES: dict[str, tuple[Format, str, str]] = {
    "a missing file": (
        "json",
        "",
        """{
  "mcpServers": {
    "ours": {
      "command": "/bin/ours",
      "args": [
        "--sandbox"
      ]
    }
  }
}
""",
    ),
    "an empty parent": (
        "json",
        """{
  "mcpServers": {}
}
""",
        """{
  "mcpServers": {"ours": {
    "command": "/bin/ours",
    "args": [
      "--sandbox"
    ]
  }}
}
""",
    ),
    "comments and tabs": (
        "json",
        """// mine
{
\t"mcpServers": {
\t\t"other": {} // keep
\t\t// "old": {}
\t}
}
""",
        """// mine
{
\t"mcpServers": {
\t\t"other": {}, // keep
\t\t"ours": {
\t\t\t"command": "/bin/ours",
\t\t\t"args": [
\t\t\t\t"--sandbox"
\t\t\t]
\t\t}
\t\t// "old": {}
\t}
}
""",
    ),
    "a trailing comma": (
        "json",
        '{\n  "mcpServers": {"a": {},},\n}',
        """{
  "mcpServers": {"a": {}, "ours": {
    "command": "/bin/ours",
    "args": [
      "--sandbox"
    ]
  },},
}""",
    ),
    "one line": (
        "json",
        '{"mcpServers":{"a":{}}}',
        f'{{"mcpServers":{{"a":{{}}, {ONE_LINE}}}}}',
    ),
    "tables": (
        "toml",
        """model = "o"  # mine

[mcp_servers.other]
command = "x"
""",
        """model = "o"  # mine

[mcp_servers.other]
command = "x"

[mcp_servers.ours]
command = "/bin/ours"
args = ["--sandbox"]
""",
    ),
    "an inline table": (
        "toml",
        'mcp_servers = { other = { command = "x" } } # mine\n',
        (
            'mcp_servers = { other = { command = "x" }, '
            'ours = {command = "/bin/ours", args = ["--sandbox"]} } # mine\n'
        ),
    ),
    "a block": (
        "yaml",
        """extensions:
  other:
    cmd: x # mine
# about the model
model: o
""",
        """extensions:
  other:
    cmd: x # mine
  ours:
    command: "/bin/ours"
    args: ["--sandbox"]
# about the model
model: o
""",
    ),
    "nothing": (
        "yaml",
        "extensions: # none yet\nmodel: o\n",
        (
            'extensions: { ours: {"command": "/bin/ours", "args": ["--sandbox"]} } # none yet\n'
            "model: o\n"
        ),
    ),
}

PARENT: dict[Format, str] = {"json": "mcpServers", "toml": "mcp_servers", "yaml": "extensions"}


@pytest.mark.parametrize("case", CASES)
def test_an_entry_looks_like_its_surroundings(case: str) -> None:
    kind, text, expected = CASES[case]
    assert with_entry(kind, text, (PARENT[kind], "ours"), ENTRY) == expected


@pytest.mark.parametrize("case", [case for case in CASES if CASES[case][1]])
def test_the_line_breaks_of_windows_stay(case: str) -> None:
    kind, text, expected = CASES[case]
    changed = with_entry(kind, text.replace("\n", "\r\n"), (PARENT[kind], "ours"), ENTRY)
    assert changed == expected.replace("\n", "\r\n")


def test_an_entry_that_a_client_wrote_anew_can_be_removed() -> None:
    text = '{"mcpServers":{"ours":{"args":[],"command":"x"},"other":{}}}'
    assert without_entry("json", text, ("mcpServers", "ours")) == '{"mcpServers":{"other":{}}}'


def test_a_removal_keeps_comments_around_an_entry_that_was_edited() -> None:
    text = '{\n  // first\n  "ours": { "command": "x" }, // mine\n  "other": {} // last\n}\n'
    assert without_entry("json", text, ("ours",)) == (
        '{\n  // first // mine\n  "other": {} // last\n}\n'
    )


def test_a_removal_takes_the_tables_below_an_entry() -> None:
    text = '[mcp_servers.ours]\nx = 1\n\n[mcp_servers.ours.env]\nA = "1"\n\n# next\n[z]\n'
    assert without_entry("toml", text, ("mcp_servers", "ours")) == "# next\n[z]\n"


def test_a_removal_finds_the_parts_of_an_entry() -> None:
    text = "[mcp_servers.ours]\nx = 1\n[z]\n[mcp_servers.ours.env]\ny = 1\n[a]\n"
    assert without_entry("toml", text, ("mcp_servers", "ours")) == "[z]\n[a]\n"


def test_the_last_extension_leaves_an_empty_mapping() -> None:
    text = "extensions:\n    ours:\n        cmd: 'x'\nmodel: o\n"
    assert without_entry("yaml", text, ("extensions", "ours")) == "extensions: {}\nmodel: o\n"


def test_what_was_added_after_an_entry_stays_without_it() -> None:
    made = with_entry("json", "{}", ("mcpServers", "ours"), ENTRY)
    more = made.replace('{"mcpServers"', '{"theme": "dark", "mcpServers"')
    assert without_entry("json", more, ("mcpServers", "ours")) == (
        '{"theme": "dark", "mcpServers": {}}'
    )


def test_an_inline_table_gets_the_tables_of_an_entry() -> None:
    text = with_entry("toml", "mcp_servers = {}\n", ("mcp_servers", "ours"), {"env": {"A": "1"}})
    assert text == 'mcp_servers = {ours = {env = {A = "1"}}}\n'


def test_an_entry_in_an_inline_table_of_an_inline_table_is_not_removed() -> None:
    text = "mcp = {servers = {ours = {a = 1}, other = {}}}\n"
    with pytest.raises(Unreadable, match=r"change to the rest\. Remove it by hand\.$"):
        without_entry("toml", text, ("mcp", "servers", "ours"))


def test_keys_that_are_no_text_stay() -> None:
    text = "extensions:\n  1: {}\n  true: {}\n"
    assert with_entry("yaml", text, ("extensions", "ours"), {"a": 1}) == (
        f"{text}  ours:\n    a: 1\n"
    )


def test_values_of_yaml_are_those_of_its_present_version() -> None:
    text = "ours: {a: yes, b: true, c: 1.5, d: 0o17, e: ~, f: 2026-01-01}"
    assert entry_of("yaml", text, ("ours",)) == {
        "a": "yes",
        "b": True,
        "c": 1.5,
        "d": 15,
        "e": None,
        "f": {"tag:yaml.org,2002:timestamp": "2026-01-01"},
    }


def test_numbers_of_one_value_are_not_taken_for_the_same() -> None:
    text = with_entry("json", '{"ours": {"timeout": 1}}', ("ours",), {"timeout": True})
    assert entry_of("json", text, ("ours",)) == {"timeout": True}


def test_an_entry_with_its_keys_in_another_order_stays_as_it_is() -> None:
    text = '{"ours": {"args": [], "command": "x"}}'
    assert with_entry("json", text, ("ours",), {"command": "x", "args": []}) == text
