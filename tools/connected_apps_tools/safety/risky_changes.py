"""Finds the parts of a change that make an app less protected."""

from collections.abc import Iterator, Sequence
from itertools import takewhile

from connected_apps_tools.api.models import ConnectedApp, is_third_party
from connected_apps_tools.text.printable import printable, printable_url
from connected_apps_tools.text.urls import origins_of, targets_of

MAX_RISK_VALUE = 300
"""Most characters shown of a value."""

LEAD = 40
"""Characters shown before the place where two values differ."""

REDIRECTS = {"Redirect": "redirect_urls", "Logout redirect": "post_logout_redirect_urls"}
"""The fields with redirect URLs, by the label in a question."""

CONSENT = {"client_name": "Name on the consent page", "logo_url": "Logo on the consent page"}
"""The fields by which users recognise the app that asks for consent."""

SWITCHES = {
    "full_access_allowed": "Full access is turned on",
    "bypass_consent_for_offline_access": "Consent for offline access is bypassed",
}
CLAIMS = {
    "access_token_custom_audience": "Audience of access tokens",
    "access_token_template_content": "Claims of access tokens",
    "id_token_template_content": "Claims of ID tokens",
}


def risky_changes(before: ConnectedApp, after: ConnectedApp) -> Iterator[tuple[str, str]]:
    """What a person has to confirm, as label and fact; nothing for a harmless change."""
    for label, field in REDIRECTS.items():
        yield from _wider(label, getattr(before, field), getattr(after, field))
    remaining = set(after.redirect_urls)
    for url in before.redirect_urls:
        if url not in remaining:
            yield "Redirect URL removed", printable_url(url, MAX_RISK_VALUE)
    if is_third_party(before.client_type):
        for field, label in CONSENT.items():
            old, new = getattr(before, field) or "", getattr(after, field) or ""
            if old != new:
                yield f"{label} before", printable(old, MAX_RISK_VALUE) or "none"
                yield f"{label} after", printable(new, MAX_RISK_VALUE) or "none"
    for field, label in SWITCHES.items():
        if getattr(after, field) and not getattr(before, field):
            yield label, "no → yes"
    was, now = before.access_token_expiry_minutes, after.access_token_expiry_minutes
    if now > was:
        yield "Access tokens live longer", f"{was} → {now} minutes"
    for field, label in CLAIMS.items():
        old, new = getattr(before, field) or "", getattr(after, field) or ""
        if old != new:
            begin = max(0, _common_length(old, new) - LEAD)
            yield f"{label} before", _from(begin, old)
            yield f"{label} after", _from(begin, new)


def _wider(label: str, before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[str, str]]:
    """New targets of added URLs: another host, another origin of a host, or a pattern."""
    hosts, origins, known = set(targets_of(before)), set(origins_of(before)), set(before)
    for host in targets_of(after):
        if host not in hosts:
            yield f"{label} host added", printable_url(host, MAX_RISK_VALUE)
    for url in after:
        (host,), (origin,) = targets_of([url]), origins_of([url])
        if url not in known and host in hosts and ("*" in url or origin not in origins):
            yield f"{label} URL widened", printable_url(url, MAX_RISK_VALUE)


def _common_length(one: str, other: str) -> int:
    """The length of the common start of two texts."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in pairs)


def _from(begin: int, text: str) -> str:
    """A value from the character at `begin` on."""
    left_out = f"(after {begin} characters) " if begin else ""
    return left_out + (printable(text[begin:], MAX_RISK_VALUE) or "none")
