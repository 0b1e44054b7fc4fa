"""The server's settings: one typed object, read from the environment and the command line.

The field `base_url` is the variable CONNECTED_APPS_MCP_BASE_URL and the flag --base-url. The
description of each field is its help text and its row in docs/reference/settings.md.
"""

from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field
from pydantic.fields import FieldInfo

from connected_apps_tools import DEFAULT_TOOLSETS, TOOLSET_NAMES, ProjectKind
from connected_apps_tools.api.service import (
    CALL_DEADLINE,
    LIVE_URL,
    TEST_URL,
    is_live,
)
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.findings.limits import ReviewLimits
from connected_apps_tools.secrets.stores import StoreKind

from .credentials import (
    PROJECT_ID,
    SECRET,
    ProjectSettings,
    SettingsError,
)
from .folders import user_folder
from .http import HttpSettings
from .names import flag, variable
from .types import HomePath, LogLevel, NameList, ProfileName

if TYPE_CHECKING:
    from connected_apps_tools.safety.policy import Policy
    from connected_apps_tools.selection import Selection

__all__ = [
    "FLAGS",
    "PROJECT_ID",
    "SECRET",
    "ProjectSettings",
    "Settings",
    "SettingsError",
    "flag",
    "variable",
]

GRACE_SECONDS = 5.0
"""Time a call has after its deadline to return its result."""

PolicySetting = Literal["reveal", "confirm", "toolsets"]


def _review_limit(name: str) -> Any:  # noqa: ANN401 - a field of any type
    """The setting for a field of `ReviewLimits`."""
    return copy(ReviewLimits.model_fields[name])


class Settings(HttpSettings):
    """Settings of the server."""

    profile: ProfileName | None = Field(
        None,
        description="Profile to use: a project with its credentials and flags, which "
        "connected-apps-mcp login stored. Default: the one named default, if it exists and the "
        "environment gives no credentials.",
    )
    sandbox: bool = Field(
        default=False,
        description="Use the embedded sandbox, without credentials or network. Default: off.",
    )
    sandbox_db: HomePath | None = Field(
        None,
        description="SQLite file for the sandbox's apps; several processes may share it. "
        "Default: memory, lost when the server ends.",
    )
    sandbox_kind: ProjectKind | None = Field(
        None,
        description="Kind of the sandbox's project: consumer (users) or b2b (organizations with "
        "members). Default: consumer.",
    )
    base_url: str | None = Field(
        None,
        description="URL of the service: https, or http to a loopback address. Default: "
        f"{TEST_URL} for a test project, {LIVE_URL} for a live one.",
    )
    secret_store: StoreKind = Field(
        "auto",
        description="Where to store client secrets: keyring, file, aws, vault, none, or auto (the "
        "OS keyring if there is one, else file). Default: auto.",
    )
    data_dir: HomePath | None = Field(
        None,
        description="Folder for stored secrets, the journal, pending approvals and the audit log. "
        "Only its owner may have write access. Default: the user's data folder, and the user's "
        "state folder for the audit log.",
    )
    reveal: Literal["allow", "never"] = Field(
        "allow",
        description="Whether callers may see a client secret on request: allow or never. "
        "Default: allow.",
    )
    confirm: Literal["auto", "always", "never"] = Field(
        "auto",
        description="What to do when a person must confirm but the client cannot ask: auto goes "
        "ahead on test projects and refuses on live ones; always refuses; never goes ahead, and "
        "asks in no client. Default: auto.",
    )
    allow_live_writes: bool = Field(
        default=False,
        description="Let tools change a live project. Default: off; tools only read it.",
    )
    state_key_file: HomePath | None = Field(
        None,
        description="File with secret keys of 32 characters or more, one per line; only its owner "
        "may have access. The first key seals questions to a person; every key opens them. For "
        "several processes that serve the same clients and share --data-dir. Default: a new key "
        "at each start.",
    )
    policy: HomePath | None = Field(
        None,
        description="TOML file that limits what tools may do: redirect hosts, client types, "
        "protected apps and more. Default: no limits.",
    )
    toolsets: NameList | None = Field(
        None,
        description=f"Groups of tools to offer, comma-separated: {', '.join(TOOLSET_NAMES)}. "
        "Default: all; with --sandbox, all but organizations (consumer) or grants (b2b).",
    )
    tools: NameList = Field(
        (),
        description="Tools to offer from these groups, as comma-separated names or globs, such as "
        "get_*,search_apps. Default: all.",
    )
    read_only: bool = Field(
        default=False,
        description="Offer only tools that change nothing and show no client secret. Default: off.",
    )
    review_max_token_minutes: int = _review_limit("max_token_minutes")
    review_max_per_code: int = _review_limit("max_per_code")
    review_stranger_methods: NameList = _review_limit("stranger_methods")
    audit_log: Literal["-"] | Path | None = Field(
        None,
        description="Folder for the audit log, which only its owner may have access to, or - for "
        "standard error. Default: audit in --data-dir, else in the user's state folder; with a "
        "sandbox in memory, a temporary folder.",
    )
    audit_max_bytes: int = Field(
        10_000_000,
        ge=1_000,
        le=1_000_000_000,
        description="Start a new audit file at this size (bytes). Default: 10000000.",
    )
    audit_key_file: Path | None = Field(
        None,
        description="File with the key that chains the lines of the audit log, 32 characters or "
        "more. Default: a generated key, beside the log.",
    )
    deadline: float = Field(
        CALL_DEADLINE,
        gt=0,
        le=600,
        description="Seconds that one tool call may take, with all its requests and retries. Time "
        "in which a person is asked does not count. Finding out what became of an unanswered "
        "create has as many seconds again. Default: 30.",
    )
    log_level: LogLevel = Field(
        "warning",
        description="Lowest level to log to standard error: debug, info, warning or error. "
        "Default: warning.",
    )
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="Port that shows metrics to Prometheus, at /metrics; 0 picks a free one. "
        "Needs the extra otel. Default: none.",
    )
    metrics_host: str = Field(
        "127.0.0.1",
        description="Address of that port. Everybody who reaches it can read the metrics. "
        "Default: 127.0.0.1.",
    )
    send_trace_context: bool = Field(
        default=False,
        description="Send the trace of a call on to the service, in the header traceparent. "
        "Default: off.",
    )

    @property
    def shutdown_seconds(self) -> float:
        """Seconds that calls in flight have to finish when the server shuts down."""
        return self.deadline + GRACE_SECONDS

    @property
    def selection(self) -> "Selection":
        """Which tools to offer."""
        from connected_apps_tools.selection import Selection

        reveals, toolsets = self.effective("reveal") == "allow", self.effective("toolsets")
        return Selection(
            DEFAULT_TOOLSETS[self.kind] if toolsets is None else toolsets,
            self.tools,
            read_only=self.read_only,
            reveals=reveals,
            live_guard=self.environment == "live" and not self.allow_live_writes,
            others_off=self._of_other_kinds if toolsets is None else {},
            destinations=tuple(self.loaded_policy.destinations),
        )

    @property
    def _of_other_kinds(self) -> dict[str, str]:
        """Why the toolsets of other kinds of projects are off."""
        others = {*DEFAULT_TOOLSETS[None]} - {*DEFAULT_TOOLSETS[self.kind]}
        return dict.fromkeys(others, f"This sandbox is a {self.kind} project (--sandbox-kind).")

    @cached_property
    def loaded_policy(self) -> "Policy":
        """The policy in the file; without a file, one that limits nothing.

        Raises:
            InvalidRequest: the file is invalid.
        """
        from connected_apps_tools.safety.policy import Policy
        from connected_apps_tools.selection import require_known

        if self.policy is None:
            return Policy()
        policy = Policy.read(self.policy)
        try:
            for toolsets in (policy.toolsets, *(rule.toolsets for rule in policy.callers)):
                require_known("toolset", toolsets or (), TOOLSET_NAMES)
        except InvalidRequest as error:
            raise InvalidRequest(f"{self.policy}: toolsets: {error}") from None
        return policy

    def effective(self, name: PolicySetting) -> Any:  # noqa: ANN401 - the type of the setting
        """The value in force of a setting that the policy may hold too.

        The given value (never laxer than the policy), else the policy's, else the default.
        """
        rule = getattr(self.loaded_policy, name)
        return getattr(self, name) if rule is None or name in self.model_fields_set else rule

    @property
    def review_limits(self) -> ReviewLimits:
        """The limits of a review."""
        return ReviewLimits(
            max_token_minutes=self.review_max_token_minutes,
            max_per_code=self.review_max_per_code,
            stranger_methods=self.review_stranger_methods,
        )

    @property
    def environment(self) -> Literal["sandbox", "test", "live"]:
        """The project's environment."""
        if self.sandbox:
            return "sandbox"
        return "live" if is_live(self.project_id or "") else "test"

    @property
    def kind(self) -> ProjectKind | None:
        """The kind of the sandbox's project; of a real project only the service knows it."""
        return (self.sandbox_kind or "consumer") if self.sandbox else None

    @property
    def sandbox_in_memory(self) -> bool:
        """Whether the apps are lost when the process ends."""
        return self.sandbox and self.sandbox_db is None

    @property
    def temporary_data(self) -> bool:
        """Whether the data folder is removed when the process ends."""
        return self.sandbox_in_memory and self.data_dir is None

    @property
    def data_folder(self) -> Path | None:
        """The data folder; None for a temporary one.

        Raises:
            SettingsError: no folder is given, and the user has no home folder.
        """
        return None if self.temporary_data else self.data_dir or user_folder("data")

    @property
    def audit_folder(self) -> Path | None:
        """Folder of the audit log; None for standard error or a temporary folder.

        Raises:
            SettingsError: no folder is given, and the user has no home folder.
        """
        if self.audit_log:
            return None if self.audit_log == "-" else self.audit_log
        if self.data_dir:
            return self.data_dir / "audit"
        if self.temporary_data:
            return None
        return user_folder("state") / "audit"


FLAGS: dict[str, FieldInfo] = {
    name: field
    for fields, others in ((Settings, HttpSettings), (HttpSettings, ProjectSettings))
    for name, field in fields.model_fields.items()
    if name not in others.model_fields
}
"""The settings with a flag, by field name. Those about HTTP are the last."""
