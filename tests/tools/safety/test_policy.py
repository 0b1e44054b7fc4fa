"""What the policy allows, with URLs that try to bypass it."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import Url
from sizes import sized
from support import EVERY_SETTING, SHOWN_APP

from connected_apps_tools import TOOLSETS
from connected_apps_tools.api.models import ConnectedApp, CreateApp
from connected_apps_tools.errors import InvalidRequest, PolicyRefusal
from connected_apps_tools.findings.review import Review, ReviewLimits
from connected_apps_tools.safety.caller_rules import CallerRule
from connected_apps_tools.safety.destinations import Destination
from connected_apps_tools.safety.policy import Policy

DOCS = Path(__file__).parents[3] / "docs" / "reference" / "policy.md"


def policy(**rules: Any) -> Policy:
    return Policy.model_validate(rules)


def app(**settings: Any) -> ConnectedApp:
    return ConnectedApp.model_validate(SHOWN_APP | settings)


def broken(rules: Policy, url: str, field: str = "redirect_urls") -> list[str]:
    return rules.broken_rules(app(**{field: [url]}))


def allows(pattern: str, url: str) -> bool:
    return not broken(policy(redirect_hosts=[pattern]), url)


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "policy.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def refused(folder: Path, text: str | bytes) -> str:
    file = written(folder, text)
    with pytest.raises(InvalidRequest) as refusal:
        Policy.read(file)
    assert all(line.startswith(f"{file}: ") for line in str(refusal.value).splitlines())
    return str(refusal.value).replace(f"{file}: ", "")


def test_an_empty_file_allows_everything(tmp_path: Path) -> None:
    rules = Policy.read(written(tmp_path, ""))
    assert rules.broken_rules(app(**EVERY_SETTING)) == []
    assert rules.rules() == {}
    assert not rules.protects("app", "Billing")
    assert rules.permits("reveal", "allow")
    assert rules.permits("confirm", "never")
    assert rules.permits("toolsets", ["apps"])


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("app.corp.example", "https://app.corp.example/cb"),
        ("app.corp.example", "https://APP.Corp.Example/cb"),
        ("App.Corp.Example.", "https://app.corp.example/cb"),
        ("app.corp.example", "https://app.corp.example./cb"),
        ("app.corp.example", "https://app.corp.example:8443/cb"),
        ("app.corp.example", "http://app.corp.example/cb"),
        ("*.corp.example", "https://app.corp.example/cb"),
        ("**.corp.example", "https://app.corp.example/cb"),
        ("**.corp.example", "https://a.b.c.corp.example/cb"),
        ("b\xfccher.example", "https://xn--bcher-kva.example/"),
        ("xn--bcher-kva.example", "https://xn--bcher-kva.example/"),
        ("*.b\xfccher.example", "https://a.xn--bcher-kva.example/"),
        ("localhost", "http://localhost:3000/cb"),
        ("app.localhost", "http://app.localhost:3000/cb"),
        ("127.0.0.1", "http://127.0.0.1/cb"),
        ("::1", "http://[::1]:8000/cb"),
        ("[0:0:0:0:0:0:0:1]", "http://[::1]/cb"),
        ("2001:db8::1", "https://[2001:DB8:0::1]/cb"),
    ],
)
def test_a_host_that_fits_a_pattern_is_allowed(pattern: str, url: str) -> None:
    assert allows(pattern, url)


@pytest.mark.parametrize(
    ("pattern", "url"),
    [
        ("app.corp.example", "https://other.corp.example/"),
        ("app.corp.example", "https://a.app.corp.example/"),
        ("app.corp.example", "https://corp.example/"),
        ("*.corp.example", "https://corp.example/"),
        ("*.corp.example", "https://a.b.corp.example/"),
        ("*.corp.example", "https://evilcorp.example/"),
        ("**.corp.example", "https://corp.example/"),
        ("**.corp.example", "https://evilcorp.example/"),
        ("*.example", "http://localhost/"),
        ("localhost", "http://app.localhost/"),
        ("localhost", "http://127.0.0.1/"),
        ("127.0.0.1", "http://127.1/"),
        ("127.0.0.1", "http://2130706433/"),
        ("127.0.0.1", "http://0x7f.0.0.1/"),
        ("127.0.0.1", "http://127.0.0.01/"),
        ("127.0.0.1", "http://[::1]/"),
        ("b\xfccher.example", "https://bucher.example/"),
        ("strasse.example", "https://xn--strae-oqa.example/"),
    ],
)
def test_a_host_that_fits_no_pattern_is_not_allowed(pattern: str, url: str) -> None:
    assert not allows(pattern, url)


HOSTILE = {
    "user information": "https://allowed.example@evil.example/",
    "user information with a password": "https://allowed.example:443@evil.example/",
    "an allowed host behind an @": "https://evil.example@allowed.example/",
    "two @": "https://evil.example@allowed.example@allowed.example/",
    "a fragment": "https://evil.example#.allowed.example",
    "a query": "https://evil.example?.allowed.example",
    "a path": "https://evil.example/.allowed.example",
    "a parameter": "https://evil.example;.allowed.example",
    "a longer name": "https://allowed.example.evil.example/",
    "a glued name": "https://evilallowed.example/",
    "a backslash": "https://evil.example\\.allowed.example/",
    "a backslash before an @": "https://evil.example\\@allowed.example/",
    "backslashes for slashes": "https:\\\\allowed.example/",
    "an encoded dot": "https://evil.example%2eallowed.example/",
    "an encoded slash": "https://evil.example%2f.allowed.example/",
    "an encoded letter": "https://%61llowed.example/",
    "a space before": " https://allowed.example/",
    "a space after": "https://allowed.example /",
    "a line break": "https://allowed\n.example/",
    "a tab": "https://evil.example\t.allowed.example/",
    "a zero-width space": "https://allowed\u200b.example/",
    "a right-to-left override": "https://\u202eallowed.example/",
    "another stop": "https://evil.example\u3002allowed.example/",
    "full width": "https://\uff41llowed.example/",
    "a long s": "https://allowed.example\u017f/",
    "a slash in disguise": "https://evil.example\u2044.allowed.example/",
    "a fraction": "https://evil.example\u2100.allowed.example/",
    "Cyrillic": "https://\u0430llowed.example/",
    "Cyrillic in punycode": "https://xn--llowed-4nf.example/",
    "an asterisk": "https://*.allowed.example/",
    "an asterisk in a label": "https://allow*d.example/",
    "no host": "https:///allowed.example/",
    "one slash": "https:/allowed.example/",
    "no slash": "https:allowed.example/",
    "no scheme": "allowed.example/cb",
    "no scheme but slashes": "//allowed.example/cb",
    "a port that is none": "https://allowed.example:evil/",
    "an address": "https://[::ffff:127.0.0.1]/",
    "an address that is none": "https://[allowed.example]/",
    "an address that does not end": "https://[::1/",
    "two stops at the end": "https://allowed.example../",
    "an empty label": "https://.allowed.example/",
    "a script": "javascript://allowed.example/%0aalert(1)",
    "a script with a line break": "java\nscript://allowed.example/",
    "data": "data:text/html,allowed.example",
    "a blob": "blob:https://allowed.example/1",
    "another scheme": "ftp://allowed.example/",
    "an app's scheme": "com.example.app://allowed.example/",
    "nothing": "",
}


@pytest.mark.parametrize("field", ["redirect_urls", "post_logout_redirect_urls"])
@pytest.mark.parametrize("case", HOSTILE)
def test_a_url_that_tries_to_bypass_the_policy_is_not_allowed(case: str, field: str) -> None:
    rules = policy(redirect_hosts=["allowed.example", "*.allowed.example"])
    assert broken(rules, "https://allowed.example/", field) == []
    (text,) = broken(rules, HOSTILE[case], field)
    assert re.fullmatch(rf"policy redirect_hosts: .+ \({field}\)", text)
    assert text.isprintable()


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (
            "https://a.example\\@b.example/",
            "https://a.example\\@b.example/ holds the character U+005C",
        ),
        ("a.example/cb", "a.example/cb has no scheme"),
        ("", "an empty URL has no scheme"),
        ("https://b\xfccher.example/", "xn--bcher-kva.example must be written in this ASCII form"),
        (
            "https://a@b.example/",
            "b.example follows user information and an @, which is not allowed",
        ),
    ],
)
def test_a_url_that_parsers_read_differently_is_refused_with_the_reason(
    url: str, text: str
) -> None:
    rules = policy(redirect_hosts=["b.example", "*.example"])
    assert broken(rules, url) == [f"policy redirect_hosts: {text} (redirect_urls)"]


PIECES = ["https", "http", "javascript", ":", "//", "/", "\\", "@", "#", "?", ";", "%2e", "%00"]
PIECES += ["allowed.example", ".allowed.example", "evil.example", "sub.", ".", "*", "xn--", "xn--a"]
PIECES += ["\u3002", "\uff0e", "\uff61", "\u2024", "\u2100", "\u017f", "\xdf", "\u1e9e", "\u0130"]
PIECES += ["\u200b", "\xad", "\t", "\n", " ", "[", "]", "::1", "127.0.0.1", ":443", ":*", "\ud800"]
REAL = ["https://allowed.example/cb", "https://sub.allowed.example", "http://127.0.0.1:80/?a=b#c"]
REAL += ["https://a.b.allowed.example.:8443/cb", "https://evil.example/#allowed.example"]
REAL += ["https://evil.example/allowed.example", "https://evil.example", "https://allowed.example"]


@st.composite
def hostile_urls(draw: st.DrawFn) -> str:
    """A URL with up to three pieces inserted anywhere."""
    url = draw(st.sampled_from(REAL))
    for piece in draw(st.lists(st.sampled_from(PIECES) | st.text(max_size=2), max_size=3)):
        place = draw(st.integers(0, len(url)))
        url = url[:place] + piece + url[place:]
    return url


@pytest.mark.series
@given(hostile_urls())
@settings(max_examples=sized("random hostile URLs"))
def test_a_url_that_is_allowed_leads_a_browser_to_an_allowed_host(url: str) -> None:
    rules = policy(redirect_hosts=["allowed.example", "**.allowed.example", "127.0.0.1"])
    if broken(rules, url):
        return
    try:
        browsers = Url(url)  # an independent parser with the rules of browsers
    except ValidationError:
        return
    assert browsers.scheme in {"https", "http"}
    assert browsers.username is None
    host = (browsers.host or "").removesuffix(".")
    assert host in {"allowed.example", "127.0.0.1"} or host.endswith(".allowed.example")


@given(st.lists(st.from_regex(r"[a-z0-9]{1,3}", fullmatch=True), min_size=1, max_size=4))
def test_one_asterisk_matches_one_label_and_two_match_any_number(labels: list[str]) -> None:
    url = f"https://{'.'.join(labels)}.corp.example/"
    assert allows("**.corp.example", url)
    assert allows("*.corp.example", url) is (len(labels) == 1)


@pytest.mark.parametrize(
    ("schemes", "url"),
    [
        (["https"], "HTTPS://x.example/"),
        (["https", "http"], "http://127.0.0.1/"),
        (["com.example.app"], "com.example.app://cb"),
        (["com.example.*"], "com.example.app:/cb"),
        (["com.example.**"], "com.example.app.beta:/cb"),
    ],
)
def test_a_scheme_that_fits_is_allowed(schemes: list[str], url: str) -> None:
    assert broken(policy(redirect_schemes=schemes), url) == []


@pytest.mark.parametrize(
    ("schemes", "url"),
    [
        (["https"], "http://x.example/"),
        (["https"], "javascript:alert(1)"),
        (["https"], "java\nscript:alert(1)"),
        (["https"], "x.example/cb"),
        ([], "https://x.example/"),
        (["com.example.*"], "com.example:/cb"),
        (["com.example.*"], "com.example.app.beta:/cb"),
        (["com.example.*"], "com.examples.app:/cb"),
        (["com.example.*"], "evil.com.example.app:/cb"),
    ],
)
def test_a_scheme_that_does_not_fit_is_not_allowed(schemes: list[str], url: str) -> None:
    (text,) = broken(policy(redirect_schemes=schemes), url)
    assert text.startswith("policy redirect_schemes: ")


def test_an_apps_own_scheme_has_no_host_and_can_be_allowed_beside_hosts() -> None:
    hosts = ["x.example"]
    (text,) = broken(policy(redirect_hosts=hosts), "com.example.app:/cb")
    assert "list it in redirect_schemes" in text
    rules = policy(redirect_hosts=hosts, redirect_schemes=["https", "com.example.*"])
    assert broken(rules, "com.example.app:/cb") == []
    assert len(broken(rules, "org.evil.app:/cb")) == 2


BROKEN: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a type": (
        {"client_types": ["first_party"]},
        {"client_type": "third_party"},
        "client_types: third_party is not allowed, only first_party",
    ),
    "any type": (
        {"client_types": []},
        {},
        "client_types: first_party is not allowed, and no other is",
    ),
    "a long life": (
        {"max_access_token_expiry_minutes": 60},
        {"access_token_expiry_minutes": 61},
        "max_access_token_expiry_minutes: access_token_expiry_minutes is 61; the limit is 60",
    ),
    "full access": (
        {"allow_full_access": False},
        {"full_access_allowed": True},
        "allow_full_access: full_access_allowed may not be true",
    ),
    "no consent": (
        {"allow_consent_bypass": False},
        {"bypass_consent_for_offline_access": True},
        "allow_consent_bypass: bypass_consent_for_offline_access may not be true",
    ),
    "a host": (
        {"redirect_hosts": ["x.example"]},
        {"redirect_urls": ["https://x.example/", "https://evil.example/"]},
        "redirect_hosts: evil.example is not allowed (redirect_urls)",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_rule_that_is_broken_is_named(case: str) -> None:
    rules, values, text = BROKEN[case]
    assert policy(**rules).broken_rules(app(**values)) == [f"policy {text}"]


@pytest.mark.parametrize("case", [case for case in BROKEN if case not in {"a type", "any type"}])
def test_a_rule_that_is_not_broken_is_not_named(case: str) -> None:
    rules, _, _ = BROKEN[case]
    assert policy(**rules).broken_rules(app(access_token_expiry_minutes=60)) == []


def test_a_new_app_has_the_services_default_token_lifetime() -> None:
    new = CreateApp(client_type="first_party")
    policy(max_access_token_expiry_minutes=60).check_new(new)
    with pytest.raises(PolicyRefusal, match=r"is 60 \(the default\); the limit is 59"):
        policy(max_access_token_expiry_minutes=59).check_new(new)


def test_untrusted_text_in_a_breach_is_made_printable_and_redacted() -> None:
    rules = policy(redirect_hosts=[], client_types=[])
    secret = "Xk29vLm3Qp81Zt7RwB4nYc6D"
    urls = [f"https://user:{secret}@x.example/{secret}", f"https://x\u202e\x1b[31m/{secret}"]
    urls += ["https://" + "a" * 100_000, "\u200b" * 1000]
    sentences = rules.broken_rules(app(redirect_urls=urls, client_type="\x1b[2J" + "x" * 1000))
    assert len(sentences) == 5
    for sentence in sentences:
        assert sentence.isprintable()
        assert secret not in sentence
        assert len(sentence) < 300


def test_a_refusal_names_ten_breaches_and_counts_the_rest() -> None:
    urls = [f"https://h{n}.example/" for n in range(13)]
    with pytest.raises(PolicyRefusal) as refusal:
        policy(redirect_hosts=[]).check_new(app(redirect_urls=urls))
    text = str(refusal.value)
    assert text.count("policy redirect_hosts: ") == 10
    assert text.endswith("; and 3 more")


RULES = {
    "redirect_hosts": ["good.example"],
    "client_types": ["third_party"],
    "max_access_token_expiry_minutes": 60,
    "allow_full_access": False,
}
GOOD, BAD, WORSE = (f"https://{host}.example/" for host in ("good", "bad", "worse"))
AS_IT_IS = app(redirect_urls=[GOOD, BAD, WORSE], access_token_expiry_minutes=90)


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_urls": [GOOD], "access_token_expiry_minutes": 60},
        {"redirect_urls": [GOOD, BAD]},
        {"redirect_urls": [BAD]},
        {"access_token_expiry_minutes": 60},
        {"access_token_expiry_minutes": 60, "client_name": "Other"},
    ],
)
def test_a_change_that_breaks_nothing_or_only_fixes_is_allowed(change: dict[str, Any]) -> None:
    policy(**RULES).check_change(AS_IT_IS, AS_IT_IS.model_copy(update=change))


@pytest.mark.parametrize(
    "change",
    [
        {"client_name": "Other"},
        {"redirect_urls": [GOOD, BAD, WORSE, "https://new.example/"]},
        {"redirect_urls": [GOOD, "https://new.example/"]},
        {"redirect_urls": [GOOD], "access_token_expiry_minutes": 91},
        {"redirect_urls": [GOOD], "full_access_allowed": True},
        {"redirect_urls": [GOOD], "post_logout_redirect_urls": [BAD]},
    ],
)
def test_any_other_change_of_an_app_that_breaks_a_rule_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(PolicyRefusal):
        policy(**RULES).check_change(AS_IT_IS, AS_IT_IS.model_copy(update=change))


def test_a_refused_change_says_which_breaches_are_old() -> None:
    after = AS_IT_IS.model_copy(update={"redirect_urls": [BAD], "full_access_allowed": True})
    with pytest.raises(PolicyRefusal) as refusal:
        policy(**RULES).check_change(AS_IT_IS, after)
    assert str(refusal.value).split("; policy ") == [
        "policy redirect_hosts: bad.example is not allowed (redirect_urls) (as before)",
        (
            "max_access_token_expiry_minutes: access_token_expiry_minutes is 90; the limit is 60 "
            "(as before)"
        ),
        "allow_full_access: full_access_allowed may not be true",
    ]


def test_an_app_of_a_forbidden_type_can_be_changed() -> None:
    before = app(client_type="first_party")
    policy(**RULES).check_change(before, before.model_copy(update={"client_name": "Other"}))


@pytest.mark.parametrize(
    ("client_id", "name", "protected"),
    [
        ("app-1", "Else", True),
        ("APP-1", "Else", True),
        ("app-2", "Else", False),
        ("app-10", None, False),
        ("app-2", "Billing", True),
        ("app-2", "billing", False),
        ("app-2", "Billing ", False),
    ],
)
def test_an_app_is_protected_by_id_or_by_exact_name(
    client_id: str, name: str | None, protected: bool
) -> None:
    rules = policy(protected_apps={"client_ids": ["App-1"], "names": ["Billing"]})
    assert rules.protects(client_id, name) is protected


@pytest.mark.parametrize(
    ("setting", "rule", "permitted", "forbidden"),
    [
        ("reveal", "never", ["never"], ["allow"]),
        ("reveal", "allow", ["never", "allow"], []),
        ("confirm", "always", ["always"], ["auto", "never"]),
        ("confirm", "auto", ["always", "auto"], ["never"]),
        ("confirm", "never", ["always", "auto", "never"], []),
        ("toolsets", ["apps", "review"], [["apps"], []], [["apps", "rotation"]]),
    ],
)
def test_a_setting_may_be_as_strict_or_stricter(
    setting: Any, rule: Any, permitted: list[Any], forbidden: list[Any]
) -> None:
    rules = policy(**{setting: rule})
    assert all(rules.permits(setting, value) for value in permitted)
    assert not any(rules.permits(setting, value) for value in forbidden)


MISTAKES: dict[str, tuple[str | bytes, str]] = {
    "an unknown key": (
        "redirect_host = []",
        "redirect_host: there is no such key. Did you mean redirect_hosts?",
    ),
    "a key like none": ("zzz = 1", "zzz: there is no such key. Known keys: redirect_hosts, "),
    "an unknown key further down": (
        "[protected_apps]\nname = []",
        "protected_apps.name: there is no such key. Did you mean names?",
    ),
    "an unknown table": ("[redirects]\nhosts = []", "redirects: there is no such key."),
    "a part of a label": ("redirect_hosts = ['app*.example']", "redirect_hosts.0: app*.example: "),
    "an asterisk at the end": ("redirect_hosts = ['a', 'app.*']", "redirect_hosts.1: app.*: "),
    "an asterisk alone": ("redirect_hosts = ['*']", "leave redirect_hosts out"),
    "two alone": ("redirect_hosts = ['**']", "leave redirect_hosts out"),
    "three asterisks": ("redirect_hosts = ['***.example']", "an asterisk stands for a whole label"),
    "a URL for a host": ("redirect_hosts = ['https://a.example']", "give a host alone"),
    "a port": ("redirect_hosts = ['localhost:80']", "give a host alone"),
    "an empty host": ("redirect_hosts = ['']", "an asterisk stands for a whole label"),
    "half an address": ("redirect_hosts = ['127.1']", "write an address out"),
    "a hexadecimal address": ("redirect_hosts = ['0x7f000001']", "write an address out"),
    "an asterisk for an address": ("redirect_hosts = ['*.0.0.1']", "write an address out"),
    "an asterisk before an address": ("redirect_hosts = ['*.127.0.0.1']", "without an asterisk"),
    "an asterisk before IPv6": ("redirect_hosts = ['*.::1']", "without an asterisk"),
    "an asterisk for loopback": ("redirect_hosts = ['*.localhost']", "without an asterisk"),
    "a scheme with a colon": ("redirect_schemes = ['https:']", "give a scheme alone"),
    "any scheme": ("redirect_schemes = ['*']", "give a scheme alone"),
    "an asterisk before a scheme": ("redirect_schemes = ['*.app']", "give a scheme alone"),
    "a part of a scheme": ("redirect_schemes = ['com.ex*']", "give a scheme alone"),
    "a scheme that runs": ("redirect_schemes = ['JavaScript']", "no policy allows them"),
    "an unknown type": (
        "client_types = ['first']",
        "client_types.0: Input should be 'first_party'",
    ),
    "no life": ("max_access_token_expiry_minutes = 0", "greater than or equal to 1"),
    "a life in words": (
        "max_access_token_expiry_minutes = '60'",
        "max_access_token_expiry_minutes: Input should be a valid integer",
    ),
    "true for a number": ("max_access_token_expiry_minutes = true", "a valid integer"),
    "infinity": ("max_access_token_expiry_minutes = inf", "a valid integer"),
    "a number for true": ("allow_full_access = 1", "allow_full_access: Input should be a valid b"),
    "a word for a list": (
        "redirect_hosts = 'a.example'",
        "redirect_hosts: Input should be a valid",
    ),
    "a date for a name": ("protected_apps.names = [2026-01-01]", "protected_apps.names.0: "),
    "an empty name": ("protected_apps.names = ['']", "protected_apps.names.0: "),
    "no id": ("protected_apps.client_ids = ['a/b']", "protected_apps.client_ids.0: "),
    "a list for a table": ("protected_apps = []", "protected_apps: Input should be"),
    "a mode that is none": ("confirm = 'sometimes'", "confirm: Input should be 'never', 'auto'"),
    "a ceiling that is none": ("reveal = 'maybe'", "reveal: Input should be 'allow' or 'never'"),
    "no TOML": ("redirect_hosts: []", "it is not valid TOML ("),
    "a key twice": ("reveal = 'never'\nreveal = 'allow'", "it is not valid TOML ("),
    "a depth without end": ("a = " + "[" * 100_000, "it is not valid TOML ("),
    "no text": (b"reveal = '\xff'", "it is not valid TOML ("),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_the_file_is_refused_by_its_key(case: str, tmp_path: Path) -> None:
    text, expected = MISTAKES[case]
    assert expected in refused(tmp_path, text)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    text = refused(tmp_path, "reveal = 'no'\nconfirm = 'no'\nclient_typ = []")
    assert [line.partition(":")[0] for line in text.splitlines()] == [
        "reveal",
        "confirm",
        "client_typ",
    ]


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_a_file_that_cannot_be_read_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="it cannot be read"):
        Policy.read(tmp_path / name)


def test_nothing_of_a_policy_can_be_changed_later() -> None:
    rules = policy(redirect_hosts=["a.example"], protected_apps={"names": ["Billing"]})
    with pytest.raises(ValidationError, match="frozen"):
        rules.reveal = "allow"  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        rules.protected_apps.names = ()  # type: ignore[misc]
    assert hash(rules)


def example() -> str:
    (text,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    return str(text)


def keys_of(rules: dict[str, Any]) -> set[str]:
    protected = rules.get("protected_apps", {})
    return (rules.keys() - {"protected_apps"}) | {f"protected_apps.{key}" for key in protected}


def test_the_documented_example_is_valid_and_has_every_key(tmp_path: Path) -> None:
    rules = Policy.read(written(tmp_path, example()))
    assert keys_of(tomllib.loads(example())) == keys_of(Policy().model_dump())
    named = {"callers.0", "destinations.github"}
    assert (
        set(rules.rules()) == keys_of(Policy().model_dump()) - {"callers", "destinations"} | named
    )
    assert set(rules.toolsets or ()) <= set(TOOLSETS)
    assert broken(rules, "https://a.apps.corp.example/") == []
    assert broken(rules, "https://corp.example/") != []


def test_the_documentation_explains_every_key() -> None:
    explained = re.findall(r"^\| `([a-z_.]+)` \|", DOCS.read_text("utf-8"), re.MULTILINE)
    of_callers = {f"callers.{key}" for key in CallerRule.model_fields}
    of_destinations = {f"destinations.{key}" for key in Destination.model_fields}
    assert set(explained) == keys_of(Policy().model_dump()) | of_callers | of_destinations


def test_a_review_reports_what_breaks_the_policy() -> None:
    rules = policy(
        redirect_hosts=["good.example"],
        redirect_schemes=["https"],
        client_types=["third_party"],
        max_access_token_expiry_minutes=60,
        allow_full_access=False,
        allow_consent_bypass=False,
    )
    review = Review(ReviewLimits(), rules)
    switches = {"full_access_allowed": True, "bypass_consent_for_offline_access": True}
    urls = ["https://good.example/", "com.example.app:/cb"]
    review.add(app(redirect_urls=urls, access_token_expiry_minutes=61, **switches))
    found = {f.code: f.fact for f in review.findings() if f.code.startswith("policy-")}
    assert found.keys() == {
        "policy-redirect-hosts",
        "policy-redirect-schemes",
        "policy-client-types",
        "policy-max-access-token-expiry-minutes",
        "policy-allow-full-access",
        "policy-allow-consent-bypass",
    }
    assert found["policy-allow-full-access"] == (
        "It breaks the policy allow_full_access: full_access_allowed may not be true."
    )


def test_a_review_without_a_policy_reports_no_breach() -> None:
    review = Review()
    review.add(app(**EVERY_SETTING))
    assert not [code for code in review.counts() if code.startswith("policy-")]


@pytest.mark.parametrize("scheme", ["com.corp.", "com.corp..", "com..corp.app", ".com.corp"])
@pytest.mark.parametrize("glob", ["com.corp.*", "com.corp.**"])
def test_an_asterisk_in_a_scheme_matches_no_empty_label(glob: str, scheme: str) -> None:
    assert broken(policy(redirect_schemes=[glob]), f"{scheme}:/cb")


@pytest.mark.parametrize("letter", ["\u017f", "\u212a"])
def test_a_letter_beyond_ascii_matches_no_scheme(letter: str) -> None:
    twin = "com.k.s.app".replace("s" if letter == "\u017f" else "k", letter)
    assert broken(policy(redirect_schemes=["com.k.s.app"]), f"{twin}:/cb")
    with pytest.raises(ValidationError):
        policy(redirect_schemes=[twin])
