"""Reads a response of the service: the expected model, or an error."""

import email.utils
import json
import re
import time
from contextlib import suppress
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from connected_apps_tools.errors import (
    HINTS,
    NotFound,
    Salvaged,
    ServiceError,
    ServiceFailure,
    TooManyRequests,
    UnexpectedAnswer,
)
from connected_apps_tools.text.printable import redact_tokens
from connected_apps_tools.text.redaction import REDACTOR

from .models import (
    AboutOneApp,
    AnySecret,
    CreateResponse,
    ErrorResponse,
    Model,
    SecretResponse,
    StartRotationResponse,
)

A = TypeVar("A", bound=Model)

_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
"""The pattern of an error type and a request id. Other text in their place is dropped."""

_NAMED_STRING = re.compile(
    r'"(?P<name>client_id|(?:next_)?client_secret(?:_last_four)?)"\s*:\s*'
    r'(?P<value>"(?:[^"\\]|\\.)*+")',
    re.DOTALL,
)
"""A field that identifies or holds a secret."""

SECRET_RESPONSES = (CreateResponse, StartRotationResponse)
"""The responses that show a secret."""

ANOTHER_APP = "The service answered for another app than the requested one."


class HttpResponse(NamedTuple):
    """A response as it was received."""

    status: int
    body: bytes
    retry_after: str | None
    date: str | None


def read_response(received: HttpResponse, model: type[A], client_id: str | None = None) -> A:
    """The expected response. With a `client_id` it must be about that app.

    Raises:
        ServiceError: the response is an error of the service.
        UnexpectedAnswer: the response is something else. A redirect is an unknown outcome: 303 says
            that the request took effect (RFC 9110, section 15.4.4), and other redirects may come
            from an intermediary that has forwarded the request.
    """
    shown = _salvaged_secret(received, model)
    if 200 <= received.status < 300:  # noqa: PLR2004
        try:
            response = model.model_validate_json(received.body)
        except ValidationError as error:
            raise _unexpected(_missing_fields(received, error), shown) from None
        about = response.about if isinstance(response, AboutOneApp) else None
        if client_id and about not in {None, client_id}:
            another = _unexpected(ANOTHER_APP, shown)
            another.hint = "Use the client_id exactly as search_apps shows it."
            raise another
        return response
    if received.status < 400:  # noqa: PLR2004
        why = f"The service answered with status {received.status}, which the API never uses."
        raise _unexpected(why, shown)
    failure = _error(received)
    if shown and failure.may_have_taken_effect:
        raise _unexpected(f"The service answered with status {received.status}.", shown)
    raise failure


def _unexpected(why: str, shown: Salvaged | None) -> UnexpectedAnswer:
    unexpected = UnexpectedAnswer(why)
    unexpected.salvaged = shown
    return unexpected


def _salvaged_secret(received: HttpResponse, model: type[Model]) -> Salvaged | None:
    """The secret in a response, even if the rest is not as expected."""
    if model not in SECRET_RESPONSES and b'client_secret"' not in received.body:
        return None
    app = _secret_in(received.body)
    secrets = {"current": app.client_secret, "next": app.next_client_secret}
    if not app.shows_one:
        return None
    for secret in filter(None, secrets.values()):
        REDACTOR.add(secret.get_secret_value())
    last_fours = {
        "current": app.client_secret_last_four,
        "next": app.next_client_secret_last_four,
    }
    return Salvaged(app.client_id or "", secrets, last_fours)


def _secret_in(body: bytes) -> AnySecret:
    app: AnySecret | None = None
    with suppress(ValidationError):
        app = SecretResponse.model_validate_json(body).connected_app
    if app and (app.shows_one or b'client_secret"' not in body):
        return app
    text = body.decode(json.detect_encoding(body), errors="replace")
    with suppress(ValidationError, ValueError, RecursionError):
        app = SecretResponse.model_validate_json(_lenient_json(text)).connected_app
    return app if app and app.shows_one else AnySecret.model_validate(_strings_in(text))


def _lenient_json(text: str) -> str:
    """The first JSON object in a body as plain JSON, without the text before and after it.

    Raises:
        ValueError: there is no object.
    """
    found, _ = json.JSONDecoder().raw_decode(text, text.index("{"))
    return json.dumps(found)


def _strings_in(text: str) -> dict[str, str | None]:
    """The fields about a secret in a body that is not the expected JSON.

    A name with several values is None: nothing says which one is right.
    """
    found: dict[str, set[str]] = {}
    for match in _NAMED_STRING.finditer(text):
        with suppress(ValueError):
            value = json.loads(match["value"], strict=False)
            value.encode()
            found.setdefault(match["name"], set()).add(value)
    return {name: values.pop() if len(values) == 1 else None for name, values in found.items()}


def _missing_fields(received: HttpResponse, error: ValidationError) -> str:
    """A sentence on the missing fields of a body. It has only our own field names."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    fields = [".".join(map(str, problem["loc"])) for problem in problems[:5]]
    if not any(fields):
        return f"The service answered {received.status} with a body that is not a JSON object."
    return f"The service answered {received.status} without the expected {', '.join(fields)}."


def _error(received: HttpResponse) -> ServiceError | UnexpectedAnswer:
    status = received.status
    try:
        envelope = ErrorResponse.model_validate_json(received.body)
    except ValidationError:
        envelope = ErrorResponse()
    message, error_type = (
        envelope.error_message or envelope.error_description,
        envelope.error_type or envelope.error,
    )
    if status == 404 and not error_type:  # noqa: PLR2004
        return UnexpectedAnswer(
            f"The service answered with status {status}, but not with its error format."
        )
    return _kind(status, error_type)(
        _redacted(message)
        if message
        else f"The service answered with status {status} and no reason.",
        status=status,
        error_type=_name(error_type),
        request_id=_name(envelope.request_id),
        retry_after=_retry_after(received.retry_after),
    )


def _kind(status: int, error_type: str | None) -> type[ServiceError]:
    if (status, error_type) == (404, "connected_app_not_found"):
        return NotFound
    if status == 429:  # noqa: PLR2004
        return TooManyRequests
    # 408 comes from an intermediary that got no response in time.
    return ServiceFailure if status >= 500 or status == 408 else ServiceError  # noqa: PLR2004


def _name(text: str | None) -> str | None:
    """A redacted identifier; None if the text is not one."""
    if not text or not _NAME.fullmatch(text):
        return None
    return text if text in HINTS else _redacted(text)


def _redacted(text: str) -> str:
    return redact_tokens(REDACTOR.redact(text))


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait, from either form of the header (RFC 9110, section 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
