"""What about a change to an app weakens its protection."""

from collections.abc import Iterator, Sequence
from itertools import takewhile

from connected_apps_tools.api.models import ConnectedApp, is_third_party
from connected_apps_tools.text.printable import printable, printable_url
from connected_apps_tools.text.urls import origins_of, targets_of

SHOWN = 300
"""Characters that are shown of a value."""

LEAD = 40
"""Characters that are shown before the place where two values differ."""

LED_TO = {"Redirect": "redirect_urls", "Logout redirect": "post_logout_redirect_urls"}
"""Where users are sent, by what a person calls it."""

CONSENT = {"client_name": "Name on the consent page", "logo_url": "Logo on the consent page"}
"""What tells users which app asks them, where they are asked."""

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
    """What a person should agree to, as label and fact; nothing where the change is harmless."""
    for label, field in LED_TO.items():
        yield from _wider(label, getattr(before, field), getattr(after, field))
    kept = set(after.redirect_urls)
    for url in before.redirect_urls:
        if url not in kept:
            yield "Redirect URL removed", printable_url(url, SHOWN)
    if is_third_party(before.client_type):
        for field, label in CONSENT.items():
            old, new = getattr(before, field) or "", getattr(after, field) or ""
            if old != new:
                yield f"{label} before", printable(old, SHOWN) or "none"
                yield f"{label} after", printable(new, SHOWN) or "none"
    for field, label in SWITCHES.items():
        if getattr(after, field) and not getattr(before, field):
            yield label, "no → yes"
    was, now = before.access_token_expiry_minutes, after.access_token_expiry_minutes
    if now > was:
        yield "Access tokens live longer", f"{was} → {now} minutes"
    for field, label in CLAIMS.items():
        old, new = getattr(before, field) or "", getattr(after, field) or ""
        if old != new:
            begin = max(0, _agreement(old, new) - LEAD)
            yield f"{label} before", _from(begin, old)
            yield f"{label} after", _from(begin, new)


def _wider(label: str, before: Sequence[str], after: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Where else added URLs lead: another host, another origin of a host, or a pattern."""
    hosts, origins, known = set(targets_of(before)), set(origins_of(before)), set(before)
    for host in targets_of(after):
        if host not in hosts:
            yield f"{label} host added", printable_url(host, SHOWN)
    for url in after:
        (host,), (origin,) = targets_of([url]), origins_of([url])
        if url not in known and host in hosts and ("*" in url or origin not in origins):
            yield f"{label} URL widened", printable_url(url, SHOWN)


def _agreement(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in pairs)


def _from(begin: int, text: str) -> str:
    """A value from a little before the place where it differs."""
    left_out = f"(after {begin} characters) " if begin else ""
    return left_out + (printable(text[begin:], SHOWN) or "none")
