"""Gets the answer of a person from the client, and says what each answer means."""

import itertools
from collections.abc import Awaitable
from typing import Any, Literal, Protocol

import anyio
from mcp import MCPError, types
from mcp.shared.exceptions import NoBackChannelError
from pydantic import ValidationError

from connected_apps_mcp.egress import AnyContext
from connected_apps_tools import observing
from connected_apps_tools.deadline import paused
from connected_apps_tools.errors import NotConfirmed

from .approvals import LIFETIME

FORM_FIELD = "confirm"
FORM: dict[str, Any] = {
    "type": "object",
    "properties": {FORM_FIELD: {"type": "boolean", "title": "Yes, do it"}},
    "required": [FORM_FIELD],
}

PROGRESS_SECONDS = 5.0
"""Seconds between two progress reports while a person is asked."""


class Elicit(Protocol):
    """Sends the client a question."""

    def __call__(
        self, *, related_request_id: types.RequestId | None
    ) -> Awaitable[types.ElicitResult]:
        """The answer."""
        ...


async def answered(context: AnyContext, elicit: Elicit, rounds: int = 0) -> types.ElicitResult:
    """The answer to a question, while the call waits.

    It is the question after so many `rounds`: progress goes on from there, as it must not fall.

    Raises:
        NoBackChannelError: the client cannot be asked meanwhile.
        NotConfirmed: there was no answer.
    """
    try:
        with observing.act("confirmation"), paused(), anyio.fail_after(LIFETIME.total_seconds()):
            return await _reporting(context, elicit, rounds)
    except NoBackChannelError:
        raise
    except (MCPError, ValidationError, TimeoutError):
        observing.event("question", outcome="unanswered")
        raise nothing_done("the question was not answered") from None


async def _reporting(context: AnyContext, elicit: Elicit, rounds: int) -> types.ElicitResult:
    """The answer. Progress reports meanwhile let clients with short limits wait."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_report_waiting, context, rounds)
        try:
            answer = await elicit(related_request_id=context.request_id)
        except (MCPError, ValidationError) as error:
            problem = error
        else:
            return answer
        finally:
            tasks.cancel_scope.cancel()
    raise problem  # here, where the group does not wrap it


async def _report_waiting(context: AnyContext, rounds: int) -> None:
    before = rounds * LIFETIME.total_seconds()
    for count in itertools.count(1):
        await anyio.sleep(PROGRESS_SECONDS)
        await context.session.report_progress(
            before + count * PROGRESS_SECONDS, None, "Waiting for the user's answer"
        )


def require_yes(answer: object) -> None:
    """Require that a form says yes.

    Raises:
        NotConfirmed: it does not.
    """
    match answer:
        case types.ElicitResult(action="accept", content={"confirm": True, **more}) if not more:
            observing.event("question", outcome="accepted")
        case _:
            raise refused(answer)


def require_opened(answer: object) -> None:
    """Require that a person agrees to open a link.

    Raises:
        NotConfirmed: the person does not.
    """
    match answer:
        case types.ElicitResult(action="accept"):
            observing.event("question", outcome="accepted")
        case _:
            raise refused(answer)


def refused(answer: object) -> NotConfirmed:
    """What an answer means that is not a yes."""
    match answer:
        case types.ElicitResult(action="decline"):
            observing.event("question", outcome="declined")
            return nothing_done("the user declined", "decline")
        case types.ElicitResult(action="cancel"):
            observing.event("question", outcome="unanswered")
            return nothing_done("the user did not answer", "cancel")
        case _:
            observing.event("question", outcome="declined")
            return nothing_done("the answer is not a yes")


def nothing_done(why: str, answer: Literal["decline", "cancel"] | None = None) -> NotConfirmed:
    """The refusal of a call that nobody said yes to."""
    refusal = NotConfirmed(f"Nothing was done: {why}.")
    refusal.answer = answer
    refusal.hint = "Do not try again unless the user asks for it."
    return refusal
