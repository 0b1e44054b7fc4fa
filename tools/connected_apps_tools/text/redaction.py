"""Redacts every secret that this process knows from what it sends, prints or logs."""

import base64
import json
from collections.abc import Iterator, Set
from typing import Any

from .escapes import decoded

REDACTED = "[secret]"

LONG = 16
"""Length from which the last four characters of a secret may be shown."""

MIN_LENGTH = 8
"""Shorter values are not treated as secrets: ordinary words would match."""

FEW_FORMS = 5_000
"""Up to this number of forms, searching for each one is faster than scanning the text."""


class Redactor:
    """Finds known secrets in text, in every form in which they are commonly sent.

    The forms are plain text, hexadecimal and base64, alone or inside longer data such as a Basic
    header. Any character may be escaped as in JSON, URLs and HTML, and base64 may be broken into
    lines. docs/explanation/secrets.md lists the forms.
    """

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._forms: dict[str, str] = {}  # to the placeholder that shows the last four
        self._by_start: dict[str, list[str]] = {}
        self._longest = 0

    def add(self, secret: str | None) -> None:
        """Redact a secret from now until the process ends."""
        if not secret or len(secret) < MIN_LENGTH or secret in self._secrets:
            return
        self._secrets.add(secret)
        placeholder = f"[secret …{secret[-4:]}]" if len(secret) >= LONG else REDACTED
        for form in _forms(secret) - self._forms.keys():
            self._forms[form] = placeholder
            self._longest = max(self._longest, len(form))
            same_start = self._by_start.setdefault(form[:MIN_LENGTH], [])
            same_start.append(form)
            same_start.sort(key=len, reverse=True)

    def contains_secret(self, text: str) -> bool:
        """Whether the text contains a secret in any form."""
        if self._contains(text):
            return True
        views = decoded(text, self._longest)
        return bool(views) and any(self._contains(view.text) for view in views)

    def redact(self, text: str, *, allow: str | None = None, last_four: bool = False) -> str:
        """The text with every secret replaced by a placeholder.

        Args:
            text: any text.
            allow: a secret that stays where it is in plain text or JSON: the caller asked for it.
            last_four: whether the placeholder of a long secret shows its last four characters.
        """
        if not self.contains_secret(text):
            return text
        allowed = _as_json(allow) if allow else frozenset[str]()
        redacted, done = [], 0
        for start, end, form in self._spans(text, allowed):
            if start >= done:
                redacted += [text[done:start], self._forms[form] if last_four else REDACTED]
            done = max(done, end)
        return "".join([*redacted, text[done:]])

    def _spans(self, text: str, allowed: Set[str]) -> list[tuple[int, int, str]]:
        """Start, end and form of each secret to redact."""
        plain = [(start, start + len(form), form) for start, form in self._matches(text)]
        visible = [(start, end) for start, end, form in plain if form in allowed]
        escaped = [
            (*view.span(start, start + len(form)), form)
            for view in decoded(text, self._longest)
            if self._contains(view.text)
            for start, form in self._matches(view.text)
        ]
        return sorted(
            (start, end, form)
            for start, end, form in plain + escaped
            if not any(first <= start and end <= last for first, last in visible)
        )

    def _contains(self, text: str) -> bool:
        """Whether the text contains a secret without decoding any escape."""
        if len(self._forms) <= FEW_FORMS:
            return any(map(text.__contains__, self._forms))
        return next(self._matches(text), None) is not None

    def _matches(self, text: str) -> Iterator[tuple[int, str]]:
        """Each secret in the text, with its start, from left to right."""
        at = 0
        while at <= len(text) - MIN_LENGTH:
            same_start = self._by_start.get(text[at : at + MIN_LENGTH], ())
            form = next((form for form in same_start if text.startswith(form, at)), None)
            if form is None:
                at += 1
            else:
                yield at, form
                at += len(form)

    def redact_json(self, value: Any, **options: Any) -> Any:  # noqa: ANN401 - any JSON
        """A JSON value with `redact` applied to every string and every key of an object."""
        text = "\0".join(_strings_in(value))  # one search for all of them finds nothing, mostly
        if not decoded(text, self._longest) and not self._contains(text):
            return value
        return self._redact_each(value, **options)

    def _redact_each(self, value: Any, **options: Any) -> Any:  # noqa: ANN401 - any JSON
        match value:
            case str():
                return self.redact(value, **options)
            case dict():
                return {
                    self.redact(k, **options): self._redact_each(v, **options)
                    for k, v in value.items()
                }
            case list():
                return [self._redact_each(item, **options) for item in value]
            case _:
                return value


def _strings_in(value: object) -> Iterator[str]:
    """Every string in a JSON value, and every key of an object."""
    match value:
        case str():
            yield value
        case dict():
            for key, each in value.items():
                yield key
                yield from _strings_in(each)
        case list():
            for each in value:
                yield from _strings_in(each)


def _forms(secret: str) -> set[str]:
    raw = secret.encode()
    in_hex = {raw.hex(), raw.hex().upper()}
    # A URL escapes each byte of UTF-8 by itself; a form writes a space as +.
    in_url = {by_byte := raw.decode("latin-1"), by_byte.replace(" ", "+")}
    return _as_json(secret) | in_url | in_hex | _in_base64(raw)


def _as_json(text: str) -> set[str]:
    """The text as it is, in JSON, and in JSON inside a JSON string, as MCP sends results."""
    forms = {text} | _in_json(text)
    for nested in list(forms):
        forms |= _in_json(nested)
    return forms | {form.replace("/", "\\/") for form in forms}


def _in_json(text: str) -> set[str]:
    return {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}


def _in_base64(raw: bytes) -> set[str]:
    """The base64 of the secret at any position in longer data.

    A character of base64 holds six bits, so the first and the last one depend on the neighbouring
    data and are left out.
    """
    forms = set()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode()
        start = -(-offset * 8 // 6)
        end = (offset + len(raw)) * 8 // 6
        if end - start >= MIN_LENGTH:
            forms.add(encoded[start:end])
    return forms | {form.replace("+", "-").replace("/", "_") for form in forms}


REDACTOR = Redactor()
"""The redactor of this process."""
