"""The errors between a tool and the service.

ConnectedAppsError
├── InvalidRequest        refused here; nothing was sent
│   ├── AppHasChanged     the app has changed since the caller read it
│   └── PolicyRefusal     the operator's policy forbids it
├── TooManyCalls          refused here: the caller's rate limit; nothing was sent
├── NotConfirmed          a person has to confirm, and has not
├── NotSent               the request did not reach the service
├── NoAnswer              it was sent, but no complete response came back
├── UnexpectedAnswer      the response is not what the API defines
├── SecretNotKept         the service showed a secret, and it could not be stored
├── NotDelivered          a stored secret did not reach its destination, or may not have
└── ServiceError          the service responded with an error
    ├── NotFound          the app does not exist
    ├── TooManyRequests   429
    └── ServiceFailure    5xx
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr


class ConnectedAppsError(Exception):
    """The base of all errors.

    The text is safe to show: it has no value of an argument, and received text only if it is
    redacted.
    """

    transient: bool = False
    """Whether the same request may succeed later."""

    may_have_taken_effect: bool = False
    """Whether the request may have taken effect all the same."""

    late: bool = False
    """Whether the deadline ended the call."""

    quotes: bool = False
    """Whether the text contains untrusted text, redacted and printable."""

    hint: str | None = None
    """What to do next, in one or two sentences, without untrusted text."""


class InvalidRequest(ConnectedAppsError):
    """An argument was refused before anything was sent."""


class AppHasChanged(InvalidRequest):
    """The request gave a version of the app, and the app has changed since."""

    hint = "Read the app with get_app, check that the change is still right, and use its version."


class PolicyRefusal(InvalidRequest):
    """The operator's policy forbids it. The text names each broken rule."""

    rules: frozenset[str] = frozenset()
    """The broken rules."""

    quotes = True
    hint = (
        "Nothing was sent. Stay within the operator's policy; another call with the same arguments "
        "will not help."
    )


class TooManyCalls(ConnectedAppsError):
    """The caller has made too many calls. Nothing was sent.

    Attributes:
        retry_after: seconds until there is room for the next call.
    """

    transient = True
    hint = "Nothing was sent. Wait for so long, then try again."

    def __init__(self, retry_after: int) -> None:
        unit = "second" if retry_after == 1 else "seconds"
        super().__init__(
            f"Too many calls in a short time: there is room for one in {retry_after} {unit}."
        )
        self.retry_after = retry_after


class NotConfirmed(ConnectedAppsError):
    """A person has to confirm first, and has not. Nothing was changed."""

    answer: Literal["decline", "cancel"] | None = None
    """The person's answer, if there was one."""


class NotSent(ConnectedAppsError):
    """The connection failed (refused, DNS, TLS, a full pool), so nothing took effect."""

    transient = True
    hint = "Check the network and the base URL, then try again."


class NoAnswer(ConnectedAppsError):
    """A timeout or a broken connection after the request was sent."""

    transient = True
    may_have_taken_effect = True
    hint = "Try again in a moment."


@dataclass(frozen=True)
class Salvaged:
    """The secrets in a response that is otherwise not what the API defines."""

    client_id: str
    secrets: Mapping[str, SecretStr | None]
    """By `current` or `next`."""
    last_fours: Mapping[str, str | None]
    """The last four characters of each secret, as the response shows them."""


class UnexpectedAnswer(ConnectedAppsError):
    """A redirect, a page from a proxy, or a body without the expected fields.

    The body is never quoted: it may contain a secret.
    """

    may_have_taken_effect = True
    hint = "Check that the base URL is the API's own, and that no proxy is in between."

    salvaged: Salvaged | None = None
    """The secrets in the response. They must be stored."""


class SecretNotKept(ConnectedAppsError):
    """The service showed a secret, and no store took it.

    The text says whether the change was undone.
    """

    request_id: str | None = None
    """The service's id of the request that showed the secret."""


class NotDelivered(ConnectedAppsError):
    """A stored secret did not reach its destination, or may not have. It is stored as before."""

    hint = (
        "The secret is stored as before, and the service knows nothing of this. Only the operator "
        "can correct the destination; then deliver again."
    )


class ServiceError(ConnectedAppsError):
    """The service responded with its error envelope, or with an error status only.

    Attributes:
        status: the HTTP status.
        error_type: the service's name of the error, a key of `HINTS` if there is advice.
        request_id: the service's id of the request, for its support.
        retry_after: seconds to wait before the next attempt, if the service said so.
    """

    quotes = True

    def __init__(
        self,
        message: str,
        *,
        status: int,
        error_type: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.request_id = request_id
        self.retry_after = retry_after
        self.hint = HINTS.get(error_type or "", type(self).hint)


class NotFound(ServiceError):
    """404 and `connected_app_not_found`: the app does not exist.

    It causes stored secrets to be removed, so any other 404 is another error: it may come from a
    proxy, or be about the route.
    """

    client_id: str | None = None
    """The app in the request."""

    after_doubtful_attempt: bool = False
    """Whether an earlier attempt of the same call may have taken effect."""


class TooManyRequests(ServiceError):
    """429: a rate limit refused the request, so nothing took effect."""

    transient = True
    hint = "The service limits the rate of requests: wait a moment, then try again."


class ServiceFailure(ServiceError):
    """5xx: the service or an intermediary failed."""

    transient = True
    may_have_taken_effect = True
    hint = "The service failed: try again in a moment."


_SEARCH = "Use search_apps to find the client_id."
_REDIRECT = (
    "Give absolute URLs: https://…, or http://127.0.0.1/… for a native app on the user's machine."
)
_TEMPLATE = (
    "Give the template as one string. It must be a JSON object when its {{ tags }} are filled in, "
    "and must not set registered claims such as sub or exp."
)
_PROJECT_CREDENTIALS = (
    "The operator has to correct the credentials of the project (connected-apps-mcp whoami shows "
    "where they come from); another call will not help."
)
_FIRST_PARTY = "Leave this option out, or use a first-party client type."

_EMAIL = "an e-mail address is not an id. The Stytch dashboard shows the id for an address."

HINTS: dict[str, str] = {
    "route_not_found": (
        "The operator has to check the base URL (--base-url): it must not include the path /v1, "
        "which every operation adds."
    ),
    "connected_app_not_found": _SEARCH,
    "unauthorized_credentials": _PROJECT_CREDENTIALS,
    "invalid_project_id_authentication": _PROJECT_CREDENTIALS,
    "live_id_used_in_test_environment": _SEARCH,
    "test_id_used_in_live_environment": _SEARCH,
    "connected_app_invalid_redirect_url": _REDIRECT,
    "connected_app_redirect_url_must_include_scheme": _REDIRECT,
    "connected_app_redirect_url_must_use_https_scheme": _REDIRECT,
    "connected_app_redirect_url_must_use_http_or_https_scheme": _REDIRECT,
    "connected_app_redirect_url_http_scheme_must_use_loopback": _REDIRECT,
    "connected_app_redirect_url_cannot_use_localhost": _REDIRECT,
    "idp_invalid_access_token_jwt_template": _TEMPLATE,
    "jwt_template_invalid_json": _TEMPLATE,
    "jwt_template_invalid_tag": _TEMPLATE,
    "jwt_template_mismatched_tag": _TEMPLATE,
    "reserved_claims_in_custom_claims": _TEMPLATE,
    "stytch_claims_in_custom_claims": _TEMPLATE,
    "custom_claims_too_large": _TEMPLATE,
    "third_party_clients_cannot_use_full_access": _FIRST_PARTY,
    "third_party_clients_require_consent_for_offline_access": _FIRST_PARTY,
    "invalid_b2b_endpoint": (
        "This is a consumer project without organizations: use list_user_grants and "
        "revoke_user_grant."
    ),
    "invalid_consumer_endpoint": (
        "This is a B2B project, where members authorise apps: use list_member_grants and "
        "revoke_member_grant."
    ),
    "user_not_found": "Give the user_id or the external id of a user of this project; " + _EMAIL,
    "organization_not_found": "Give the organization_id or the slug.",
    "member_not_found": (
        "Use get_organization_app to find the members who authorised an app; " + _EMAIL
    ),
    "connected_app_not_rotating_secret": "To start a rotation, use start_secret_rotation.",
    "too_many_connected_apps": "First delete an app that is no longer needed, with delete_app.",
}
"""What to do about an error of the service, by its `error_type`."""
