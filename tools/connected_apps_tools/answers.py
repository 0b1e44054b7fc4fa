"""Reads what the service answered: the promised model, or the error that it amounts to."""

import email.utils
import time
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from .errors import (
    HINTS,
    NotFound,
    Salvaged,
    ServiceError,
    ServiceFailure,
    TooManyRequests,
    UnexpectedAnswer,
)
from .models import ErrorAnswer, Model, SecretAnswer
from .scrubber import SCRUBBER
from .text import redact

A = TypeVar("A", bound=Model)


class Reply(NamedTuple):
    """What came back over the wire."""

    status: int
    body: bytes
    retry_after: str | None


def read(reply: Reply, answer: type[A]) -> A:
    """The promised answer, or the error that the response amounts to."""
    if 200 <= reply.status < 300:  # noqa: PLR2004
        shown = _shown_secret(reply)
        try:
            return answer.model_validate_json(reply.body)
        except ValidationError as error:
            unexpected = UnexpectedAnswer(_what_is_missing(reply, error))
            unexpected.salvaged = shown
            raise unexpected from None
    if reply.status < 400:  # noqa: PLR2004
        unexpected = UnexpectedAnswer(
            f"The service answered with status {reply.status}, which the API never does."
        )
        unexpected.may_have_taken_effect = False
        raise unexpected
    raise _service_error(reply)


def _shown_secret(reply: Reply) -> Salvaged | None:
    """The secret in an answer, however little else of it is as promised."""
    if b'client_secret"' not in reply.body:
        return None
    try:
        app = SecretAnswer.model_validate_json(reply.body).connected_app
    except ValidationError:
        return None
    secrets = {"current": app.client_secret, "next": app.next_client_secret}
    for secret in filter(None, secrets.values()):
        SCRUBBER.learn(secret.get_secret_value())
    return Salvaged(app.client_id, secrets)


def _what_is_missing(reply: Reply, error: ValidationError) -> str:
    """Where the body differs from what is promised, by our own field names only."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    fields = [".".join(map(str, problem["loc"])) for problem in problems[:5]]
    if not any(fields):
        return f"The service answered {reply.status} with a body that is no JSON object."
    return f"The service answered {reply.status} without the promised {', '.join(fields)}."


def _service_error(reply: Reply) -> ServiceError:
    status = reply.status
    try:
        said = ErrorAnswer.model_validate_json(reply.body)
    except ValidationError:
        said = ErrorAnswer()
    message = said.error_message or said.error_description
    error_type = said.error_type or said.error or ""
    kind = {404: NotFound, 429: TooManyRequests}.get(
        status,
        ServiceFailure if status >= 500 else ServiceError,  # noqa: PLR2004
    )
    return kind(
        _clean(message) if message else f"The service answered with status {status} and no reason.",
        status=status,
        error_type=error_type if error_type in HINTS else _clean(error_type) or None,
        request_id=_clean(said.request_id or "") or None,
        retry_after=_retry_after(reply.retry_after),
    )


def _clean(text: str) -> str:
    return redact(SCRUBBER.text(text))


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
