"""The service's errors, and the translation of every failure into an error body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, unique
from http import HTTPStatus

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from .credentials import Environment, ProjectKind

ERROR_URLS: dict[ProjectKind, str] = {
    "consumer": "https://stytch.com/docs/api/errors/{status}#{error_type}",
    "b2b": "https://stytch.com/docs/b2b/api/errors/{status}#{error_type}",
}
"""KNOWN. INFERRED: the kind of the project decides, not the path."""

OAUTH_PATH = re.compile(r"/v1/(public/[^/]+/)?oauth2/")
CHALLENGE = {"www-authenticate": 'Basic realm="connected-apps-sandbox"'}
_OOPS = (
    "Oops, something seems to have gone wrong, please reach out to support@stytch.com to let us "
    "know what went wrong."
)


@unique
class ErrorType(Enum):
    """Status and message of each `error_type` of the sandbox; the name is the type.

    The names are KNOWN (those of OAuth from its RFCs), and the messages of the first and last
    block. The other messages are ours, because the service's are UNKNOWN. Where no status is
    documented, 400 is INFERRED, and 404 for what is not found.
    """

    UNAUTHORIZED_CREDENTIALS = 401, "Unauthorized credentials."
    INVALID_PROJECT_ID_AUTHENTICATION = (
        400,
        "The project ID provided in the basic authentication header is invalid.",
    )
    ROUTE_NOT_FOUND = 404, "The route provided is not supported."
    CONNECTED_APP_NOT_FOUND = 404, "The Connected App requested could not be found."
    USER_NOT_FOUND = 404, "User could not be found."
    INVALID_B2B_ENDPOINT = (
        400,
        (
            "The provided project_id is a Consumer project and this endpoint is only enabled for"
            " B2B projects."
        ),
    )
    TOO_MANY_REQUESTS = 429, "Too many requests have been made."

    ORGANIZATION_NOT_FOUND = 404, "The organization could not be found."
    MEMBER_NOT_FOUND = 404, "The member could not be found in this organization."
    INVALID_CONSUMER_ENDPOINT = (
        400,
        "The project is a B2B project and this endpoint is for Consumer projects only.",
    )

    BAD_REQUEST = 400, "The request body could not be read."
    INVALID_REQUEST_VALUE = 400, "A value in the request is not valid."
    METHOD_NOT_ALLOWED = 405, "The method is not allowed on this route."
    LIVE_ID_USED_IN_TEST_ENVIRONMENT = 400, "A live ID was used in the test environment."
    TEST_ID_USED_IN_LIVE_ENVIRONMENT = 400, "A test ID was used in the live environment."

    INVALID_CONNECTED_APP_TYPE = (
        400,
        "client_type must be first_party, first_party_public, third_party or third_party_public.",
    )
    TOO_MANY_CONNECTED_APPS = 400, "The project holds as many Connected Apps as it may."
    THIRD_PARTY_CLIENTS_CANNOT_USE_FULL_ACCESS = (
        400,
        "full_access_allowed is for first party clients only.",
    )
    THIRD_PARTY_CLIENTS_REQUIRE_CONSENT_FOR_OFFLINE_ACCESS = (
        400,
        "bypass_consent_for_offline_access is for first party clients only.",
    )

    CONNECTED_APP_ALREADY_ROTATING_SECRET = 400, "A secret rotation is already under way."
    CONNECTED_APP_NOT_ROTATING_SECRET = 400, "No secret rotation is under way."
    PUBLIC_CONNECTED_APPS_DO_NOT_HAVE_SECRETS = 400, "A public Connected App has no secret."

    CONNECTED_APP_INVALID_REDIRECT_URL = 400, "A redirect URL is malformed."
    CONNECTED_APP_REDIRECT_URL_MUST_INCLUDE_SCHEME = 400, "A redirect URL has no scheme."
    CONNECTED_APP_REDIRECT_URL_MUST_USE_HTTPS_SCHEME = 400, "A redirect URL must use https."
    CONNECTED_APP_REDIRECT_URL_MUST_USE_HTTP_OR_HTTPS_SCHEME = (
        400,
        "A redirect URL must use http or https.",
    )
    CONNECTED_APP_REDIRECT_URL_HTTP_SCHEME_MUST_USE_LOOPBACK = (
        400,
        "A redirect URL may use http on a loopback address only.",
    )
    CONNECTED_APP_REDIRECT_URL_CANNOT_USE_LOCALHOST = (
        400,
        "A redirect URL of a live project cannot use localhost.",
    )

    IDP_INVALID_ACCESS_TOKEN_EXPIRY_MINUTES = 400, "access_token_expiry_minutes is out of bounds."
    IDP_INVALID_ACCESS_TOKEN_CUSTOM_AUDIENCE = (
        400,
        "access_token_custom_audience may hold printable ASCII characters without spaces only.",
    )
    JWT_TEMPLATE_INVALID_JSON = 400, "The template is not a JSON object."
    JWT_TEMPLATE_INVALID_TAG = 400, "A tag of the template is not a dotted name."
    JWT_TEMPLATE_MISMATCHED_TAG = 400, "A tag of the template is opened but not closed."
    RESERVED_CLAIMS_IN_CUSTOM_CLAIMS = 400, "The template sets a registered claim."
    STYTCH_CLAIMS_IN_CUSTOM_CLAIMS = 400, "The template sets a claim that is the service's own."
    CUSTOM_CLAIMS_TOO_LARGE = 400, "The template is larger than 4 kB."

    INVALID_CLIENT = 401, "Client authentication failed."
    INVALID_REQUEST = 400, "The request lacks a required parameter."
    INVALID_GRANT = 400, "The code or refresh token is not valid."
    INVALID_SCOPE = 400, "A requested scope is not known, or was not granted."
    INVALID_TARGET = 400, "A resource is not an absolute URL, or was not authorized."
    INVALID_TOKEN = 401, "The access token is not valid."
    INSUFFICIENT_SCOPE = 403, "The access token lacks the scope openid."
    UNSUPPORTED_GRANT_TYPE = 400, "grant_type must be authorization_code or refresh_token."
    UNSUPPORTED_RESPONSE_TYPE = 400, "response_type must be code."
    INVALID_REDIRECT_URI = 400, "A redirect URI is not valid."
    INVALID_CLIENT_METADATA = 400, "The client metadata is not valid."
    ACCESS_DENIED = 400, "The person denied access."
    CONSENT_REQUIRED = 400, "The app cannot be authorized without a person's consent."

    INTERNAL_SERVER_ERROR = 500, _OOPS

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message


class ApiError(Exception):
    """A failure, in the service's terms.

    `message` replaces the default message. It never repeats a value from the request.
    """

    def __init__(
        self,
        error_type: ErrorType,
        message: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.error_type = error_type
        self.message = message or error_type.message
        super().__init__(f"{error_type.name.lower()}: {self.message}")
        self.headers = headers


class ErrorBody(BaseModel):
    """The error envelope (KNOWN)."""

    status_code: int
    request_id: str
    error_type: str
    error_message: str
    error_url: str


class OAuthErrorBody(BaseModel):
    """The error envelope of the OAuth endpoints (KNOWN)."""

    status_code: int
    request_id: str
    error: str
    error_description: str
    error_uri: str


# Error types of specific rules, by field and pydantic's name of the rule.
RULE_ERRORS = {
    ("client_type", "literal_error"): ErrorType.INVALID_CONNECTED_APP_TYPE,
    ("access_token_expiry_minutes", "greater_than_equal"): (
        ErrorType.IDP_INVALID_ACCESS_TOKEN_EXPIRY_MINUTES
    ),
    ("access_token_expiry_minutes", "less_than_equal"): (
        ErrorType.IDP_INVALID_ACCESS_TOKEN_EXPIRY_MINUTES
    ),
    ("access_token_custom_audience", "string_pattern_mismatch"): (
        ErrorType.IDP_INVALID_ACCESS_TOKEN_CUSTOM_AUDIENCE
    ),
}


def from_validation(failure: ValidationError) -> ApiError:
    """Translate pydantic's first error: the field and the rule, not the value."""
    problem = failure.errors(include_url=False, include_context=False, include_input=False)[0]
    if not problem["loc"]:
        return ApiError(ErrorType.BAD_REQUEST, problem["msg"])
    field = ".".join(str(part) for part in problem["loc"])
    rule_error = RULE_ERRORS.get((field, problem["type"]))
    if rule_error:
        return ApiError(rule_error)
    return ApiError(ErrorType.INVALID_REQUEST_VALUE, f"{field}: {problem['msg']}")


def from_failure(failure: Exception) -> ApiError:
    """Translate any exception; an unexpected one without its text."""
    match failure:
        case ApiError():
            return failure
        case HTTPException(status_code=404):
            return ApiError(ErrorType.ROUTE_NOT_FOUND)
        case HTTPException(status_code=405):
            return ApiError(ErrorType.METHOD_NOT_ALLOWED, headers=failure.headers)
        case ClientDisconnect():
            return ApiError(ErrorType.BAD_REQUEST)
        case _:
            return ApiError(ErrorType.INTERNAL_SERVER_ERROR)


def render(failure: Exception, path: str, environment: Environment, kind: ProjectKind) -> Response:
    """Return the response for `failure` on `path`, in the envelope of that path."""
    error = from_failure(failure)
    status, name = error.error_type.status, error.error_type.name.lower()
    request_id = environment.new_id("request-id")
    url = ERROR_URLS[kind].format(status=status, error_type=name)
    body: BaseModel
    if OAUTH_PATH.match(path):
        body = OAuthErrorBody(
            status_code=status,
            request_id=request_id,
            error=name,
            error_description=error.message,
            error_uri=url,
        )
    else:
        body = ErrorBody(
            status_code=status,
            request_id=request_id,
            error_type=name,
            error_message=error.message,
            error_url=url,
        )
    # HTTP requires the challenge with every 401; whether the service sends it is UNKNOWN.
    headers = error.headers or (CHALLENGE if status == HTTPStatus.UNAUTHORIZED else None)
    return Response(body.model_dump_json(), status, headers=headers, media_type="application/json")


class FailureHandler:
    """Starlette's exception handler for every exception of an endpoint."""

    # Starlette looks a handler up by exception class; `Exception` alone would also re-raise.
    HANDLES: tuple[type[Exception], ...] = (
        ApiError,
        HTTPException,
        ClientDisconnect,
        Exception,
    )

    def __init__(self, environment: Environment, kind: ProjectKind) -> None:
        self._environment = environment
        self._kind: ProjectKind = kind

    async def __call__(self, request: Request, failure: Exception) -> Response:
        """Respond in the error envelope."""
        return render(failure, request.url.path, self._environment, self._kind)
