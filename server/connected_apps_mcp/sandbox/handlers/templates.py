"""Custom claims templates: a JSON object in which values may be unquoted `{{ tags }}`."""

from __future__ import annotations

import re

from pydantic_core import from_json

from connected_apps_mcp.sandbox.errors import ApiError, ErrorType

MAX_TEMPLATE_BYTES = 4096
"""INFERRED."""

REGISTERED_CLAIMS = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
"""Claims that a template may not set; INFERRED."""

SERVICE_CLAIM_PREFIX = "https://stytch.com/"
"""UNKNOWN-choice: the official SDK reads its session from a claim under this prefix."""

# A tag holds neither braces nor quotes, so `{"a": {{ b.c }}}` ends where a reader expects.
_TAG = re.compile(r'\{\{([^{}"]*)\}\}')
_DOTTED_NAME = re.compile(r"[A-Za-z_][\w-]*(\.[\w-]+)*")


def check_template(template: str) -> None:
    """Check a template; an empty one means no custom claims.

    Bounds: 4096 bytes of UTF-8. The error types are KNOWN, the rule behind each is a choice.

    Raises:
        ApiError: the template is invalid.
    """
    if not template:
        return
    if len(template.encode()) > MAX_TEMPLATE_BYTES:
        raise ApiError(ErrorType.CUSTOM_CLAIMS_TOO_LARGE)
    claims = _claim_names(_fill_tags(template))
    if claims & REGISTERED_CLAIMS:
        raise ApiError(ErrorType.RESERVED_CLAIMS_IN_CUSTOM_CLAIMS)
    if any(claim.startswith(SERVICE_CLAIM_PREFIX) for claim in claims):
        raise ApiError(ErrorType.STYTCH_CLAIMS_IN_CUSTOM_CLAIMS)


def _fill_tags(template: str) -> str:
    """Replace each tag by `null`: valid as a value and inside a string, nowhere else."""
    for tag in _TAG.finditer(template):
        if not _DOTTED_NAME.fullmatch(tag[1].strip()):
            raise ApiError(ErrorType.JWT_TEMPLATE_INVALID_TAG)
    filled = _TAG.sub("null", template)
    # Outside a tag, JSON never has `{{`; `}}` just closes two objects.
    if "{{" in filled:
        raise ApiError(ErrorType.JWT_TEMPLATE_MISMATCHED_TAG)
    return filled


def _claim_names(text: str) -> frozenset[str]:
    try:
        claims = from_json(text, allow_inf_nan=False)
    except ValueError:
        claims = None
    if not isinstance(claims, dict):
        raise ApiError(ErrorType.JWT_TEMPLATE_INVALID_JSON)
    return frozenset(claims)
