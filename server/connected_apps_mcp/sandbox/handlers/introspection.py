"""The introspection of tokens, which also shows whether a client secret works."""

from __future__ import annotations

from connected_apps_mcp.sandbox.models import IntrospectReply, IntrospectRequest

from .call import Call
from .clients import authenticated_app


def introspect(call: Call[IntrospectRequest]) -> IntrospectReply:
    """Describe a token to a client that authenticates with a valid secret."""
    authenticated_app(call.project, call.body.client_id, call.body.client_secret.get_secret_value())
    with call.project.tokens() as tokens:
        token = tokens.find(call.body.token)
    if token is None or token.spent or token.kind == "code":
        return IntrospectReply()
    claims = {"sub": token.subject_id, "client_id": token.client_id, "exp": token.expires_at}
    return IntrospectReply.model_validate(
        {**token.content, **claims, "active": True, "token_type": f"{token.kind}_token"}
    )
