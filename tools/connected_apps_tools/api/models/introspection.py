"""The response to the introspection of a token (RFC 7662)."""

from .base import Model


class IntrospectionResponse(Model):
    """What the service says about a token, to an app that has authenticated itself."""

    active: bool
