"""The pages of the issuer: plain HTML, without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse

from connected_apps_mcp.sandbox.models import ConnectedApp
from connected_apps_mcp.sandbox.state.directory import Subject

from .metadata import AUTHORIZE

MAX_SHOWN_TEXT = 200
"""Most characters of a stranger's text on the page."""

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Connected Apps sandbox</title></head>
<body><main>{content}</main></body>
</html>
"""
_CONSENT = """<h1>Allow <bdi>{name}</bdi>?</h1>
<p><bdi>{description}</bdi></p>
<p>App: <code>{client_id}</code>. It gets the answer at <code>{destination}</code>.</p>
<p>It asks for:</p><ul>{scopes}</ul>
{resources}
<form method="post" action="{action}">
<input type="hidden" name="consent" value="{consent}">
<p><label>As <select name="subject">{subjects}</select></label></p>
<p><button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button></p>
</form>
<p>This is a sandbox for tests: it asks for no password.</p>"""


def consent_page(  # noqa: PLR0913 - each is a part of the page
    *,
    consent: str,
    app: ConnectedApp,
    redirect_uri: str,
    scopes: Sequence[str],
    resources: Sequence[str],
    subjects: Sequence[Subject],
) -> HTMLResponse:
    """Return the page that asks a person; all texts of the app are a stranger's."""
    destination = urlsplit(redirect_uri)
    content = _CONSENT.format(
        name=_shown(app.client_name or "An app without a name"),
        description=_shown(app.client_description),
        client_id=_shown(app.client_id_metadata_url or app.client_id),
        destination=_shown(f"{destination.scheme}://{destination.netloc}"),
        scopes="".join(f"<li><code>{_shown(scope)}</code></li>" for scope in scopes),
        resources="".join(f"<p>For: <code>{_shown(each)}</code></p>" for each in resources),
        action=AUTHORIZE,
        consent=escape(consent),
        subjects="".join(
            f'<option value="{escape(each.subject_id)}">{_shown(each.name)}</option>'
            for each in subjects
        ),
    )
    # Browsers apply form-action to the redirects after the form too: to the app, and its own.
    return _page(content, 200, f"'self' {destination.scheme}:")


def error_page(message: str, status: int) -> HTMLResponse:
    """Return the page for a request that must not be answered to its redirect URI."""
    return _page(f"<h1>This request cannot be answered</h1><p>{_shown(message)}</p>", status)


def _page(content: str, status: int, form_action: str = "'none'") -> HTMLResponse:
    policy = (
        f"default-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action {form_action}"
    )
    return HTMLResponse(
        _PAGE.format(content=content),
        status,
        headers={
            "cache-control": "no-store",
            "content-security-policy": policy,
            # Not no-referrer: browsers would post the form with the origin null.
            "referrer-policy": "same-origin",
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
        },
    )


def _shown(text: str) -> str:
    return escape(text[:MAX_SHOWN_TEXT])
