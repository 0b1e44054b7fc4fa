"""What can be told of one app by itself: one row, one check."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from connected_apps_tools.text.urls import ACTIVE_SCHEMES

from .finding import ASK, Rule
from .lookalikes import mixes_scripts, scripts
from .parsed_app import FieldUrl, ParsedApp, shown, shown_url

Look = Callable[[ParsedApp], Iterator[str]]


def active_schemes(app: ParsedApp) -> Iterator[str]:
    """A browser that is sent there runs code or opens a file instead of reaching the app."""
    for link in app.links:
        if link.url.scheme in ACTIVE_SCHEMES:
            yield f"{link} has the scheme {link.url.scheme}, which browsers run or open."


def malformed(app: ParsedApp) -> Iterator[str]:
    """Redirects are absolute URIs (OAuth 2.1, 2.3).

    What parsers disagree about is how validation is fooled (RFC 9700, 4.1).
    """
    for link in app.links:
        if link.url.problem and link.url.scheme not in ACTIVE_SCHEMES:
            yield f"{link} {link.url.problem}."


def _plain_http(links: Iterable[FieldUrl]) -> Iterator[str]:
    for link in links:
        if link.url.scheme == "http" and link.url.host and not link.url.loopback:
            yield f"{link} uses http to the host {shown(link.url.host)}."


def http_redirects(app: ParsedApp) -> Iterator[str]:
    """Http is for loopback only (RFC 9700, 2.6; RFC 8252, 7.3)."""
    return _plain_http(app.redirects)


def http_post_logout_redirects(app: ParsedApp) -> Iterator[str]:
    """No code goes there, so it weighs less (OpenID Connect RP-Initiated Logout 1.0, 3.1)."""
    return _plain_http(app.post_logout_redirects)


def wildcards(app: ParsedApp) -> Iterator[str]:
    """Redirects are compared as exact strings (RFC 9700, 2.1; 4.1 shows how patterns leak codes).

    UNKNOWN: whether the service takes an asterisk for a pattern.
    """
    return (f"{link} holds a wildcard." for link in app.links if link.url.wildcard)


def fragments(app: ParsedApp) -> Iterator[str]:
    """A redirect has no fragment (OAuth 2.1, 2.3)."""
    return (f"{link} has a fragment." for link in app.redirects if link.url.fragment)


def user_info(app: ParsedApp) -> Iterator[str]:
    """What stands before the @ is read as the host, and is not (RFC 3986, 7.6)."""
    for link in app.sound_links:
        if link.url.user_info:
            pretended, host = shown(link.url.user_info), shown(link.url.host)
            yield f"{link} reads like {pretended} and leads to {host}."


def mixed_scripts(app: ParsedApp) -> Iterator[str]:
    """Letters of different scripts in one label are there to deceive (UTS 39, section 5)."""
    for link in app.sound_links:
        for label in filter(mixes_scripts, link.url.labels):
            names = ", ".join(name.capitalize() for name in scripts(label))
            yield f"{link} mixes scripts in its host: {shown(label)} is {names}."


def international_hosts(app: ParsedApp) -> Iterator[str]:
    """Such a name may be honest, and may be one that looks like another (RFC 5890, 4.4)."""
    for link in app.sound_links:
        labels = link.url.labels
        if link.url.international and not any(map(mixes_scripts, labels)):
            host, read = shown(link.url.host), shown(".".join(labels))
            yield f"{link} has the internationalized host {host}, which reads {read}."


def native_redirects(app: ParsedApp) -> Iterator[str]:
    """What runs on users' machines can keep no secret, and is public (RFC 8252, 8.4 and 8.5)."""
    for link in app.redirects if app.confidential else ():
        if not link.url.problem and (link.url.loopback or link.url.private_use):
            yield f"{link} leads to the user's own machine, and the app has a client secret."


def undotted_schemes(app: ParsedApp) -> Iterator[str]:
    """An app's own scheme is a domain name turned round, so at least a dot is in it.

    Else another app on the device may claim it too (RFC 8252, 7.1 and 8.4; OAuth 2.1, 2.3.1).
    """
    for link in app.redirects:
        url = link.url
        if not url.problem and url.private_use and "." not in url.scheme:
            yield f"{link} has the private-use scheme {shown(url.scheme)}, without a dot."


def no_redirects(app: ParsedApp) -> Iterator[str]:
    """Without one no user can authorize the app."""
    if not app.redirects:
        yield "The app has no redirect URL."


def full_access(app: ParsedApp) -> Iterator[str]:
    """Tokens should carry the least privilege that serves (RFC 9700, 2.3)."""
    if app.app.full_access_allowed:
        yield "Its tokens can be exchanged for a full session of the user."


def bypassed_consent(app: ParsedApp) -> Iterator[str]:
    """Access while the user is away needs the user's consent (OpenID Connect Core 1.0, 11)."""
    if app.app.bypass_consent_for_offline_access:
        yield "It gets refresh tokens (offline_access) without the user's consent."


def long_tokens(app: ParsedApp) -> Iterator[str]:
    """Short lives limit what a leak is worth (OAuth 2.1, 7.1.3)."""
    minutes, most = app.app.access_token_expiry_minutes, app.bounds.max_token_minutes
    if minutes > most:
        yield f"Its access tokens live {minutes} minutes; the bound is {most}."


def open_rotations(app: ParsedApp) -> Iterator[str]:
    """Two secrets work. The service does not tell since when."""
    last_four = app.app.next_client_secret_last_four
    if last_four is not None:
        yield f"A secret rotation is under way: a next secret (…{shown(last_four)}) works too."


def registered_by_strangers(app: ParsedApp) -> Iterator[str]:
    """Nobody vouches for what they say of themselves (RFC 7591, 5)."""
    url = app.app.client_id_metadata_url
    if url:
        yield f"A client metadata document describes it: {shown_url(url)}."
    elif app.by_stranger:
        yield f"It was not registered by the operator: {shown(app.app.creation_method)}."


class Check(NamedTuple):
    """A rule, and what finds the facts for it."""

    rule: Rule
    look: Look


_REPLACE = "With update_app, replace it by the exact https URL that the app uses, or remove it."

CHECKS = (
    Check(
        Rule(
            "active-scheme",
            "high",
            "Remove it with update_app. Where nobody knows how it got there, use delete_app.",
        ),
        active_schemes,
    ),
    Check(Rule("http-redirect", "high", _REPLACE), http_redirects),
    Check(Rule("http-post-logout-redirect", "low", _REPLACE), http_post_logout_redirects),
    Check(
        Rule("wildcard-redirect", "high", "With update_app, list each exact URL in its place."),
        wildcards,
    ),
    Check(
        Rule("fragment-in-redirect", "medium", "With update_app, give the URL without the #."),
        fragments,
    ),
    Check(Rule("user-info-in-url", "high", f"{ASK} to remove the URL."), user_info),
    Check(Rule("mixed-script-host", "high", f"{ASK} to remove the URL."), mixed_scripts),
    Check(
        Rule(
            "internationalized-host",
            "medium",
            f"{ASK} to remove the URL, unless it is the right host.",
        ),
        international_hosts,
    ),
    Check(Rule("malformed-url", "medium", _REPLACE), malformed),
    Check(
        Rule(
            "native-redirect-on-confidential-app",
            "medium",
            "Remove a leftover of development with update_app. An app that runs on users' machines "
            "needs a public type, and a type cannot be changed: use create_app with a _public "
            "type, move the users over, then delete_app.",
        ),
        native_redirects,
    ),
    Check(
        Rule(
            "private-use-scheme-without-dot",
            "low",
            "With update_app, use a scheme made of a domain of the app's owner turned round, such "
            "as com.example.app, or an https URL that the app claims.",
        ),
        undotted_schemes,
    ),
    Check(
        Rule("no-redirect", "low", "Give it one with update_app, or use delete_app if unused."),
        no_redirects,
    ),
    Check(
        Rule(
            "full-access",
            "medium",
            "Unless the app needs it, turn full_access_allowed off with update_app.",
        ),
        full_access,
    ),
    Check(
        Rule(
            "bypassed-consent",
            "medium",
            "Unless the app needs it, turn bypass_consent_for_offline_access off with update_app.",
        ),
        bypassed_consent,
    ),
    Check(
        Rule(
            "long-token-lifetime",
            "medium",
            "Lower access_token_expiry_minutes with update_app; refresh tokens bridge the gap.",
        ),
        long_tokens,
    ),
    Check(
        Rule(
            "open-rotation",
            "low",
            "Use complete_secret_rotation once the app runs with the next secret, or "
            "cancel_secret_rotation to drop it.",
        ),
        open_rotations,
    ),
    Check(
        Rule(
            "registered-by-stranger",
            "info",
            "Check that its name and redirect URLs belong together; use delete_app if they do not.",
        ),
        registered_by_strangers,
    ),
)
