"""Reads what the service answered: the promised model, or the error that it amounts to."""

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
"""What an error's type or a request's id looks like. Words are not put in their place."""

_NAMED_STRING = re.compile(
    r'"(?P<name>client_id|(?:next_)?client_secret(?:_last_four)?)"\s*:\s*'
    r'(?P<value>"(?:[^"\\]|\\.)*+")',
    re.DOTALL,
)
"""A field that tells of a secret."""

SHOW_SECRETS = (CreateResponse, StartRotationResponse)
"""The answers that show a secret."""

ANOTHER_APP = "The service answered for another app than the one asked for."


class HttpReply(NamedTuple):
    """What came back over the wire."""

    status: int
    body: bytes
    retry_after: str | None


def read(reply: HttpReply, answer: type[A], client_id: str | None = None) -> A:
    """The promised answer, which must be about the app of this `client_id` where one is given.

    Raises:
        ServiceError: the response is an error of the service.
        UnexpectedAnswer: the response is something else. A redirect counts as an unknown outcome:
            303 says that the request was carried out (RFC 9110, section 15.4.4), and others may
            come from something in between that has passed the request on.
    """
    shown = _shown_secret(reply, answer)
    if 200 <= reply.status < 300:  # noqa: PLR2004
        try:
            read = answer.model_validate_json(reply.body)
        except ValidationError as error:
            raise _unexpected(_what_is_missing(reply, error), shown) from None
        if client_id and isinstance(read, AboutOneApp) and read.about not in {None, client_id}:
            another = _unexpected(ANOTHER_APP, shown)
            another.hint = "Use the client_id to the letter as search_apps shows it."
            raise another
        return read
    if reply.status < 400:  # noqa: PLR2004
        why = f"The service answered with status {reply.status}, which the API never does."
        raise _unexpected(why, shown)
    said = _error(reply)
    if shown and said.may_have_taken_effect:
        raise _unexpected(f"The service answered with status {reply.status}.", shown)
    raise said


def _unexpected(why: str, shown: Salvaged | None) -> UnexpectedAnswer:
    unexpected = UnexpectedAnswer(why)
    unexpected.salvaged = shown
    return unexpected


def _shown_secret(reply: HttpReply, answer: type[Model]) -> Salvaged | None:
    """The secret in an answer, however little else of it is as promised."""
    if answer not in SHOW_SECRETS and b'client_secret"' not in reply.body:
        return None
    text = reply.body.decode(json.detect_encoding(reply.body), errors="replace")
    app = AnySecret()
    with suppress(ValidationError, ValueError, RecursionError):
        app = SecretResponse.model_validate_json(_lenient_json(text)).connected_app
    if not (app.client_secret or app.next_client_secret):
        app = AnySecret.model_validate(_strings_in(text))
    secrets = {"current": app.client_secret, "next": app.next_client_secret}
    if not any(secrets.values()):
        return None
    for secret in filter(None, secrets.values()):
        REDACTOR.add(secret.get_secret_value())
    last_fours = {
        "current": app.client_secret_last_four,
        "next": app.next_client_secret_last_four,
    }
    return Salvaged(app.client_id or "", secrets, last_fours)


def _lenient_json(text: str) -> str:
    """The first JSON object in a body as plain JSON, whatever stands before and after it.

    Raises:
        ValueError: there is none.
    """
    found, _ = json.JSONDecoder().raw_decode(text, text.index("{"))
    return json.dumps(found)


def _strings_in(text: str) -> dict[str, str | None]:
    """What tells of a secret in a body that is no JSON, or other JSON than what is promised.

    Of a name with several values it cannot be told which one is meant.
    """
    found: dict[str, set[str]] = {}
    for match in _NAMED_STRING.finditer(text):
        with suppress(ValueError):
            value = json.loads(match["value"], strict=False)
            value.encode()
            found.setdefault(match["name"], set()).add(value)
    return {name: values.pop() if len(values) == 1 else None for name, values in found.items()}


def _what_is_missing(reply: HttpReply, error: ValidationError) -> str:
    """Where the body differs from what is promised, by our own field names only."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    fields = [".".join(map(str, problem["loc"])) for problem in problems[:5]]
    if not any(fields):
        return f"The service answered {reply.status} with a body that is no JSON object."
    return f"The service answered {reply.status} without the promised {', '.join(fields)}."


def _error(reply: HttpReply) -> ServiceError | UnexpectedAnswer:
    status = reply.status
    try:
        said = ErrorResponse.model_validate_json(reply.body)
    except ValidationError:
        said = ErrorResponse()
    message, error_type = (
        said.error_message or said.error_description,
        said.error_type or said.error,
    )
    if status == 404 and not error_type:  # noqa: PLR2004
        return UnexpectedAnswer(
            f"The service answered with status {status} and not in its own form."
        )
    return _kind(status, error_type)(
        _clean(message) if message else f"The service answered with status {status} and no reason.",
        status=status,
        error_type=_name(error_type),
        request_id=_name(said.request_id),
        retry_after=_retry_after(reply.retry_after),
    )


def _kind(status: int, error_type: str | None) -> type[ServiceError]:
    if (status, error_type) == (404, "connected_app_not_found"):
        return NotFound
    if status == 429:  # noqa: PLR2004
        return TooManyRequests
    # 408 is what something in between says that has waited for an answer in vain.
    return ServiceFailure if status >= 500 or status == 408 else ServiceError  # noqa: PLR2004


def _name(text: str | None) -> str | None:
    """A name by which others know something too, where it can be one."""
    if not text or not _NAME.fullmatch(text):
        return None
    return text if text in HINTS else _clean(text)


def _clean(text: str) -> str:
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
