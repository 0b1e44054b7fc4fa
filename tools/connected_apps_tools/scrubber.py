"""Removes every secret that this process has seen from what is about to leave it."""

import base64
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

MASK = "[secret]"

LONG = 16
"""Characters of a secret from which on its last four give nothing away."""

MIN_LENGTH = 8
"""Shorter values are no secrets, and would be found in every other word."""

FEW = 5_000
"""Up to so many forms it is quicker to look for each than to walk through the text."""


class Span(NamedTuple):
    """Where a secret is in a text, and in which form it was found."""

    start: int
    end: int
    form: str


ESCAPE = re.compile(r"[%\\](?:(?<=%)([0-9A-Fa-f]{2})|(?<!%)\\*(?:u00|x)([0-9A-Fa-f]{2}))")
"""One escaped ASCII character, of a URL, of JSON or of a program's source."""

ROUNDS = 3
"""How many times over a text may be escaped."""

BASE64_LINES = re.compile(
    r"(?<![A-Za-z0-9+/_-])(?:[A-Za-z0-9+/_-]{40,}+={0,2}(?:\\+[rn]|\s)++)+[A-Za-z0-9+/_-]++"
)
"""Base64 that is broken into lines of 40 characters or more; 64 and 76 are usual."""

BREAK = re.compile(r"(?:\\+[rn]|\s)+")


def _unescape(found: re.Match[str]) -> str:
    return chr(int(found[1] or found[2], 16))


def _no_break(_: re.Match[str]) -> str:
    return ""


@dataclass(frozen=True)
class View:
    """A piece of a text as it reads once it is decoded.

    Attributes:
        text: the decoded piece.
        places: where each of its characters, and its end, stands in the whole text.
    """

    text: str
    places: list[int]

    def decoded(self, pattern: re.Pattern[str], by: Callable[[re.Match[str]], str]) -> "View":
        """The same with a pattern replaced."""
        parts, places, done = list[str](), list[int](), 0
        for found in pattern.finditer(self.text):
            new = by(found)
            parts += [self.text[done : found.start()], new]
            places += self.places[done : found.start()]
            places += [self.places[found.start()]] * len(new)
            done = found.end()
        return View("".join([*parts, self.text[done:]]), [*places, *self.places[done:]])


class Scrubber:
    """Knows secret values, and finds them in text in every form in which they commonly travel.

    That is as they are, escaped as in JSON or in a URL, wholly or in part and up to three times
    over, in hexadecimal, and in base64, alone, inside something longer such as a Basic header, or
    broken into lines. docs/secrets.md lists the forms, and what is not found.
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
        self._longest = max(self._longest, len(secret))
        mask = f"[secret …{secret[-4:]}]" if len(secret) >= LONG else MASK
        for form in _forms(secret) - self._forms.keys():
            self._forms[form] = mask
            alike = self._by_start.setdefault(form[:MIN_LENGTH], [])
            alike.append(form)
            alike.sort(key=len, reverse=True)

    def finds(self, text: str) -> bool:
        """Whether there is a secret in the text."""
        if len(self._forms) <= FEW:
            plain = any(form in text for form in self._forms)
        else:
            plain = next(self._found(text), None) is not None
        return plain or next(self._disguised(text), None) is not None

    def text(self, text: str, *, but: str | None = None, last_four: bool = False) -> str:
        """The text without any secret, except where it is `but`, the one that was asked for.

        With `last_four`, the last four characters of a long secret stand in its place.
        """
        if not self.finds(text):
            return text
        spared = _as_json(but) if but else ()
        plain = [Span(at, at + len(form), form) for at, form in self._found(text)]
        clean, done = [], 0
        for span in sorted([*plain, *self._disguised(text)]):
            if span.start < done:
                continue
            mask = self._forms[span.form] if last_four else MASK
            as_it_is = text[span.start : span.end]
            clean += [text[done : span.start], as_it_is if as_it_is in spared else mask]
            done = span.end
        return "".join([*clean, text[done:]])

    def _disguised(self, text: str) -> Iterator[Span]:
        """Each secret that is in the text once it is decoded, with its place in the text."""
        if not self._forms:
            return
        if "%" in text or "\\u00" in text or "\\x" in text:
            for start, end in self._escaped_pieces(text):
                yield from self._once_decoded(text, start, end, ESCAPE, _unescape)
        if "\n" in text or "\\n" in text:
            for lines in BASE64_LINES.finditer(text):
                yield from self._once_decoded(text, *lines.span(), BREAK, _no_break)

    def _escaped_pieces(self, text: str) -> Iterator[tuple[int, int]]:
        """Where there are escapes, with as much around them as a secret is long."""
        start = end = -1
        for found in ESCAPE.finditer(text):
            if start >= 0 and found.start() > end:
                yield start, end
                start = -1
            if start < 0:
                start = max(0, found.start() - self._longest)
            # The digits of an escaped escape, %2525, follow what is found first.
            end = found.end() + self._longest + 2 * ROUNDS
        if start >= 0:
            yield start, min(end, len(text))

    def _once_decoded(
        self,
        text: str,
        start: int,
        end: int,
        pattern: re.Pattern[str],
        by: Callable[[re.Match[str]], str],
    ) -> Iterator[Span]:
        """Each secret in a piece of the text once it is decoded, as often as it is encoded."""
        decoded = text[start:end]
        for rounds in range(1, ROUNDS + 1):
            decoded, count = pattern.subn(by, decoded)
            if not count:
                return
            if any(form in decoded for form in self._forms):
                view = View(text[start:end], list(range(start, end + 1)))
                for _ in range(rounds):
                    view = view.decoded(pattern, by)
                for at, form in self._found(view.text):
                    yield Span(view.places[at], view.places[at + len(form)], form)

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
    hexadecimal = secret.encode().hex()
    return {
        *_as_json(secret),
        *_in_url(secret),
        *_in_base64(secret),
        hexadecimal,
        hexadecimal.upper(),
    }


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
