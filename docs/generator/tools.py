"""The tools."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connected_apps_mcp.protocol.descriptions import describe
from connected_apps_tools import TOOLSETS, Tool
from connected_apps_tools.tool import Clients

from .markdown import escaped, summary, table

Schema = Mapping[str, Any]

BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}

LISTED_TO: Mapping[Clients, Mapping[str, str]] = {
    "everybody": {},
    "page": {"called by": "[the page](../how-to/in-the-client.md) alone"},
    "links": {"listed to": "[some clients](../how-to/in-the-client.md#in-other-clients)"},
}


def toolsets() -> str:
    """The tools of each toolset that every client lists, by name."""
    return table(
        ["toolset", "tools"],
        (
            [
                toolset or "always",
                ", ".join(f"`{tool.name}`" for tool in members if tool.listed_to == "everybody"),
            ]
            for toolset, members in TOOLSETS.items()
        ),
    )


def tools() -> str:
    """Every tool: its toolset, its effect, and what it does."""
    return table(
        ["tool", "toolset", "effect", "what it does"],
        (
            [
                f"[`{tool.name}`](#{tool.name})",
                toolset or "always",
                tool.effect.value,
                summary(tool.description),
            ]
            for toolset, tool in _all()
        ),
    )


def tool_schemas() -> str:
    """A section for each tool: what a model reads of it, its arguments and its result."""
    return "\n".join(_section(toolset, tool) for toolset, tool in _all())


def _all() -> Iterator[tuple[str | None, Tool[Any, Any]]]:
    for toolset, members in TOOLSETS.items():
        for tool in members:
            yield toolset, tool


def _section(toolset: str | None, tool: Tool[Any, Any]) -> str:
    # With the arguments that a setting or the policy can take away.
    shown = tool.where_secrets_show(allowed=True) or tool
    described = describe(shown)
    hints = described.annotations
    facts = {
        "toolset": toolset or "always",
        "effect": tool.effect.value,
        "scope": f"`{tool.scope.value}`",
        "hints": ", ".join(
            name
            for name, given in (hints.model_dump(by_alias=True) if hints else {}).items()
            if given is True
        ),
    }
    facts |= LISTED_TO[tool.listed_to]
    parts = [
        f"### {tool.name}\n",
        f"{escaped(described.description or '')}\n",
        "; ".join(f"{name}: {fact}" for name, fact in facts.items()) + ".\n",
        _fields("argument", described.input_schema, mark="required"),
        _fields("result", described.output_schema or {}, mark="always"),
    ]
    return "\n".join(parts)


def _fields(what: str, schema: Schema, mark: str) -> str:
    """A table of the fields. Those that are never left out have the mark."""
    rows = list(_rows(schema, schema, mark))
    if not rows:
        return f"No {what}s.\n"
    head = [what, "type", "meaning"]
    columns = len(head) if any(meaning for *_, meaning in rows) else len(head) - 1
    return table(head[:columns], (row[:columns] for row in rows))


def _rows(schema: Schema, root: Schema, mark: str, prefix: str = "") -> Iterable[list[str]]:
    """A row for each property, and for the properties of those that are objects."""
    required = schema.get("required", ())
    for name, given in schema.get("properties", {}).items():
        field = _resolved(given, root)
        meaning = field.get("description", "")
        marked = f" ({mark})" if name in required else ""
        yield [f"`{prefix}{name}`{marked}", escaped(_type(field, root)), escaped(meaning)]
        inner, brackets = _inner(field, root)
        yield from _rows(inner, root, mark, f"{prefix}{name}{brackets}.")


def _inner(field: Schema, root: Schema) -> tuple[Schema, str]:
    if "items" in field:
        return _resolved(field["items"], root), "[]"
    return field, ""


def _resolved(schema: Schema, root: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    return {**root["$defs"][reference.rpartition("/")[2]], **schema}


def _type(field: Schema, root: Schema) -> str:
    if "enum" in field:
        return " or ".join(f"`{each}`" for each in field["enum"])
    if "items" in field:
        return f"array of {_type(_resolved(field['items'], root), root)}"
    bounds = [_bound(text, field[key]) for key, text in BOUNDS.items() if key in field]
    return ", ".join([str(field.get("type", "any")), *bounds])


def _bound(text: str, number: int) -> str:
    bound = text.format(f"{number:,}")
    return bound.removesuffix("s") if number == 1 else bound
