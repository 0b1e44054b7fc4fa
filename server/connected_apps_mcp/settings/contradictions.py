"""Settings that contradict each other, or open more than they may."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from connected_apps_tools.api.service import check_base_url
from connected_apps_tools.errors import InvalidRequest
from connected_apps_tools.storage.system import is_open_to_others, way_to_close
from connected_apps_tools.text.urls import is_loopback

from .credentials import DATABASE_URL, INTROSPECTION_CLIENT_ID, INTROSPECTION_SECRET, SettingsError
from .names import flag
from .settings import PolicySetting, Settings

ALL_ADDRESSES = {"0.0.0.0", "::"}  # noqa: S104 - to listen on, not to call

POLICY_SETTINGS: tuple[PolicySetting, ...] = ("reveal", "confirm", "toolsets")
"""Settings that a policy may hold too. A given value must be at least as strict as the policy's."""


def problems_of(settings: Settings) -> list[str]:
    """A sentence for each contradiction."""
    problems = [
        *_sandbox_problems(settings),
        *_database_problems(settings),
        *_transport_problems(settings),
        *_network_problems(settings),
        *_auth_problems(settings),
        *policy_problems(settings),
    ]
    return problems or _tool_problems(settings)


def policy_problems(settings: Settings) -> list[str]:
    """A sentence for each contradiction between the policy and other settings, or in itself."""
    try:
        return [*_caller_rule_problems(settings), *_laxer_than_policy(settings)]
    except InvalidRequest as error:
        return [f"--policy: {error}"]


def _that_are(problems: Mapping[str, bool]) -> list[str]:
    return [problem for problem, is_so in problems.items() if is_so]


def _sandbox_problems(settings: Settings) -> list[str]:
    wrong = {
        f"{flag(name)} needs --sandbox.": getattr(settings, name) is not None
        and not settings.sandbox
        for name in ("sandbox_db", "sandbox_kind")
    }
    return _that_are(
        wrong
        | {
            "--base-url and --sandbox cannot be combined.": (
                settings.base_url is not None and settings.sandbox
            ),
            "--profile and --sandbox cannot be combined.": (
                settings.profile is not None and settings.sandbox
            ),
            "--audit-log must name a folder, or be - for standard error.": (
                settings.audit_log == Path()
            ),
        }
    )


def _database_problems(settings: Settings) -> list[str]:
    return _that_are(
        {
            f"--shared-data-dir needs {DATABASE_URL}.": settings.shared_data_dir
            and settings.database_url is None,
            "--shared-data-dir needs --data-dir.": settings.shared_data_dir
            and settings.data_dir is None,
            f"--transport http with {DATABASE_URL} needs --state-key-file: a question of one "
            "replica may be answered at another, so all need the same keys.": (
                settings.shared_database is not None
                and "http" in settings.transport
                and settings.state_key_file is None
            ),
        }
    )


def _transport_problems(settings: Settings) -> list[str]:
    transports = settings.transport
    return _that_are(
        {
            "--transport stdio cannot be combined with another transport.": (
                "stdio" in transports and len(transports) > 1
            ),
            "--transport names a transport twice.": len(set(transports)) < len(transports),
        }
    )


def _network_problems(settings: Settings) -> list[str]:
    beyond = not is_loopback(settings.host)
    public = not is_loopback(urlsplit(settings.public_url or "//localhost").hostname or "")
    over_http = (
        "public_url",
        "tls_cert",
        "tls_key",
        "trusted_proxy",
        "allow_origin",
        "replica_name",
        "drain_seconds",
    )
    wrong = {
        "--host must be a loopback address such as 127.0.0.1 without --auth: only this machine "
        "may reach a server that does not authenticate its callers.": (
            beyond and not settings.authenticates
        ),
        "--public-url must be of this machine without --auth: a proxy that serves other machines "
        "would let everybody in.": public and not settings.authenticates,
        "--host and --public-url must be of this machine with --auth sandbox: everybody who "
        "reaches the sandbox can consent.": settings.auth == "sandbox" and (beyond or public),
        "--host beyond loopback needs --tls-cert and --tls-key, or --trusted-proxy: tokens "
        "must not travel in the clear.": (
            beyond and settings.authenticates and not (settings.tls_cert or settings.trusted_proxy)
        ),
        f"--host {settings.host} needs --public-url: clients call another URL.": (
            beyond
            and settings.authenticates
            and settings.public_url is None
            and (settings.tls_cert is None or settings.host in ALL_ADDRESSES)
        ),
        "--metrics-host needs --metrics-port.": "metrics_host" in settings.model_fields_set
        and settings.metrics_port is None,
        "--tls-cert and --tls-key belong together.": bool(settings.tls_cert)
        != bool(settings.tls_key),
    }
    if settings.tls_key and _others_can_read(settings.tls_key):
        problem = f"--tls-key can be read by other users: {way_to_close(settings.tls_key)}."
        wrong[problem] = True
    wrong |= {
        f"{flag(name)} needs --transport http or sse.": "stdio" in settings.transport
        and bool(getattr(settings, name))
        for name in over_http
    }
    return _that_are(wrong)


def _auth_problems(settings: Settings) -> list[str]:
    required = settings.auth_required_scope
    wrong = {
        "--auth needs --transport http or sse. Over stdio the client starts the server.": (
            settings.authenticates and "stdio" in settings.transport
        ),
        "--auth sandbox needs --sandbox.": settings.auth == "sandbox" and not settings.sandbox,
        "--auth stytch needs a Stytch project, not --sandbox.": (
            settings.auth == "stytch" and settings.sandbox
        ),
        f"--auth {settings.auth} needs --auth-issuer.": (
            settings.auth in {"issuer", "stytch"} and not settings.auth_issuer
        ),
        f"--auth-issuer cannot be used with --auth {settings.auth}.": (
            settings.auth in {"none", "sandbox"} and bool(settings.auth_issuer)
        ),
        "--auth stytch takes one --auth-issuer: the project's domain.": (
            settings.auth == "stytch" and len(settings.auth_issuer) > 1
        ),
        "--auth-project-audience needs --auth stytch, and --auth-clients or "
        "--auth-required-scope.": settings.auth_project_audience
        and not (
            settings.auth == "stytch" and (settings.auth_clients or settings.auth_required_scope)
        ),
        "--auth-required-scope needs --auth-project-audience.": (
            required is not None and not settings.auth_project_audience
        ),
        f"{INTROSPECTION_CLIENT_ID} and {INTROSPECTION_SECRET} belong together, and need "
        "--auth issuer or stytch.": bool(settings.introspection_client_id)
        != bool(settings.introspection_secret)
        or (bool(settings.introspection_secret) and settings.auth not in {"issuer", "stytch"}),
    }
    given = (
        "auth_clients",
        "auth_scopes",
        "scope_prefix",
        "scope_names",
        "auth_groups_claim",
        "rate_reads",
        "rate_changes",
    )
    wrong |= {
        f"{flag(name)} needs --auth.": name in settings.model_fields_set
        and not settings.authenticates
        for name in given
    }
    problems = _that_are(wrong)
    try:
        _ = settings.scopes
    except SettingsError as error:
        problems.append(str(error))
    return problems


def _caller_rule_problems(settings: Settings) -> list[str]:
    rules = settings.loaded_policy.callers
    grants_nothing = not any(rule.grant_scopes for rule in rules)
    return _that_are(
        {
            "--policy: rules for callers need --auth.": (
                bool(rules) and not settings.authenticates and "stdio" not in settings.transport
            ),
            "--policy: grant_scopes needs --auth-scopes policy.": settings.authenticates
            and settings.auth_scopes == "token"
            and not grants_nothing,
            "--auth-scopes policy needs grant_scopes in the policy.": (
                settings.auth_scopes == "policy" and grants_nothing
            ),
        }
    )


def _laxer_than_policy(settings: Settings) -> list[str]:
    policy = settings.loaded_policy
    return [
        f"{flag(name)} asks for more than the policy allows. Leave it out, or make it at least "
        f"as strict as the policy's {name}."
        for name in POLICY_SETTINGS
        if name in settings.model_fields_set and not policy.permits(name, getattr(settings, name))
    ]


def _tool_problems(settings: Settings) -> list[str]:
    from connected_apps_tools import TOOLSETS
    from connected_apps_tools.selection import select_tools

    problems = []
    try:
        select_tools(TOOLSETS, settings.selection)
    except InvalidRequest as error:
        problems.append(f"--toolsets, --tools: {error}.")
    try:
        check_base_url("https://default" if settings.base_url is None else settings.base_url)
    except InvalidRequest as error:
        problems.append(f"--base-url: {error}.")
    return problems


def _others_can_read(path: Path) -> bool:
    try:
        return is_open_to_others(path)
    except OSError:  # its use reports the cause
        return False
