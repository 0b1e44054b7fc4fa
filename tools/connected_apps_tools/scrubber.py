"""Removes every secret that this process has seen from what is about to leave it."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "[secret]"

LONG = 16
"""Characters of a secret from which on its last four give nothing away."""

MIN_LENGTH = 8
"""Shorter values are no secrets, and would be found in every other word."""

FEW = 5_000
"""Up to so many forms it is quicker to look for each than to walk through the text."""


class Scrubber:
    """Knows secret values, and finds them in text in every form in which they commonly travel.

    That is as they are, escaped as in JSON, escaped as in a URL, and in base64, alone or inside
    something longer such as a Basic header.
    """

    def __init__(self) -> None:
        self._learned: set[str] = set()
        self._forms: dict[str, str] = {}  # each with its mask that tells secrets apart
        self._by_start: dict[str, list[str]] = {}

    def learn(self, secret: str | None) -> None:
        """Remember a secret for as long as the process lives."""
        if not secret or len(secret) < MIN_LENGTH or secret in self._learned:
            return
        self._learned.add(secret)
        mask = f"[secret …{secret[-4:]}]" if len(secret) >= LONG else MASK
        for form in _forms(secret) - self._forms.keys():
            self._forms[form] = mask
            alike = self._by_start.setdefault(form[:MIN_LENGTH], [])
            alike.append(form)
            alike.sort(key=len, reverse=True)

    def finds(self, text: str) -> bool:
        """Whether there is a secret in the text."""
        if len(self._forms) <= FEW:
            return any(form in text for form in self._forms)
        return next(self._found(text), None) is not None

    def text(self, text: str, *, but: str | None = None, last_four: bool = False) -> str:
        """The text without any secret, except where it is `but`, the one that was asked for.

        With `last_four`, the last four characters of a long secret stand in its place.
        """
        if not self.finds(text):
            return text
        spared = _as_json(but) if but else ()
        clean, done = [], 0
        for start, form in self._found(text):
            mask = self._forms[form] if last_four else MASK
            clean += [text[done:start], form if form in spared else mask]
            done = start + len(form)
        return "".join([*clean, text[done:]])

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
    return _as_json(secret) | _in_url(secret) | _in_base64(secret)


def _as_json(text: str) -> set[str]:
    """The text as it is, in JSON, and in JSON that is text in JSON, as the MCP has it."""
    forms = {text} | _in_json(text)
    for nested in list(forms):
        forms |= _in_json(nested)
    return forms | {form.replace("/", "\\/") for form in forms}


def _in_url(text: str) -> set[str]:
    escaped = {quote(text), quote(text, safe=""), quote_plus(text)}
    return escaped | {re.sub("%..", lambda hex_: hex_[0].lower(), form) for form in escaped}


def _in_json(text: str) -> set[str]:
    return {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}


def _in_base64(secret: str) -> set[str]:
    """What of the secret shows in base64, wherever in a longer text it begins.

    Each character holds six bits, so the outermost ones depend on the neighbours and are left out.
    """
    forms = set()
    raw = secret.encode()
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw).decode()
        start = -(-offset * 8 // 6)
        end = (offset + len(raw)) * 8 // 6
        if end - start >= MIN_LENGTH:
            forms.add(encoded[start:end])
    return forms | {form.replace("+", "-").replace("/", "_") for form in forms}


SCRUBBER = Scrubber()
"""The scrubber of this process."""
