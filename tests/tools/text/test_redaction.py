"""A secret is found in every escaped form, and nothing else is redacted."""

import base64
import json
import textwrap
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import sized

from connected_apps_tools.text.redaction import REDACTED, Redactor

KEY = "Zx81-kQ0p_Lm27+vTn4/WbR5~Yd63.Hs9=JcE2aGf7uK8iOqM"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

ESCAPES: list[Callable[[str], str]] = [
    str,
    "%{0:02x}".format,
    "%{0:02X}".format,
    "\\u{0:04x}".format,
    "\\u{0:04X}".format,
    "\\\\u{0:04x}".format,
    "&#{0};".format,
    "&#x{0:x};".format,
]
AROUND_IT: list[Callable[[str], str]] = [
    str,
    lambda text: quote(text, safe=""),
    lambda text: json.dumps(text)[1:-1],
    lambda text: quote(json.dumps(text)[1:-1], safe=""),
]


def knowing(*secrets: str) -> Redactor:
    redactor = Redactor()
    for secret in secrets:
        redactor.add(secret)
    return redactor


def escape(character: str, how: Callable[[object], str]) -> str:
    return character if how is str else how(ord(character))


@pytest.mark.series
@given(
    secret=st.text(LETTERS, min_size=8, max_size=60),
    ways=st.lists(st.sampled_from(ESCAPES), min_size=1, max_size=60),
    around=st.sampled_from(AROUND_IT),
    margin=st.integers(0, 400),
)
@settings(max_examples=sized("random secrets"))
def test_a_secret_is_found_with_any_of_its_characters_escaped(
    secret: str, ways: list[Callable[[object], str]], around: Callable[[str], str], margin: int
) -> None:
    escaped = "".join(escape(c, ways[i % len(ways)]) for i, c in enumerate(secret))
    before, after = "{" * margin + "%7e ", " \\u00e9" + "}" * margin
    text = f"{before}{around(escaped)}{after}"
    redactor = knowing(secret)
    assert redactor.contains_secret(text)
    assert redactor.redact(text) == f"{before}{REDACTED}{after}"


def wrapped(text: str, width: int, end: str) -> str:
    return end.join(textwrap.wrap(text, width))


@given(
    before=st.binary(max_size=70),
    after=st.binary(max_size=70),
    width=st.integers(20, 100),
    end=st.sampled_from(
        ["\n", "\r\n", "\n  ", "\\n", "\\r\\n", "\\\\r\\\\n", "\\\\\\n", "\\r\\n\\t"]
    ),
)
def test_a_secret_is_found_in_base64_in_lines(
    before: bytes, after: bytes, width: int, end: str
) -> None:
    encoded = base64.b64encode(before + KEY.encode() + after).decode()
    redacted = knowing(KEY).redact(wrapped(encoded, width, end))
    assert REDACTED in redacted
    left = redacted.replace(REDACTED, "")
    for line in end.split("n"):
        left = left.replace(line, "")
    hidden = base64.b64encode(KEY.encode()).decode()
    assert not any(hidden[at : at + 20] in left for at in range(len(hidden) - 20))


FORMS: dict[str, Callable[[str], str]] = {
    "in hex": lambda secret: secret.encode().hex(),
    "in upper-case hex": lambda secret: secret.encode().hex().upper(),
    "in hex within longer hex": lambda secret: f"project:{secret}:x".encode().hex(),
    "wholly percent-encoded": lambda secret: "".join(f"%{byte:02X}" for byte in secret.encode()),
    "percent-encoded three times": lambda secret: quote(quote(quote(secret, safe=""), safe="")),
    "as a form has it": lambda secret: quote(secret, safe=" ").replace(" ", "+"),
    "in JSON, wholly escaped": lambda secret: "".join(f"\\u{ord(c):04x}" for c in secret),
    "in base64 in a URL": lambda secret: quote(
        base64.b64encode(f"ab{secret}".encode()).decode(), safe=""
    ),
    "in hex in JSON": lambda secret: json.dumps({"x": secret.encode().hex()}),
    "in a MIME body": lambda secret: base64.encodebytes(b"x" * 60 + secret.encode()).decode(),
    "in a MIME body in JSON": lambda secret: json.dumps(
        json.dumps(base64.encodebytes(b"x" * 60 + secret.encode()).decode())
    ),
    "with an escaped slash": lambda secret: secret.replace("/", "\\/"),
}


@pytest.mark.parametrize("secret", [KEY, f"{KEY} é", "short-1/2"], ids=["key", "words", "short"])
@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_found_in_this_form(form: str, secret: str) -> None:
    redacted = knowing(secret).redact(f"<{FORMS[form](secret)}>")
    assert REDACTED in redacted
    assert FORMS[form](secret) not in redacted


@pytest.mark.series
@given(
    st.lists(
        st.sampled_from([*"%\\u&#x;n02dD5/\n\r", "Zx81-kQ0p_Lm27", "%2d", "\\u002d", "y" * 90]),
        max_size=100,
    ),
)
@settings(max_examples=sized("random secrets"))
def test_text_without_a_secret_is_unchanged(parts: list[str]) -> None:
    text = "".join(parts)
    assert knowing(KEY).redact(text) == text


def test_json_stays_json_where_an_escaped_secret_is_redacted() -> None:
    hidden = KEY.replace("-", "\\u002d")
    message = json.dumps({"text": json.dumps({"x": f'a "{hidden}" b'}), "y": "z"})
    read = json.loads(knowing(KEY).redact(message))
    assert json.loads(read["text"]) == {"x": f'a "{REDACTED}" b'}


def test_the_allowed_secret_passes_as_it_is_and_in_no_escaped_form() -> None:
    secret = f"{KEY}é"
    shown = json.dumps([secret, "%20", quote(secret, safe="")])
    read = json.loads(knowing(secret).redact(shown, allow=secret))
    assert read == [secret, "%20", REDACTED]


def test_two_secrets_in_one_escaped_run_are_both_redacted() -> None:
    other = "another-secret-1"
    text = "".join(f"%{ord(c):02x}" for c in f"a{KEY}b{other}c")
    assert knowing(KEY, other).redact(text) == f"%61{REDACTED}%62{REDACTED}%63"


def test_hostile_escapes_take_linear_time() -> None:
    """Each would take hours if the time grew with the square of the length."""
    redactor = knowing(KEY)
    for text in ("\\" * 300_000 + "u002d", "%25" * 100_000, "\\n" * 100_000, "&#" * 100_000):
        assert redactor.redact(text) == text
