"""Asks a person to confirm what cannot be undone, in whichever way the client can.

The answer of the person holds for these arguments and for the app as it was shown: where the app
has changed since, the person is asked again. No argument of a tool can stand in for the answer.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, Self

from mcp import types
from mcp.shared.exceptions import NoBackChannelError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, ConfigDict, ValidationError

from connected_apps_mcp.callers import current_caller
from connected_apps_mcp.egress import AnyContext
from connected_apps_tools import ToolContext, observing
from connected_apps_tools.errors import NotConfirmed
from connected_apps_tools.safety.question import Link, Question, digest
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.threads import in_thread
from connected_apps_tools.text.redaction import REDACTOR

from .answers import FORM, FORM_FIELD, answered, nothing_done, require_yes
from .approvals import KIND, Approvals, PendingCall, ProjectLabel
from .links import led

Mode = Literal["auto", "always", "never"]
FROM_LAX_TO_STRICT: Sequence[Mode] = ("never", "auto", "always")

MAX_QUESTIONS = 3
"""The most questions of one call. It asks again where the app has changed meanwhile."""

CHANGED = "The app has changed since you were asked."

How = Literal["not required", "not asked", "accepted", "approved"]
"""Why a call may go on."""


class Dialogue(Protocol):
    """The questions of one call, and the answers of a person.

    Call `decide` with what the plan asks. If it returns None, call `ask`, plan again, and call
    `decide` with the new question: an answer holds only for the question that was asked.
    """

    @property
    def said_yes(self) -> bool:
        """Whether the person said yes to a question of this call."""
        ...

    async def decide(self, question: Question | None) -> How | types.InputRequiredResult | None:
        """Why the call may go on, or what the client has to ask; None where `ask` has to.

        Raises:
            NotConfirmed: it may not go on.
        """
        ...

    async def ask(self, question: Question) -> None:
        """Ask, while the call waits.

        Raises:
            NotConfirmed: the person did not say yes, or the app kept changing.
        """
        ...


@dataclass(frozen=True)
class Confirmed:
    """The dialogue of a call that is a part of another, which was confirmed as a whole."""

    how: How

    @property
    def said_yes(self) -> bool:
        """Whether the person said yes to the whole."""
        return self.how == "accepted"

    async def decide(self, _question: Question | None) -> How:
        """Why the whole may go on."""
        return self.how

    async def ask(self, _question: Question) -> None:
        """Ask nothing more."""


class _Sealed(BaseModel):
    """What the client sends back with the answer. It can neither read nor make it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    answer_id: str
    questions: int = 1
    """Questions that this call has asked so far."""


class Confirmation:
    """Decides whether calls may go on. Each call has a dialogue of its own."""

    def __init__(self, approvals: Approvals, mode: Mode, project: ProjectLabel) -> None:
        """Decide by `mode` where the client cannot ask."""
        self.approvals = approvals
        self.mode = mode
        self.project = project

    @classmethod
    def of(cls, context: ToolContext, mode: Mode) -> Self:
        """The confirmation of calls on a project."""
        project = ProjectLabel(context.api.project_id, context.server.environment)
        return cls(Approvals(context.state.records(KIND)), mode, project)

    def at_least(self, mode: Mode | None) -> "Confirmation":
        """The same with the stricter of two modes."""
        stricter = max(self.mode, mode or self.mode, key=FROM_LAX_TO_STRICT.index)
        return Confirmation(self.approvals, stricter, self.project)

    def dialogue(self, context: AnyContext, params: types.CallToolRequestParams) -> Dialogue:
        """The dialogue with a person about one call.

        Raises:
            NotConfirmed: the call brings an answer that is not a yes.
        """
        return _ClientDialogue(self, context, params)

    async def lead(
        self, context: AnyContext, params: types.CallToolRequestParams, link: Link
    ) -> types.InputRequiredResult | None:
        """What the client has to ask, so that a person opens a link; None if a person agreed.

        Raises:
            NotConfirmed: the person did not.
        """
        return await led(context, params, link, self.text(link.why))

    def text(self, question: Question, said: str = "") -> str:
        """A question as the person reads it, after what has to be said first."""
        text = question.text(str(self.project))
        return REDACTOR.redact(f"{said}\n{text}" if said else text)

    def digest(self, question: Question) -> str:
        """What an answer to this question holds for."""
        return digest(question.text(str(self.project)), question.state)


class _ClientDialogue:
    """A dialogue through the client, or where it cannot ask, by approvals at a terminal."""

    def __init__(
        self,
        confirmation: Confirmation,
        context: AnyContext,
        params: types.CallToolRequestParams,
    ) -> None:
        self._confirmation = confirmation
        self._context = context
        self._params = params
        self._can_ask = _can_ask(context)
        self._sealed = _unsealed(params.request_state)
        self._accepted = self._sealed.question if self._sealed else None
        """The digest of the question that the person said yes to."""
        self._questions = self._sealed.questions if self._sealed else 0
        if self._sealed:  # a no counts even if the app has changed since
            require_yes((params.input_responses or {}).get(FORM_FIELD))

    @property
    def said_yes(self) -> bool:
        return self._accepted is not None

    async def decide(self, question: Question | None) -> How | types.InputRequiredResult | None:
        if question is None:
            return "not required"
        if self._confirmation.mode == "never":
            return "not asked"
        with observing.act("confirmation"):
            return await self._decide(question)

    async def _decide(self, question: Question) -> How | types.InputRequiredResult | None:
        if question.too_long:
            raise _too_long()
        if not self._can_ask:
            return await self._without_client(question)
        if self._accepted == self._confirmation.digest(question):
            if self._sealed:
                await self._use_answer(self._sealed.answer_id)
            return "accepted"
        if self._context.protocol_version in MODERN_PROTOCOL_VERSIONS:
            return self._input_required(question)
        return None

    async def ask(self, question: Question) -> None:
        """Ask by a request of our own."""
        said = self._next_question()
        text = self._confirmation.text(question, said)
        elicit = partial(self._context.session.elicit_form, text, FORM)
        try:
            answer = await answered(self._context, elicit, self._questions - 1)
        except NoBackChannelError:
            self._can_ask = False
            return
        require_yes(answer)
        self._accepted = self._confirmation.digest(question)

    def _input_required(self, question: Question) -> types.InputRequiredResult:
        """Ask by the result of the call, which the client makes again with the answer."""
        said = self._next_question()
        sealed = _Sealed(
            question=self._confirmation.digest(question),
            answer_id=secrets.token_hex(16),
            questions=self._questions,
        )
        form = types.ElicitRequestFormParams(
            message=self._confirmation.text(question, said), requested_schema=FORM
        )
        return types.InputRequiredResult(
            input_requests={FORM_FIELD: types.ElicitRequest(params=form)},
            request_state=sealed.model_dump_json(),
        )

    def _next_question(self) -> str:
        """Count a question; return what has to be said before it.

        Raises:
            NotConfirmed: there were too many.
        """
        if self._questions == MAX_QUESTIONS:
            raise nothing_done("the app kept changing while the question was open")
        self._questions += 1
        observing.event("question", outcome="asked")
        return CHANGED if self._questions > 1 else ""

    async def _without_client(self, question: Question) -> How:
        approvals, project = self._confirmation.approvals, self._confirmation.project
        if self._confirmation.mode == "auto" and project.environment != "live":
            return "not asked"
        call = self._params.name, self._params.arguments or {}
        pending = PendingCall.of(project, current_caller(), call, question)
        try:
            if await in_thread(approvals.use_approval, pending):
                observing.event("question", outcome="approved")
                return "approved"
            await in_thread(approvals.add, pending)
            observing.event("question", outcome="waiting")
        except StoreError as error:
            raise nothing_done(f"a person has to confirm, and cannot be asked ({error})") from None
        refusal = nothing_done("a person has to confirm first, and this client cannot ask")
        refusal.hint = (
            "Ask the user to run connected-apps-mcp approve in a terminal within 10 minutes, with "
            "the settings of this server; then call again with exactly the same arguments."
        )
        refusal.transient = True
        raise refusal

    async def _use_answer(self, answer_id: str) -> None:
        try:
            first = await in_thread(self._confirmation.approvals.use_answer, answer_id)
        except StoreError as error:
            raise nothing_done(
                f"whether the answer was used already cannot be read ({error})"
            ) from None
        if not first:
            raise nothing_done("this answer was used already")


def _can_ask(context: AnyContext) -> bool:
    """Whether the client says that it shows forms; one that says nothing of modes does."""
    capabilities = context.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def _unsealed(state: str | None) -> _Sealed | None:
    try:
        return _Sealed.model_validate_json(state or "")
    except ValidationError:
        return None


def _too_long() -> NotConfirmed:
    refusal = nothing_done("it is more than a person can be asked about at once")
    refusal.hint = "Do it in smaller parts, or ask the user to run connected-apps-mcp apply."
    return refusal
