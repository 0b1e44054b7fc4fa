"""Bounds on what one caller, and all callers together, can use.

docs/explanation/security.md lists them.
"""

MAX_BODY_BYTES = 1024 * 1024
"""Longest request body over HTTP."""

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""Longest message over stdio."""

MAX_CONNECTIONS = 200
"""Open HTTP connections. Beyond them, the longest without a request closes; else there is 503."""

MAX_SESSIONS = 500
"""Open sessions of the handshake era over HTTP; one more gets 503."""

MAX_SESSIONS_OF_CALLER = 50
"""Open sessions of one caller with a token; one more gets 503."""

SESSION_IDLE_SECONDS = 300.0
"""A session ends after this long without a request or stream."""

MAX_SSE_SESSIONS = 100
"""Open streams of the SSE transport; one more gets 503."""

MAX_STREAMS_OF_CALLER = 20
"""Open streams of server-sent events of one caller with a token; one more gets 503."""

MAX_HEAD_BYTES = 16 * 1024
"""Largest head of a request: its target, its headers, and any trailers."""

MAX_PIPELINED = 20
"""Requests that may wait on one connection for their turn; one more closes it."""

HEADER_SECONDS = 10.0
"""Time for a client to send the head of a request, and before that for a TLS handshake."""

BODY_SECONDS = 30.0
"""Time for a client to send the body of a request."""

SEND_SECONDS = 30.0
"""A connection closes if part of a response stays unread for this long."""

HANG_UP_SECONDS = 1.0
"""Time after which the server notices that the client of a request without a stream has gone."""

MAX_CALLS = 200
"""Requests in flight of a stdio client or of one HTTP session."""

MAX_CALLS_OF_CALLER = 100
"""Requests in flight of one caller with a token. With its streams, it leaves connections free."""

MAX_CALLS_TOTAL = 1_000
"""Requests in flight of all HTTP sessions together."""

STREAM_METHODS = {"subscriptions/listen"}
"""Requests that last as long as a stream. They count towards no bound, and no shutdown waits."""

TOO_MANY_REQUESTS = -32000
"""JSON-RPC code for a request refused because too many are in flight."""

MAX_UNREAD_BYTES = 8 * 1024 * 1024
"""Once a stdio client leaves this much of our output unread, the server stops reading its input."""

MAX_WATCHED = 100
"""Apps that one connection, or one `subscriptions/listen` request, may watch."""

MAX_WATCHED_TOTAL = 5_000
"""Apps that all connections of the handshake era together may watch."""

MAX_LISTEN_STREAMS = 100
"""Open `subscriptions/listen` requests of all clients together."""

MAX_EVENTS = 1_000
MAX_EVENT_BYTES = 8 * 1024 * 1024
"""Events held so that a client can resume a broken stream: their number and total size."""

RETRY_MS = 1_000
"""Milliseconds after which a client should resume a broken stream."""

MAX_RATED_CALLERS = 10_000
"""Callers with a remembered rate. Beyond that, the one with the oldest last call is forgotten."""

REFUSAL_SECONDS = 0.25
"""Time before a request beyond a rate is refused, so that a caller that goes on takes no time."""
