"""What an operator can set: one typed object, filled from the environment and the command line.

A field `base_url` is the variable CONNECTED_APPS_MCP_BASE_URL and the flag --base-url.
"""

import os
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from connected_apps_tools import DEFAULT_TOOLSETS, TOOLSET_NAMES, ProjectKind
from connected_apps_tools.api.service import CALL_DEADLINE, check_base_url, is_live
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.findings.limits import ReviewLimits
from connected_apps_tools.secrets.stores import StoreKind
from connected_apps_tools.text.printable import did_you_mean
from connected_apps_tools.text.urls import is_loopback

from .credentials import PREFIX, PROJECT_ID, SECRET, ProjectSettings, SettingsError
from .folders import user_folder
from .types import HomePath, LogLevel, NameList, Transports, nearest_value

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
    "load",
    "load_for_secrets",
    "read",
    "refuse_unknown_variables",
    "variable",
]

ANSWER_SECONDS = 5.0
"""What a call gets beyond its deadline to say how it ended."""

PolicySetting = Literal["reveal", "confirm", "toolsets"]
POLICY_SETTINGS: tuple[PolicySetting, ...] = ("reveal", "confirm", "toolsets")
"""The settings that a policy may hold too: what is given must be as strict, or stricter."""


def _bound(name: str) -> Any:  # noqa: ANN401 - the field of a bound, whatever its type
    """A setting that is a bound of a review."""
    return copy(ReviewLimits.model_fields[name])


class Settings(ProjectSettings):
    """How the server runs."""

    sandbox: bool = Field(
        default=False,
        description="Work on the embedded sandbox: no credentials, no network.",
    )
    sandbox_db: HomePath | None = Field(
        None,
        description="SQLite file that keeps the sandbox's apps and that several processes may "
        "share. Without it they are gone when the server ends.",
    )
    sandbox_kind: ProjectKind | None = Field(
        None,
        description="What the sandbox's project has: consumer (users) or b2b (organizations with "
        "members). Default: consumer.",
    )
    base_url: str | None = Field(
        None,
        description="Another service than the one that the project id names. "
        "https, or http to a loopback address.",
    )
    secret_store: StoreKind = Field(
        "auto",
        description="Where client secrets are kept: keyring, file, aws, vault or none; auto takes "
        "the OS keyring where there is one, else file. Default: auto.",
    )
    data_dir: HomePath | None = Field(
        None,
        description="Folder for stored secrets, the journal, waiting approvals and the audit log. "
        "Default: the user's data folder; the audit log is then in the user's state folder.",
    )
    reveal: Literal["allow", "never"] = Field(
        "allow",
        description="Whether callers may ask to see a client secret: allow or never. "
        "Default: allow.",
    )
    confirm: Literal["auto", "always", "never"] = Field(
        "auto",
        description="What happens where a person has to agree and the client cannot ask: auto goes "
        "on with test projects and refuses on live ones, always refuses, never asks nobody in any "
        "client. Default: auto.",
    )
    allow_live_writes: bool = Field(
        default=False,
        description="Let tools change a live project. Without it they only read.",
    )
    state_key_file: HomePath | None = Field(
        None,
        description="File that only its owner can read, with secret keys of 32 characters or more, "
        "a line each: the first seals questions to a person, each opens them. For several "
        "processes that serve the same clients and share --data-dir. Default: a key of its own.",
    )
    policy: HomePath | None = Field(
        None,
        description="TOML file with what tools may do: redirect hosts, client types, protected "
        "apps and more. The file is checked at start. Default: no limits.",
    )
    toolsets: NameList | None = Field(
        None,
        description=f"Groups of tools to offer, of {', '.join(TOOLSET_NAMES)}. Default: all; with "
        "--sandbox those of its kind, so without organizations (consumer) or grants (b2b).",
    )
    tools: NameList = Field(
        (),
        description="Names of single tools to offer out of these groups, as globs: "
        "get_*,search_apps. Default: all.",
    )
    read_only: bool = Field(
        default=False,
        description="Offer only tools that change nothing, and show no client secret.",
    )
    review_max_token_minutes: int = _bound("max_token_minutes")
    review_max_per_code: int = _bound("max_per_code")
    review_stranger_methods: NameList = _bound("stranger_methods")
    transport: Transports = Field(
        ("stdio",),
        description="stdio, http (Streamable HTTP at /mcp), sse (the older transport at /sse), "
        "or http,sse. Default: stdio.",
    )
    host: str = Field(
        "127.0.0.1",
        description="Loopback address to listen on with http and sse. Default: 127.0.0.1.",
    )
    port: int = Field(
        8000,
        ge=0,
        le=65535,
        description="Port to listen on with http and sse, 0 for a free one. Default: 8000.",
    )
    audit_log: Literal["-"] | Path | None = Field(
        None,
        description="Folder for the audit log, which nobody else may open, or - for standard "
        "error. Default: audit in the folder of --data-dir, else in the user's state folder; with "
        "an in-memory sandbox a folder that is gone when the server ends.",
    )
    audit_max_bytes: int = Field(
        10_000_000,
        ge=1_000,
        le=1_000_000_000,
        description="Bytes of a file of the audit log from which on the next one is begun. "
        "Default: 10000000.",
    )
    audit_key_file: Path | None = Field(
        None,
        description="File with the key that the audit log's lines are tied together with, 32 "
        "characters or more. Default: a key of its own, beside the log.",
    )
    deadline: float = Field(
        CALL_DEADLINE,
        gt=0,
        le=600,
        description="Seconds that one call of a tool may take, with all its requests and retries. "
        "Default: 30.",
    )
    log_level: LogLevel = Field(
        "warning",
        description="debug, info, warning or error: what is logged at the least. It goes to "
        "standard error. Default: warning.",
    )

    @property
    def patience(self) -> float:
        """Seconds that calls in flight have to finish when the server is to end."""
        return self.deadline + ANSWER_SECONDS

    @property
    def choice(self) -> "Selection":
        """Which tools are to be offered."""
        from connected_apps_tools.selection import Selection

        reveals, toolsets = self.in_force("reveal") == "allow", self.in_force("toolsets")
        return Selection(
            DEFAULT_TOOLSETS[self.kind] if toolsets is None else toolsets,
            self.tools,
            read_only=self.read_only,
            reveals=reveals,
            live_guard=self.environment == "live" and not self.allow_live_writes,
            others_off=f"This sandbox is a {self.kind} project (--sandbox-kind)."
            if self.kind and toolsets is None
            else None,
        )

    @cached_property
    def rules(self) -> "Policy":
        """What the policy file says; without one nothing is limited.

        Raises:
            InvalidRequest: the file is not right.
        """
        from connected_apps_tools.safety.policy import Policy
        from connected_apps_tools.selection import require_known

        if self.policy is None:
            return Policy()
        rules = Policy.read(self.policy)
        try:
            require_known("toolset", rules.toolsets or (), TOOLSET_NAMES)
        except InvalidRequest as error:
            raise InvalidRequest(f"{self.policy}: toolsets: {error}") from None
        return rules

    def in_force(self, name: PolicySetting) -> Any:  # noqa: ANN401 - as the setting has it
        """The value of a setting that the policy may hold too.

        That is what was given, which is never laxer than the policy, else the policy's, else the
        default.
        """
        rule = getattr(self.rules, name)
        return getattr(self, name) if rule is None or name in self.model_fields_set else rule

    @property
    def review_limits(self) -> ReviewLimits:
        """Where a review draws its lines."""
        return ReviewLimits(
            max_token_minutes=self.review_max_token_minutes,
            max_per_code=self.review_max_per_code,
            stranger_methods=self.review_stranger_methods,
        )

    @property
    def environment(self) -> Literal["sandbox", "test", "live"]:
        """What kind of project this is."""
        if self.sandbox:
            return "sandbox"
        return "live" if is_live(self.project_id or "") else "test"

    @property
    def kind(self) -> ProjectKind | None:
        """What the project has, where that is known: only the service knows it of its projects."""
        return (self.sandbox_kind or "consumer") if self.sandbox else None

    @property
    def ephemeral(self) -> bool:
        """Whether the apps that are worked on end with the process."""
        return self.sandbox and self.sandbox_db is None

    @property
    def fleeting(self) -> bool:
        """Whether the data folder ends with the process."""
        return self.ephemeral and self.data_dir is None

    @property
    def audit_folder(self) -> Path | None:
        """Where the audit log is kept; None where it is not kept in a file, or not for long.

        Raises:
            SettingsError: none is given, and the user has no home folder.
        """
        if self.audit_log:
            return None if self.audit_log == "-" else self.audit_log
        if self.data_dir:
            return self.data_dir / "audit"
        if self.fleeting:
            return None
        return user_folder("state") / "audit"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for problem in self._problems():
            raise PydanticCustomError("settings", "{problem}", {"problem": problem})
        return self

    def _problems(self) -> list[str]:
        from connected_apps_tools import TOOLSETS
        from connected_apps_tools.selection import select_tools

        problems = [
            f"{flag(name)} needs --sandbox."
            for name in ("sandbox_db", "sandbox_kind")
            if getattr(self, name) is not None and not self.sandbox
        ]
        if self.base_url is not None and self.sandbox:
            problems.append("--base-url and --sandbox exclude each other.")
        if self.audit_log == Path():
            problems.append("--audit-log must name a folder, or be - for standard error.")
        if "stdio" in self.transport and len(self.transport) > 1:
            problems.append("--transport stdio cannot be combined with another one.")
        if len(set(self.transport)) < len(self.transport):
            problems.append("--transport names one twice.")
        if not is_loopback(self.host):
            problems.append(
                "--host must be a loopback address such as 127.0.0.1: HTTP callers are not "
                "authenticated yet, so nothing beyond this machine may reach the server."
            )
        try:
            problems += self._beyond_the_policy()
        except InvalidRequest as error:
            return [*problems, f"--policy: {error}"]
        try:
            select_tools(TOOLSETS, self.choice)
        except InvalidRequest as error:
            problems.append(f"--toolsets, --tools: {error}.")
        try:
            check_base_url("https://default" if self.base_url is None else self.base_url)
        except InvalidRequest as error:
            problems.append(f"--base-url: {error}.")
        return problems

    def _beyond_the_policy(self) -> list[str]:
        rules = self.rules
        return [
            f"{flag(name)} asks for more than the policy allows; leave it out, or give what is "
            f"at least as strict as the policy's {name}."
            for name in POLICY_SETTINGS
            if name in self.model_fields_set and not rules.permits(name, getattr(self, name))
        ]


FLAGS: dict[str, FieldInfo] = {
    name: field
    for name, field in Settings.model_fields.items()
    if name not in ProjectSettings.model_fields
}
"""The settings that may stand on the command line, by field name."""


def flag(name: str) -> str:
    """The flag of a setting."""
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def refuse_unknown_variables() -> None:
    """Let no misspelt variable be ignored.

    Raises:
        SettingsError: one has our prefix, and is no setting.
    """
    known = {variable(name) for name in FLAGS}
    for name in os.environ:
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            raise SettingsError(f"Unknown variable {name}.{did_you_mean(name.upper(), known)}")


def load(**flags: Any) -> Settings:  # noqa: ANN401 - pydantic checks them
    """The settings from the flags given, else from the environment, else the defaults.

    Raises:
        SettingsError: one of them is unknown or malformed, two of them contradict each other, or
            the credentials are missing.
    """
    settings = read(**flags)
    if not settings.sandbox:
        settings.credentials()
    return settings


def load_for_secrets(**flags: Any) -> Settings:  # noqa: ANN401 - pydantic checks them
    """The same, for what works on the secret store: the project's id is enough.

    Raises:
        SettingsError: as `load`, or the store would end with this process.
    """
    settings = read(**flags)
    if not settings.sandbox:
        settings.known_project()
    if settings.fleeting and settings.secret_store in {"auto", "file"}:
        raise SettingsError(
            "A sandbox in memory keeps its secrets in memory too, and no other process can read "
            "them. Ask its server with reveal_client_secret; or start the server with --sandbox-db "
            "and --data-dir, and give both here."
        )
    return settings


def read(**flags: Any) -> Settings:  # noqa: ANN401 - pydantic checks them
    """The same, where it may do without credentials. Raises like `load`, but for these."""
    try:
        given = {name: value for name, value in flags.items() if value is not None}
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError("\n".join(map(_explain, error.errors()))) from None


def _explain(problem: ErrorDetails) -> str:
    if not problem["loc"]:
        return str(problem["msg"])
    name = str(problem["loc"][0])
    return f"{flag(name)} or {variable(name)}: {problem['msg']}.{nearest_value(problem)}"
