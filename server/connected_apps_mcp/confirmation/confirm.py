"""Asks a person before something that cannot be undone, in whichever way the client can.

What the person answers holds for these arguments and for the app as it was shown: where it has
changed since, the question is put anew. No argument of a tool can stand in for the answer.
"""

import itertools
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import anyio
from mcp import MCPError, types
from mcp.server.request_state import RequestStateSecurity
from mcp.shared.exceptions import NoBackChannelError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, ConfigDict, ValidationError

from connected_apps_mcp.egress import AnyContext
from connected_apps_mcp.settings.settings import SettingsError
from connected_apps_tools import ToolContext
from connected_apps_tools.deadline import paused
from connected_apps_tools.errors import NotConfirmed
from connected_apps_tools.safety.question import Question, digest
from connected_apps_tools.storage.errors import StoreError
from connected_apps_tools.storage.threads import in_thread
from connected_apps_tools.text.redaction import REDACTOR

from .approvals import FOLDER, LIFETIME, Approvals, PendingCall, ProjectLabel

Mode = Literal["auto", "always", "never"]
Ask = Callable[[], Awaitable[Question | None]]
"""Says what a person has to be asked, as things are now."""

FORM_FIELD = "confirm"
FORM: dict[str, Any] = {
    "type": "object",
    "properties": {FORM_FIELD: {"type": "boolean", "title": "Yes, do it"}},
    "required": [FORM_FIELD],
}
MIN_KEY_LENGTH = 32

MAX_ROUNDS = 3
"""How often a person is asked anew because the app has changed meanwhile."""

PROGRESS_SECONDS = 5.0
"""How often a client hears that a person is still being asked."""

CHANGED = "The app has changed since you were asked."

How = Literal["not required", "not asked", "accepted", "approved"]


@dataclass(frozen=True)
class Agreement:
    """That a call may go on.

    Attributes:
        how: why it may.
        state: the state of the app for which it may; None for any.
    """

    how: How
    state: str | None = None


class _Sealed(BaseModel):
    """What the client holds between a question and its answer. It can neither read nor make it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    answer_id: str


class Confirmation:
    """Settles whether a call may go on."""

    def __init__(self, approvals: Approvals, mode: Mode, where: ProjectLabel) -> None:
        """Do as `mode` says where the client cannot ask."""
        self._approvals = approvals
        self._mode = mode
        self._where = where

    @classmethod
    def of(cls, project: ToolContext, mode: Mode) -> Self:
        """The confirmation of calls on a project."""
        where = ProjectLabel(project.api.project_id, project.server.environment)
        return cls(Approvals(project.folder / FOLDER), mode, where)

    async def settle(
        self, context: AnyContext, params: types.CallToolRequestParams, ask: Ask
    ) -> Agreement | types.InputRequiredResult:
        """The agreement of a person where one is needed, or what to ask the person.

        Raises:
            NotConfirmed: nobody agreed.
            ConnectedAppsError: it is refused anyway, or it cannot be told what to ask.
        """
        sealed = _unsealed(params.request_state)
        if sealed:  # who declined has declined, whatever has become of the app since
            _require_yes((params.input_responses or {}).get(FORM_FIELD))
        question = await ask()
        if question is None:
            return Agreement("not required")
        if self._mode == "never":
            return Agreement("not asked")
        if not _can_ask(context):
            return await self._without_client(params, question)
        if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
            return await self._over_rounds(sealed, question)
        return await self._over_back_channel(context, params, question, ask)

    async def _over_rounds(
        self, sealed: _Sealed | None, question: Question
    ) -> Agreement | types.InputRequiredResult:
        """Ask by the result of the call, which the client makes again with a yes."""
        if sealed is None:
            return self._round(question)
        if sealed.question != self._digest(question):
            return self._round(question, said=CHANGED)
        await self._use_answer(sealed.answer_id)
        return Agreement("accepted", question.state)

    def _round(self, question: Question, *, said: str = "") -> types.InputRequiredResult:
        sealed = _Sealed(question=self._digest(question), answer_id=secrets.token_hex(16))
        form = types.ElicitRequestFormParams(
            message=self._text(question, said), requested_schema=FORM
        )
        return types.InputRequiredResult(
            input_requests={FORM_FIELD: types.ElicitRequest(params=form)},
            request_state=sealed.model_dump_json(),
        )

    async def _over_back_channel(
        self,
        context: AnyContext,
        params: types.CallToolRequestParams,
        question: Question,
        ask: Ask,
    ) -> Agreement:
        """Ask by a request of our own, while the call waits."""
        said = ""
        for rounds in range(MAX_ROUNDS):
            try:
                with paused(), anyio.fail_after(LIFETIME.total_seconds()):
                    answer = await _elicited(context, self._text(question, said), rounds)
            except NoBackChannelError:
                return await self._without_client(params, question)
            except (MCPError, ValidationError, TimeoutError):
                raise _nothing("the question was not answered") from None
            _require_yes(answer)
            now = await ask()
            if now is None:
                return Agreement("accepted")
            if self._digest(now) == self._digest(question):
                return Agreement("accepted", now.state)
            question, said = now, CHANGED
        raise _nothing("the app kept changing while the question was open")

    async def _without_client(
        self, params: types.CallToolRequestParams, question: Question
    ) -> Agreement:
        if self._mode == "auto" and self._where.environment != "live":
            return Agreement("not asked")
        waiting = PendingCall.of(self._where, params.name, params.arguments or {}, question)
        try:
            if await in_thread(self._approvals.take, waiting):
                return Agreement("approved", question.state)
            await in_thread(self._approvals.wait, waiting)
        except StoreError as error:
            raise _nothing(f"a person has to agree, and cannot be asked ({error})") from None
        refusal = _nothing("a person has to agree first, and this client cannot ask")
        refusal.hint = (
            "Ask the user to run connected-apps-mcp approve in a terminal within 10 minutes, with "
            "the settings of this server; then call again with exactly the same arguments."
        )
        refusal.transient = True
        raise refusal

    async def _use_answer(self, answer_id: str) -> None:
        try:
            first = await in_thread(self._approvals.use_answer, answer_id)
        except StoreError as error:
            raise _nothing(f"it cannot be told whether the answer is new ({error})") from None
        if not first:
            raise _nothing("this answer was used already")

    def _text(self, question: Question, said: str = "") -> str:
        text = question.text(str(self._where))
        return REDACTOR.text(f"{said}\n{text}" if said else text)

    def _digest(self, question: Question) -> str:
        return digest(question.text(str(self._where)), question.state)


async def _elicited(context: AnyContext, message: str, rounds: int) -> types.ElicitResult:
    """The answer to a form. Progress is reported meanwhile, so that clients keep waiting.

    It is the question after so many `rounds`: progress goes on from there, since it must not fall.

    Raises like `elicit_form`.
    """
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_report_waiting, context, rounds)
        try:
            answer = await context.session.elicit_form(
                message, FORM, related_request_id=context.request_id
            )
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


def _require_yes(answer: object) -> None:
    match answer:
        case types.ElicitResult(action="accept", content={"confirm": True, **more}) if not more:
            return
        case types.ElicitResult(action="decline"):
            raise _nothing("the user declined", "decline")
        case types.ElicitResult(action="cancel"):
            raise _nothing("the user did not answer", "cancel")
        case _:
            raise _nothing("the answer is not a yes")


def _nothing(why: str, answer: Literal["decline", "cancel"] | None = None) -> NotConfirmed:
    refusal = NotConfirmed(f"Nothing was done: {why}.")
    refusal.answer = answer
    refusal.hint = "Do not try again unless the user asks for it."
    return refusal


def open_security(path: Path | None, folder: Path) -> RequestStateSecurity:
    """What seals a question to a person until the answer comes: keys in a file, or one made now.

    An answer to a sealed question counts among those alone that share the data `folder`, where it
    is noted as used.

    Raises:
        SettingsError: the file with the keys cannot be read, is open to others, or is malformed, or
            the folder cannot be used.
    """
    if path is None:
        return RequestStateSecurity.ephemeral()
    try:
        with path.open(encoding="ascii") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise SettingsError(f"--state-key-file: {path} is open to others: chmod 600.")
            keys = file.read().split()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise SettingsError(f"--state-key-file: {path} cannot be read ({why}).") from None
    if not keys or min(map(len, keys)) < MIN_KEY_LENGTH:
        raise SettingsError(
            f"--state-key-file: give one key or more, each of {MIN_KEY_LENGTH} characters or more."
        )
    if len(set(keys)) < len(keys):
        raise SettingsError(f"--state-key-file: {path} holds a key twice.")
    for key in keys:
        REDACTOR.learn(key)
    try:
        identity = Approvals(folder / FOLDER).identity()
    except StoreError as error:
        raise SettingsError(f"--data-dir: {error}") from None
    return RequestStateSecurity(keys=keys, audience=identity)
