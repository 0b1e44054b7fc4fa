"""YAML. Nodes are never made into objects of Python, and an alias is not followed."""

import json
import re
from collections.abc import Iterator
from typing import TypeGuard

from pydantic import JsonValue
from ruamel.yaml import YAML
from ruamel.yaml.composer import ComposerError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from .errors import Unreadable
from .layout import appended, line_break, line_start, unit

Pair = tuple[Node, Node]


def parse(text: str) -> dict[str, JsonValue]:
    """What a text holds. A blank text holds nothing."""
    root = _composed(text)
    if root is None or _is_nothing(root):
        return {}
    if not isinstance(root, MappingNode):
        raise Unreadable("it is valid YAML, but not a mapping")
    return _mapping(root, set())


def added(text: str, path: tuple[str, ...], value: dict[str, JsonValue]) -> str:
    """The text with an entry that it does not have yet."""
    root = _composed(text)
    if root is None or _is_nothing(root):
        return appended(text, _block(text, path, value, ""))
    pairs, rest = _way(root, path)
    target = pairs[-1][1] if pairs else root
    if isinstance(target, MappingNode):
        if target.flow_style:
            return _into_flow(text, target, rest, value)
        return _into_block(text, target, rest, value)
    slot = _after_colon(text, pairs[-1][0])
    return f"{text[:slot]} {{ {_flow(rest, value)} }}{text[slot:]}"


def removals(text: str, path: tuple[str, ...]) -> Iterator[str]:
    """Texts without the entry, the best first."""
    root = _composed(text)
    way, _ = _way(root, path) if root else ([], ())
    mappings = [node for node in (root, *(value for _, value in way)) if _is_mapping(node)]
    for depth in reversed(range(len(path))):
        parent = mappings[depth]
        if parent.flow_style:
            yield from _flow_cuts(text, parent, way[depth])
            continue
        if depth and len(parent.value) == 1:
            yield _emptied(text, *way[depth - 1])
        yield from _block_cuts(text, way[depth])


def _composed(text: str) -> Node | None:
    try:
        root: Node | None = _yaml().compose(text)
    except ComposerError as error:
        cause = "it holds more than one document" if "single" in str(error.context) else _INVALID
        raise Unreadable(_where(error) + cause) from None
    except MarkedYAMLError as error:
        raise Unreadable(_where(error) + _INVALID) from None
    except YAMLError:
        raise Unreadable(_INVALID) from None
    return root


def _yaml() -> YAML:
    return YAML(typ="safe", pure=True, plug_ins=[])


_INVALID = "it is not valid YAML"


def _where(error: MarkedYAMLError) -> str:
    return f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""


def _data(node: Node, seen: set[str]) -> JsonValue:
    """What a node holds. Nothing reads as an empty mapping, which it is where entries go.

    An alias stands for itself, and so does a value with an unusual tag.
    """
    if _is_nothing(node):
        return {}
    if node.anchor in seen:
        return {"*": node.anchor}
    if node.anchor:
        seen.add(node.anchor)
    if isinstance(node, MappingNode):
        return _mapping(node, seen)
    if isinstance(node, SequenceNode):
        return [_data(each, seen) for each in node.value]
    return _scalar(node)


def _mapping(node: MappingNode, seen: set[str]) -> dict[str, JsonValue]:
    data: dict[str, JsonValue] = {}
    for key, value in node.value:
        name = _name(key)
        if name in data:
            raise Unreadable(
                f"line {key.start_mark.line + 1}: the same key is there twice", "Keep one"
            )
        data[name] = _data(value, seen)
    return data


def _name(key: Node) -> str:
    if isinstance(key, ScalarNode) and key.tag == _TAG + "str":
        return str(key.value)
    return json.dumps([key.tag, _data(key, set())])


def _scalar(node: Node) -> JsonValue:
    tag = str(node.tag)
    kind = tag.removeprefix(_TAG)
    if kind == "str":
        return str(node.value)
    if kind not in ("null", "bool", "int", "float"):
        return {tag: str(node.value)}
    try:
        value: JsonValue = _yaml().constructor.construct_object(node)
    except ValueError:
        raise Unreadable(f"line {node.start_mark.line + 1}: a number in it is too long") from None
    return value


_TAG = "tag:yaml.org,2002:"


def _is_nothing(node: Node) -> bool:
    """Whether there is nothing where a value could be, as in `extensions:`."""
    return isinstance(node, ScalarNode) and node.start_mark.index == node.end_mark.index


def _is_mapping(node: Node | None) -> TypeGuard[MappingNode]:
    return isinstance(node, MappingNode)


def _way(root: Node, path: tuple[str, ...]) -> tuple[list[Pair], tuple[str, ...]]:
    """The pairs of keys and values on the way to the end of a path, and the names not found."""
    way: list[Pair] = []
    node = root
    for depth, name in enumerate(path):
        if node.anchor:
            raise Unreadable(
                f"line {node.start_mark.line + 1}: the mapping has an anchor (&), so an edit "
                "would change its aliases too",
                "Edit it by hand",
            )
        found = (
            [pair for pair in node.value if _name(pair[0]) == name]
            if isinstance(node, MappingNode)
            else []
        )
        if not found:
            return way, path[depth:]
        way += found
        node = found[0][1]
    return way, ()


def _into_flow(
    text: str, target: MappingNode, rest: tuple[str, ...], value: dict[str, JsonValue]
) -> str:
    if not target.value:
        slot = target.start_mark.index + 1
        return text[:slot] + _flow(rest, value) + text[slot:]
    slot = target.value[-1][1].end_mark.index
    return f"{text[:slot]}, {_flow(rest, value)}{text[slot:]}"


def _flow_cuts(text: str, parent: MappingNode, pair: Pair) -> Iterator[str]:
    index = parent.value.index(pair)
    start, end = pair[0].start_mark.index, pair[1].end_mark.index
    if index:
        yield text[: parent.value[index - 1][1].end_mark.index] + text[end:]
    elif len(parent.value) > 1:
        yield text[:start] + text[parent.value[1][0].start_mark.index :]
    else:
        yield text[:start] + text[end:]
        yield text[:start].removesuffix(" { ") + text[end:].removeprefix(" }")


def _into_block(
    text: str, target: MappingNode, rest: tuple[str, ...], value: dict[str, JsonValue]
) -> str:
    lines = _block(text, rest, value, " " * target.value[0][0].start_mark.column)
    slot = _next_line(text, target)
    return appended(text[:slot], lines) + text[slot:]


def _block_cuts(text: str, pair: Pair) -> Iterator[str]:
    start, end = line_start(text, pair[0].start_mark.index), _next_line(text, pair[1])
    yield text[:start] + text[end:]
    yield text[:start].removesuffix(line_break(text)) + text[end:]


def _emptied(text: str, key: Node, mapping: Node) -> str:
    """The text with an empty mapping: a client may not take nothing for one."""
    slot = _after_colon(text, key)
    start, end = line_start(text, mapping.start_mark.index), _next_line(text, mapping)
    return text[:slot] + " {}" + text[slot:start] + text[end:]


def _next_line(text: str, node: Node) -> int:
    """Where the line after the content of a node starts."""
    end = text.find("\n", max(_end(text, node) - 1, 0)) + 1
    return end or len(text)


def _end(text: str, node: Node) -> int:
    """Where the content of a node ends: the mark of a collection is after the comments below it."""
    if not isinstance(node, MappingNode | SequenceNode) or node.flow_style:
        return int(node.end_mark.index)
    if isinstance(node, SequenceNode):
        return _end(text, node.value[-1])
    key, value = node.value[-1]
    if _is_nothing(value):
        return _after_colon(text, key)
    return max(_end(text, value), _after_colon(text, key))  # an alias has its place elsewhere


def _after_colon(text: str, key: Node) -> int:
    end = int(key.end_mark.index)
    return max(end, text.find(":", end) + 1)


def _block(text: str, path: tuple[str, ...], value: dict[str, JsonValue], indent: str) -> str:
    step, lines = unit(text, text), []
    for name in path:
        lines.append(f"{indent}{_key(name)}:")
        indent += step
    lines += [f"{indent}{_key(name)}: {_json(inner)}" for name, inner in value.items()]
    return line_break(text).join(lines)


def _flow(path: tuple[str, ...], value: dict[str, JsonValue]) -> str:
    name, *rest = path
    inner = f"{{ {_flow(tuple(rest), value)}}}" if rest else _json(value)
    return f"{_key(name)}: {inner}"


def _key(name: str) -> str:
    """A name as a key: plain if that is sure to be the same text."""
    plain = re.fullmatch(r"[A-Za-z][\w-]*", name) and name.lower() not in _NO_TEXT
    return name if plain else _json(name)


_NO_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def _json(value: JsonValue) -> str:
    """JSON in one line is YAML."""
    return json.dumps(value, ensure_ascii=False)
