"""The checks that need one app only: one row each."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from connected_apps_tools.text.urls import ACTIVE_SCHEMES

from .finding import ASK, Rule
from .lookalikes import mixes_scripts, scripts
from .parsed_app import FieldUrl, ParsedApp, shown, shown_url

FindFacts = Callable[[ParsedApp], Iterator[str]]


def active_schemes(app: ParsedApp) -> Iterator[str]:
    """A browser runs code or opens a file at such a URL, and does not reach the app."""
    for link in app.links:
        if link.url.scheme in ACTIVE_SCHEMES:
            yield f"{link} has the scheme {link.url.scheme}, which a browser runs or opens."


def malformed(app: ParsedApp) -> Iterator[str]:
    """Redirects are absolute URIs (OAuth 2.1, 2.3).

    URLs that parsers read differently can bypass validation (RFC 9700, 4.1).
    """
    for link in app.links:
        if link.url.problem and link.url.scheme not in ACTIVE_SCHEMES:
            yield f"{link} {link.url.problem}."


def _plain_http(links: Iterable[FieldUrl]) -> Iterator[str]:
    for link in links:
        if link.url.scheme == "http" and link.url.host and not link.url.loopback:
            yield f"{link} uses http to the host {shown(link.url.host)}."


def http_redirects(app: ParsedApp) -> Iterator[str]:
    """Plain http is for loopback only (RFC 9700, 2.6; RFC 8252, 7.3)."""
    return _plain_http(app.redirects)


def http_post_logout_redirects(app: ParsedApp) -> Iterator[str]:
    """No code is sent there, so the severity is low (OIDC RP-Initiated Logout 1.0, 3.1)."""
    return _plain_http(app.post_logout_redirects)


def wildcards(app: ParsedApp) -> Iterator[str]:
    """Redirects are compared as exact strings (RFC 9700, 2.1; 4.1 shows how patterns leak codes).

    UNKNOWN: whether the service treats an asterisk as a pattern.
    """
    return (f"{link} contains a wildcard." for link in app.links if link.url.wildcard)


def fragments(app: ParsedApp) -> Iterator[str]:
    """A redirect has no fragment (OAuth 2.1, 2.3)."""
    return (f"{link} has a fragment." for link in app.redirects if link.url.fragment)


def user_info(app: ParsedApp) -> Iterator[str]:
    """The text before the @ looks like the host, but is not (RFC 3986, 7.6)."""
    for link in app.valid_links:
        if link.url.user_info:
            fake, host = shown(link.url.user_info), shown(link.url.host)
            yield f"{link} looks like {fake} but leads to {host}."


def mixed_scripts(app: ParsedApp) -> Iterator[str]:
    """A label that mixes scripts imitates another one (UTS 39, section 5)."""
    for link in app.valid_links:
        for label in filter(mixes_scripts, link.url.labels):
            names = ", ".join(name.capitalize() for name in scripts(label))
            yield f"{link} mixes scripts in its host: {shown(label)} is {names}."


def international_hosts(app: ParsedApp) -> Iterator[str]:
    """Such a name may be legitimate, or look like another one (RFC 5890, 4.4)."""
    for link in app.valid_links:
        labels = link.url.labels
        if link.url.international and not any(map(mixes_scripts, labels)):
            host, read = shown(link.url.host), shown(".".join(labels))
            yield f"{link} has the internationalized host {host}, shown as {read}."


def native_redirects(app: ParsedApp) -> Iterator[str]:
    """Apps on users' machines cannot protect a secret: they are public (RFC 8252, 8.4, 8.5)."""
    for link in app.redirects if app.confidential else ():
        if not link.url.problem and (link.url.loopback or link.url.private_use):
            yield f"{link} leads to the user's machine, but the app has a client secret."


def undotted_schemes(app: ParsedApp) -> Iterator[str]:
    """An app's own scheme is a reversed domain name, so it contains a dot.

    Without a dot, another app may use it too (RFC 8252, 7.1 and 8.4; OAuth 2.1, 2.3.1).
    """
    for link in app.redirects:
        url = link.url
        if not url.problem and url.private_use and "." not in url.scheme:
            yield f"{link} has the private-use scheme {shown(url.scheme)}, without a dot."


def no_redirects(app: ParsedApp) -> Iterator[str]:
    """No user can authorize an app without one."""
    if not app.redirects:
        yield "The app has no redirect URL."


def full_access(app: ParsedApp) -> Iterator[str]:
    """Tokens should have the least privilege (RFC 9700, 2.3)."""
    if app.app.full_access_allowed:
        yield "Its tokens can be exchanged for a full user session."


def bypassed_consent(app: ParsedApp) -> Iterator[str]:
    """Offline access needs the user's consent (OpenID Connect Core 1.0, 11)."""
    if app.app.bypass_consent_for_offline_access:
        yield "It gets refresh tokens (offline_access) without the user's consent."


def long_tokens(app: ParsedApp) -> Iterator[str]:
    """A short lifetime limits the damage of a leak (OAuth 2.1, 7.1.3)."""
    minutes, most = app.app.access_token_expiry_minutes, app.limits.max_token_minutes
    if minutes > most:
        yield f"Its access tokens live {minutes} minutes; the limit is {most}."


def open_rotations(app: ParsedApp) -> Iterator[str]:
    """Two secrets are valid. The service does not say since when."""
    last_four = app.app.next_client_secret_last_four
    if last_four is not None:
        yield f"A secret rotation is under way: a next secret (…{shown(last_four)}) is valid too."


def registered_by_strangers(app: ParsedApp) -> Iterator[str]:
    """The data of such an app is self-asserted (RFC 7591, 5)."""
    url = app.app.client_id_metadata_url
    if url:
        yield f"A client metadata document registered it: {shown_url(url)}."
    elif app.by_stranger:
        yield f"The operator did not register it: {shown(app.app.creation_method)}."


class Check(NamedTuple):
    """A rule, and the function that finds the facts for it."""

    rule: Rule
    find: FindFacts


_REPLACE = "With update_app, replace the URL with the app's exact https URL, or remove it."

CHECKS = (
    Check(
        Rule(
            "active-scheme",
            "high",
            "Remove the URL with update_app. If nobody knows who added it, use delete_app.",
        ),
        active_schemes,
    ),
    Check(Rule("http-redirect", "high", _REPLACE), http_redirects),
    Check(Rule("http-post-logout-redirect", "low", _REPLACE), http_post_logout_redirects),
    Check(
        Rule("wildcard-redirect", "high", "With update_app, replace it with the exact URLs."),
        wildcards,
    ),
    Check(
        Rule(
            "fragment-in-redirect", "medium", "With update_app, remove the # and what follows it."
        ),
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
            "Remove a URL left from development with update_app. An app on users' machines needs a "
            "public type, and a type cannot be changed: use create_app with a _public type, move "
            "the users to the new app, then use delete_app.",
        ),
        native_redirects,
    ),
    Check(
        Rule(
            "private-use-scheme-without-dot",
            "low",
            "With update_app, use a reversed domain name of the app's owner as the scheme, such as "
            "com.example.app, or a claimed https URL.",
        ),
        undotted_schemes,
    ),
    Check(
        Rule(
            "no-redirect", "low", "Add one with update_app, or use delete_app if the app is unused."
        ),
        no_redirects,
    ),
    Check(
        Rule(
            "full-access",
            "medium",
            "If the app does not need it, turn full_access_allowed off with update_app.",
        ),
        full_access,
    ),
    Check(
        Rule(
            "bypassed-consent",
            "medium",
            "If the app does not need it, turn bypass_consent_for_offline_access off with "
            "update_app.",
        ),
        bypassed_consent,
    ),
    Check(
        Rule(
            "long-token-lifetime",
            "medium",
            "Lower access_token_expiry_minutes with update_app; refresh tokens renew access.",
        ),
        long_tokens,
    ),
    Check(
        Rule(
            "open-rotation",
            "low",
            "Use complete_secret_rotation when the app uses the next secret, or "
            "cancel_secret_rotation to discard it.",
        ),
        open_rotations,
    ),
    Check(
        Rule(
            "registered-by-stranger",
            "info",
            "Check that its name and redirect URLs belong to one party; else use delete_app.",
        ),
        registered_by_strangers,
    ),
)
