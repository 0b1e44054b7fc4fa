"""Removes every secret that this process has seen from what is about to leave it."""

import base64
import json
from collections.abc import Iterator, Set
from typing import Any

from .escapes import decoded

MASK = "[secret]"

LONG = 16
"""Characters of a secret from which on its last four give nothing away."""

MIN_LENGTH = 8
"""Shorter values are no secrets, and would be found in every other word."""

FEW = 5_000
"""Up to so many forms it is quicker to look for each than to walk through the text."""


class Redactor:
    """Knows secret values, and finds them in text in every form in which they commonly travel.

    That is as they are, in hexadecimal digits, and in base64, alone or inside something longer
    such as a Basic header; each of them also where some or all of its characters are escaped, as
    in JSON, URLs and HTML, and where base64 is broken into lines. docs/secrets.md lists the forms.
    """

    def __init__(self) -> None:
        self._learned: set[str] = set()
        self._forms: dict[str, str] = {}  # each with its mask that tells secrets apart
        self._by_start: dict[str, list[str]] = {}
        self._longest = 0

    def learn(self, secret: str | None) -> None:
        """Remember a secret for as long as the process lives."""
        if not secret or len(secret) < MIN_LENGTH or secret in self._learned:
            return
        self._learned.add(secret)
        mask = f"[secret …{secret[-4:]}]" if len(secret) >= LONG else MASK
        for form in _forms(secret) - self._forms.keys():
            self._forms[form] = mask
            self._longest = max(self._longest, len(form))
            alike = self._by_start.setdefault(form[:MIN_LENGTH], [])
            alike.append(form)
            alike.sort(key=len, reverse=True)

    def finds(self, text: str) -> bool:
        """Whether there is a secret in the text."""
        if self._shows(text):
            return True
        views = decoded(text, self._longest)
        return bool(views) and any(self._shows(view.text) for view in views)

    def text(self, text: str, *, but: str | None = None, last_four: bool = False) -> str:
        """The text without any secret, except where it is `but`, the one that was asked for.

        With `last_four`, the last four characters of a long secret stand in its place.
        """
        if not self.finds(text):
            return text
        spared = _as_json(but) if but else frozenset[str]()
        clean, done = [], 0
        for start, end, form in self._places(text, spared):
            if start >= done:
                clean += [text[done:start], self._forms[form] if last_four else MASK]
            done = max(done, end)
        return "".join([*clean, text[done:]])

    def _places(self, text: str, spared: Set[str]) -> list[tuple[int, int, str]]:
        """Where what has to be masked starts and ends, and as what it was found."""
        plain = [(start, start + len(form), form) for start, form in self._found(text)]
        kept = [(start, end) for start, end, form in plain if form in spared]
        hidden = [
            (*view.span(start, start + len(form)), form)
            for view in decoded(text, self._longest)
            if self._shows(view.text)
            for start, form in self._found(view.text)
        ]
        return sorted(
            (start, end, form)
            for start, end, form in plain + hidden
            if not any(first <= start and end <= last for first, last in kept)
        )

    def _shows(self, text: str) -> bool:
        """Whether there is a secret in the text, with no escape decoded."""
        if len(self._forms) <= FEW:
            return any(map(text.__contains__, self._forms))
        return next(self._found(text), None) is not None

    def _found(self, text: str) -> Iterator[tuple[int, str]]:
        """Each secret in the text, with its place, from left to right."""
        at = 0
        while at <= len(text) - MIN_LENGTH:
            alike = self._by_start.get(text[at : at + MIN_LENGTH], ())
            form = next((form for form in alike if text.startswith(form, at)), None)
            if form is None:
                at += 1
            else:
                yield at, form
                at += len(form)

    def value(self, value: Any, **how: Any) -> Any:  # noqa: ANN401 - any JSON
        """The same for every string in a JSON value, the keys of objects included."""
        match value:
            case str():
                return self.text(value, **how)
            case dict():
                return {self.text(k, **how): self.value(v, **how) for k, v in value.items()}
            case list():
                return [self.value(item, **how) for item in value]
            case _:
                return value


def _forms(secret: str) -> set[str]:
    raw = secret.encode()
    in_hex = {raw.hex(), raw.hex().upper()}
    # In a URL each byte of UTF-8 is escaped by itself, and in a form + is a space.
    in_url = {by_byte := raw.decode("latin-1"), by_byte.replace(" ", "+")}
    return _as_json(secret) | in_url | in_hex | _in_base64(raw)


def _as_json(text: str) -> set[str]:
    """The text as it is, in JSON, and in JSON that is text in JSON, as the MCP has it."""
    forms = {text} | _in_json(text)
    for nested in list(forms):
        forms |= _in_json(nested)
    return forms | {form.replace("/", "\\/") for form in forms}


def _in_json(text: str) -> set[str]:
    return {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}


def _in_base64(raw: bytes) -> set[str]:
    """What of the secret shows in base64, wherever in a longer text it begins.

    Each character holds six bits, so the outermost ones depend on the neighbours and are left out.
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
"""The scrubber of this process."""
