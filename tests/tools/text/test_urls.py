import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import sized

from connected_apps_tools.text.urls import Url, canonical_host, host_of, parse

PIECES = [
    "http",
    "https",
    "javascript",
    ":",
    "//",
    "/",
    "@",
    "[",
    "]",
    "::1",
    "xn--",
    "*",
    "#",
    "?",
]
PIECES += ["\\", "%2f", ".", "\u3002", "\ufe64", "\u2100", "\xe9", "\xe9" * 300, "\u0430", "\ud800"]
PIECES += ["localhost", "127.0.0.1", ":99999999999999999999", "::ffff:1.2.3.4", "\u202e", "\n", "a"]

any_text = st.text(st.characters(exclude_categories=()))
like_urls = st.lists(st.sampled_from(PIECES) | any_text, max_size=12).map("".join)


@pytest.mark.series
@given(any_text | like_urls)
@settings(max_examples=sized("random URLs"))
def test_any_text_can_be_parsed(text: str) -> None:
    url = parse(text)
    assert url.text == text
    assert bool(url.host) == (url.scheme in {"http", "https"} and url.problem is None)
    if url.host:
        written = f"[{url.host}]" if ":" in url.host else url.host
        assert canonical_host(written) == url.host
        assert len(url.labels) == len(url.host.split("."))


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("\uff45xample\u3002com", "example.com"),
        ("b\xfccher.example", "xn--bcher-kva.example"),
        ("*.example.com", "*.example.com"),
        ("my_host", "my_host"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ("", None),
        ("a..b", None),
        ("exa%6dple.com", None),
        ("[1.2.3.4]", None),
        ("\ufdfa" * 60, None),
        ("[::1", None),
        ("[fe80::1%25eth0]", None),
        ("a" * 64 + ".example", None),
        ("a." * 127 + "com", None),
    ],
)
def test_a_host_has_one_spelling(written: str, canonical: str | None) -> None:
    assert canonical_host(written) == canonical


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("https://good.example@Evil.example:8443/", "evil.example"),
        ("https://b\xfccher.example/", "xn--bcher-kva.example"),
        ("https://good.example\\@evil.example/", None),
        ("com.example.app://callback", None),
        ("", None),
    ],
)
def test_a_url_leads_to_one_host_or_to_none(text: str, host: str | None) -> None:
    assert host_of(text) == host


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no scheme"),
        ("example.com/callback", "has no scheme"),
        ("//example.com/callback", "has no scheme"),
        ("localhost:3000/callback", "has no scheme"),
        ("https:", "has no valid host"),
        ("https:example.com", "has no valid host"),
        ("https:///callback", "has no valid host"),
        ("https://example.com:port/", "has no valid host"),
        ("https://example.com:80:80/", "has no valid host"),
        ("https://example.com:\N{ARABIC-INDIC DIGIT THREE}/", "has no valid host"),
        ("http\N{LATIN SMALL LETTER LONG S}://example.com/", "has no scheme"),
        ("https://[::1/callback", "cannot be parsed"),
        ("https://example.com\u2100/", "cannot be parsed"),
        ("https://good.example\\@evil.example/", "holds the character U+005C"),
        ("https://{tenant}.example.com/", "holds the character U+007B"),
        ("https://example.com/a b", "holds the character U+0020"),
        ("https://exam\u200bple.com/", "holds the character U+200B"),
        ("https://example.com/\u202egnp", "holds the character U+202E"),
    ],
)
def test_the_problem_of_a_url_is_named(text: str, problem: str) -> None:
    assert parse(text).problem == problem


@pytest.mark.parametrize("text", ["java\nscript:alert(1)", " \x00JavaScript:alert(1)"])
def test_a_scheme_is_read_as_browsers_read_it(text: str) -> None:
    assert parse(text).scheme == "javascript"


def test_a_url_is_parsed() -> None:
    text = "https://User:pw@B\xfccher.example:8443/cb?x=1#"
    assert parse(text) == Url(
        text, "https", "xn--bcher-kva.example", "User:pw", fragment=True, unicode_written=True
    )


@pytest.mark.parametrize(
    "text",
    [
        "http://localhost:3000/cb",
        "http://LOCALHOST./cb",
        "http://app.localhost/cb",
        "http://127.8.9.1/cb",
        "http://[::1]:8000/cb",
        "http://localhost:*/cb",
    ],
)
def test_loopback_urls_lead_to_the_users_machine(text: str) -> None:
    assert parse(text).loopback


@pytest.mark.parametrize(
    "text",
    ["http://localhost.evil.example/", "http://127.0.0.1.evil.example/", "http://0.0.0.0/", "a:/b"],
)
def test_a_host_that_only_looks_like_loopback_is_not(text: str) -> None:
    assert not parse(text).loopback


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("https://xn--bcher-kva.example/", ["b\xfccher", "example"]),
        ("https://b\xfccher.example/", ["b\xfccher", "example"]),
        ("https://xn--99999999.example/", ["xn--99999999", "example"]),
    ],
)
def test_the_labels_of_an_international_host_are_decoded(text: str, labels: list[str]) -> None:
    url = parse(text)
    assert url.international
    assert url.labels == labels


def test_fullwidth_letters_make_a_host_international_although_they_mean_ascii() -> None:
    url = parse("https://\uff45xample.com/")
    assert (url.host, url.international) == ("example.com", True)


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("com.example.app:/cb", True),
        ("myapp://cb", True),
        ("https://example.com/", False),
        ("javascript:alert(1)", False),
        ("nothing", False),
    ],
)
def test_an_apps_own_scheme_is_recognised(text: str, private: bool) -> None:
    assert parse(text).private_use is private
