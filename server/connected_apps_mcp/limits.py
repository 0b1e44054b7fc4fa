"""How much the server keeps and waits for on behalf of its callers. docs/security.md lists it."""

MAX_BODY_BYTES = 1024 * 1024
"""Size of the largest request body that is read over HTTP."""

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""Length of the longest message that is read over stdio."""

MAX_CONNECTIONS = 200
"""HTTP connections at once; a request on one more gets 503."""

MAX_SESSIONS = 500
"""Open sessions of the handshake era over HTTP; one more gets 503."""

SESSION_IDLE_SECONDS = 300.0
"""A session without a request or stream for so long is ended."""

MAX_SSE_SESSIONS = 100
"""Open streams of the SSE transport; one more gets 503."""

HEADER_SECONDS = 10.0
"""How long a client may take to send the head of a request."""

BODY_SECONDS = 30.0
"""How long a client may take to send the body of a request."""

SEND_SECONDS = 30.0
"""How long a client may leave a part of an answer unread before its connection is closed."""

MAX_CALLS = 200
"""Requests of a stdio client, or of a session over HTTP, that are worked on at once; more are
refused.
"""

MAX_CALLS_IN_ALL = 1_000
"""Requests of all sessions over HTTP that are worked on at once."""

ENDLESS_METHODS = {"subscriptions/listen"}
"""Requests whose answer is the end of a stream, which nothing waits for."""

TOO_MANY = -32000
"""The JSON-RPC code of a request that is refused because too many are under way."""

MAX_UNREAD_BYTES = 8 * 1024 * 1024
"""Bytes of answers that a stdio client may leave unread before no more of it is read."""

MAX_WATCHED = 100
"""Apps that one connection, or one `subscriptions/listen`, may watch."""

MAX_WATCHED_IN_ALL = 5_000
"""Apps that all connections of the handshake era watch together."""

MAX_LISTEN_STREAMS = 100
"""Open `subscriptions/listen` requests of all clients together."""

MAX_EVENTS = 1_000
MAX_EVENT_BYTES = 8 * 1024 * 1024
"""Events that are kept so that a client can take up a stream that broke off, and their size."""

RETRY_MS = 1_000
"""After how many milliseconds a client should take up a stream that broke off."""
