"""The metrics, their labels, and what each is about. docs/reference/metrics.md lists them.

Names, units and buckets: the semantic conventions of OpenTelemetry for GenAI, MCP and HTTP, where
they have one. Each label has a bound: its values come from our code, from the catalogue, or from
the settings, and never from a caller or an app.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

OURS = "connected_apps_mcp"

METHOD, TOOL, PROMPT = "mcp.method.name", "gen_ai.tool.name", "gen_ai.prompt.name"
OPERATION = "gen_ai.operation.name"
VERSION, TRANSPORT = "mcp.protocol.version", "network.transport"
ERROR, RPC_STATUS = "error.type", "rpc.response.status_code"
HTTP_METHOD, HTTP_STATUS = "http.request.method", "http.response.status_code"
RESENDS, TEMPLATE = "http.request.resend_count", "url.template"
ADDRESS, PORT = "server.address", "server.port"
OUTCOME, RULE, ACT = f"{OURS}.outcome", f"{OURS}.rule", f"{OURS}.act"

OF_CALLS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)
"""The buckets that the conventions have for MCP (seconds)."""

OF_REQUESTS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""The buckets that the conventions have for HTTP (seconds)."""


@dataclass(frozen=True)
class Metric:
    """A metric.

    Attributes:
        name: as in the semantic conventions, or with our prefix.
        kind: a histogram of seconds, a counter, a number that goes up and down, or one that is set.
        unit: in the notation of UCUM.
        about: what it is about.
        labels: the attributes of an act or event that are its labels.
        buckets: the upper bounds of a histogram.
        values: the values of its only label.
    """

    name: str
    kind: Literal["histogram", "counter", "up_down", "gauge"]
    unit: str
    about: str
    labels: Sequence[str] = ()
    buckets: Sequence[float] = ()
    values: Sequence[str] = ()


OPERATIONS = Metric(
    "mcp.server.operation.duration",
    "histogram",
    "s",
    "How long the requests of clients took.",
    (METHOD, TOOL, PROMPT, OPERATION, VERSION, TRANSPORT, ERROR, RPC_STATUS),
    OF_CALLS,
)
SESSIONS = Metric(
    "mcp.server.session.duration",
    "histogram",
    "s",
    "How long connections over stdio or SSE lasted, and sessions over Streamable HTTP.",
    (ERROR,),
    OF_CALLS,
)
CALLS = Metric(f"{OURS}.calls.active", "up_down", "{call}", "Calls of tools in flight.")
REQUESTS = Metric(
    "http.client.request.duration",
    "histogram",
    "s",
    "How long requests to the service took, each attempt by itself.",
    (HTTP_METHOD, TEMPLATE, ADDRESS, PORT, HTTP_STATUS, ERROR),
    OF_REQUESTS,
)
ACTIVE_REQUESTS = Metric(
    "http.client.active_requests",
    "up_down",
    "{request}",
    "Requests to the service in flight.",
    (HTTP_METHOD, ADDRESS, PORT),
)
RETRIES = Metric(
    f"{OURS}.service.retries",
    "counter",
    "{retry}",
    "Requests that were sent to the service again.",
    (HTTP_METHOD, TEMPLATE),
)
QUESTIONS = Metric(
    f"{OURS}.questions",
    "counter",
    "{question}",
    "Questions to a person: asked in the client, waiting for `approve`, accepted, approved, "
    "declined, unanswered.",
    (OUTCOME,),
    values=("asked", "waiting", "accepted", "approved", "declined", "unanswered"),
)
REFUSALS = Metric(
    f"{OURS}.refusals",
    "counter",
    "{refusal}",
    "Requests that the server refused, by rule.",
    (RULE,),
)
SECRETS = Metric(
    f"{OURS}.secrets",
    "counter",
    "{secret}",
    "Client secrets that the service issued: stored, shown (to the caller alone), doubtful (it may "
    "be another, or there may be one), lost.",
    (OUTCOME,),
    values=("stored", "shown", "doubtful", "lost"),
)
INTERRUPTED = Metric(
    f"{OURS}.interrupted_calls",
    "gauge",
    "{call}",
    "Calls that an earlier process left unfinished, and that may have lost a secret.",
)
AUDIT_FAILURES = Metric(
    f"{OURS}.audit.failures",
    "counter",
    "{failure}",
    "Times that the audit log could not be written.",
)
AUDIT = Metric(
    f"{OURS}.audit.append.duration",
    "histogram",
    "s",
    "How long calls waited until their lines were in the audit log.",
    (ERROR,),
    OF_REQUESTS,
)
STORE = Metric(
    f"{OURS}.secret_store.duration",
    "histogram",
    "s",
    "How long acts of the secret store took.",
    (ACT, ERROR),
    OF_REQUESTS,
)
CONNECTIONS = Metric(
    f"{OURS}.database.connections.active",
    "up_down",
    "{connection}",
    "Shared connections to the database in use.",
)

METRICS = (
    OPERATIONS,
    SESSIONS,
    CALLS,
    REQUESTS,
    ACTIVE_REQUESTS,
    RETRIES,
    QUESTIONS,
    REFUSALS,
    SECRETS,
    INTERRUPTED,
    AUDIT,
    AUDIT_FAILURES,
    STORE,
    CONNECTIONS,
)
