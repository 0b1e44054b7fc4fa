"""Everything that can go wrong between a tool and the service.

ConnectedAppsError
├── InvalidRequest        refused here, before anything was sent
│   ├── AppHasChanged     the app is not the one that the caller looked at
│   └── PolicyRefusal     the operator's policy forbids it
├── NotConfirmed          a person has to agree, and has not
├── NotSent               the request certainly did not reach the service
├── NoAnswer              it was sent, and no complete answer came back
├── UnexpectedAnswer      what came back is not what the API promises
├── SecretNotKept         a secret was shown and could not be stored
└── ServiceError          the service answered with an error
    ├── NotFound          the app does not exist
    ├── TooManyRequests   429
    └── ServiceFailure    5xx
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr


class ConnectedAppsError(Exception):
    """Base of the tree.

    Its text is safe to show: it holds no value that was given, and nothing that was received unless
    `text.redact` has passed it.
    """

    transient: bool = False
    """Whether the same request may succeed later, unchanged."""

    may_have_taken_effect: bool = False
    """Whether the service may have carried out the request all the same."""

    late: bool = False
    """Whether it was the deadline that ended the call."""

    quotes: bool = False
    """Whether the text has words of the service or of strangers in it, cleaned."""

    hint: str | None = None
    """What to do next, in a sentence or two, all of them ours."""


class InvalidRequest(ConnectedAppsError):
    """An argument was refused before anything was sent."""


class AppHasChanged(InvalidRequest):
    """A change was asked for on the condition that the app is as it was, and it is not."""

    hint = "Read the app with get_app, see whether the change is still right, and use its version."


class PolicyRefusal(InvalidRequest):
    """The operator's policy forbids it. The text names each rule that would be broken."""

    quotes = True
    hint = (
        "Nothing was sent. Keep to what the operator's policy allows; another call with the same "
        "arguments will not help."
    )


class NotConfirmed(ConnectedAppsError):
    """A person has to agree first, and has not. Nothing was changed."""

    answer: Literal["decline", "cancel"] | None = None
    """What the person said, where one said anything."""


class NotSent(ConnectedAppsError):
    """No connection came about (refused, DNS, TLS, a full pool), so nothing took effect."""

    transient = True
    hint = "Check the network and the base URL, then try again."


class NoAnswer(ConnectedAppsError):
    """A timeout or a broken connection after the request was sent."""

    transient = True
    may_have_taken_effect = True
    hint = "Try again in a moment."


@dataclass(frozen=True)
class Salvaged:
    """The secrets in an answer that is otherwise not what the API promises."""

    client_id: str
    secrets: Mapping[str, SecretStr | None]
    """By which one it is: current or next."""
    last_fours: Mapping[str, str | None]
    """What the answer tells of each."""


class UnexpectedAnswer(ConnectedAppsError):
    """A redirect, a page from a proxy, or a body without the promised fields.

    The body is never quoted: it may hold a secret.
    """

    may_have_taken_effect = True
    hint = "Check that the base URL is the API's own and that no proxy stands in between."

    salvaged: Salvaged | None = None
    """The secret that the answer held all the same. It must be kept."""


class SecretNotKept(ConnectedAppsError):
    """The service showed a secret, no store took it, and what had shown it was undone, or was not.

    The text says which.
    """


class ServiceError(ConnectedAppsError):
    """The service answered with its error envelope, or with a bare error status.

    Attributes:
        status: the HTTP status.
        error_type: the service's name for the error, a key of `HINTS` where there is advice.
        request_id: what the service's support asks for.
        retry_after: seconds to wait before the next attempt, where the service said so.
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

    Secrets are forgotten on the strength of it, so a 404 that says anything else is another error:
    it may come from a proxy, or be about the route.
    """

    client_id: str | None = None
    """The app that was asked for."""

    after_doubtful_attempt: bool = False
    """Whether an earlier attempt of the same call may have been carried out unseen."""


class TooManyRequests(ServiceError):
    """429: a rate limit refused the request, so nothing took effect."""

    transient = True
    hint = "The service limits the rate of calls: wait a moment, then try again."


class ServiceFailure(ServiceError):
    """5xx: the service or something before it failed."""

    transient = True
    may_have_taken_effect = True
    hint = "The fault is on the service's side: try again in a moment."


_SEARCH = "Use search_apps to find the client_id."
_REDIRECT = (
    "Give absolute URLs: https://…, or http://127.0.0.1/… for a native app on the user's machine."
)
_TEMPLATE = (
    "Give the template as one string that is a JSON object once its {{ tags }} are filled in, "
    "without registered claims such as sub or exp."
)
_CREDENTIALS = (
    "The operator has to correct STYTCH_PROJECT_ID and STYTCH_SECRET; another call will not help."
)
_FIRST_PARTY = "Leave this option out, or use a first-party client type."

_EMAIL = "an e-mail address is no id: the Stytch dashboard shows the id that belongs to it."

HINTS: dict[str, str] = {
    "route_not_found": (
        "The operator has to check the base URL (--base-url): every operation adds its path, which "
        "begins with /v1."
    ),
    "connected_app_not_found": _SEARCH,
    "unauthorized_credentials": _CREDENTIALS,
    "invalid_project_id_authentication": _CREDENTIALS,
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
        "This is a consumer project, without organizations: use list_user_grants and "
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
    "connected_app_not_rotating_secret": "To begin, use start_secret_rotation.",
    "too_many_connected_apps": "Delete an app that is no longer needed first.",
}
"""What to do about an error of the service, by its `error_type`."""
