"""The bounds on what callers can use."""

from connected_apps_mcp import limits
from connected_apps_mcp.audit import refusals
from connected_apps_mcp.commands import stderr_log
from connected_apps_mcp.confirmation import approvals
from connected_apps_mcp.settings import settings
from connected_apps_tools.api.http import http_client
from connected_apps_tools.secrets import uninterrupted

from .markdown import table

MIB = 1024 * 1024


def _default_of(name: str) -> str:
    """The default of a setting."""
    return str(settings.FLAGS[name].default)


def bounds() -> str:
    """What one caller can make the server store or wait for."""
    error = f"an error ({limits.TOO_MANY_REQUESTS})"
    rows: list[tuple[str, str, str]] = [
        ("a request body over HTTP", f"{limits.MAX_BODY_BYTES // MIB} MiB", "413"),
        ("a message over stdio", f"{limits.MAX_MESSAGE_BYTES // MIB} MiB", "the input ends"),
        ("the head of an HTTP request", f"{limits.MAX_HEAD_BYTES // 1024} KiB", "431"),
        (
            "the time for that head to arrive, and for a TLS handshake before",
            f"{limits.HEADER_SECONDS:.0f} s",
            "the connection closes",
        ),
        (
            "requests that wait on one HTTP connection",
            f"{limits.MAX_PIPELINED}",
            "the connection closes",
        ),
        ("the body of an HTTP request", f"{limits.BODY_SECONDS:.0f} s", "408"),
        ("an HTTP response left unread", f"{limits.SEND_SECONDS:.0f} s", "the connection closes"),
        ("HTTP connections", f"{limits.MAX_CONNECTIONS}", "503"),
        ("sessions of the handshake era", f"{limits.MAX_SESSIONS}", "503"),
        ("sessions, per caller with a token", f"{limits.MAX_SESSIONS_OF_CALLER}", "503"),
        (
            "a session without a request or a stream",
            f"{limits.SESSION_IDLE_SECONDS / 60:.0f} min",
            "it ends",
        ),
        ("streams of the SSE transport", f"{limits.MAX_SSE_SESSIONS}", "503"),
        ("streams of all kinds, per caller with a token", f"{limits.MAX_STREAMS_OF_CALLER}", "503"),
        ("`subscriptions/listen` streams", f"{limits.MAX_LISTEN_STREAMS}", "an error"),
        (
            "apps (each must exist) that a connection or stream watches",
            f"{limits.MAX_WATCHED}",
            "an error",
        ),
        ("apps watched in the handshake era", f"{limits.MAX_WATCHED_TOTAL:,}", "an error"),
        (
            "requests in flight, per stdio client or HTTP session",
            f"{limits.MAX_CALLS}",
            error,
        ),
        (
            "requests in flight, per caller with a token",
            f"{limits.MAX_CALLS_OF_CALLER}",
            error,
        ),
        ("requests in flight, all HTTP sessions", f"{limits.MAX_CALLS_TOTAL:,}", error),
        (
            "calls that read, per caller with a token",
            f"{_default_of('rate_reads')} a minute (`--rate-reads`)",
            "an error that says when",
        ),
        (
            "calls that change something or show a secret, per caller with a token",
            f"{_default_of('rate_changes')} a minute (`--rate-changes`)",
            "an error that says when",
        ),
        (
            "callers with a rate that is known",
            f"{limits.MAX_RATED_CALLERS:,}",
            "the one with the oldest last call is forgotten",
        ),
        (
            "requests to the service at once, shared fairly among callers",
            f"{http_client.MAX_IN_FLIGHT}",
            "they wait",
        ),
        (
            "changes of secrets under way, also after their callers are gone",
            f"{uninterrupted.MAX_UNDER_WAY}",
            "an error",
        ),
        (
            "responses that a stdio client leaves unread",
            f"{limits.MAX_UNREAD_BYTES // MIB} MiB",
            "the server reads no more of its input meanwhile",
        ),
        (
            "events stored for streams that break off",
            f"{limits.MAX_EVENTS:,} and {limits.MAX_EVENT_BYTES // MIB} MiB",
            "the oldest go",
        ),
        (
            "calls that wait for a person",
            f"{approvals.MAX_OF_ONE_APP} on one app, {approvals.MAX_WAITING} in all",
            "the oldest go",
        ),
        (
            "refusals of one caller in the audit log",
            f"{refusals.BURST} at once, {60 / refusals.SECONDS_EACH:.0f} more a minute",
            "they are counted",
        ),
        (
            "log lines that wait to be written",
            f"{stderr_log.MAX_QUEUED_LINES:,}",
            "they are dropped and counted",
        ),
        (
            "log lines of one kind",
            f"{stderr_log.MAX_SIMILAR} in {stderr_log.SIMILAR_SECONDS:.0f} s",
            "they are counted",
        ),
    ]
    return table(["what", "bound", "beyond it"], rows)
