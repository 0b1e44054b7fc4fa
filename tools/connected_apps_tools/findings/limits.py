"""The limits of a review. This module imports little: the settings make flags of these fields."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from connected_apps_tools.api.service import INT32_MAX


class ReviewLimits(BaseModel):
    """The limits of a review."""

    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True, extra="forbid")

    max_token_minutes: int = Field(
        1440,
        ge=1,
        le=INT32_MAX,
        description="A review reports access tokens that live longer (minutes). Default: 1440, a "
        "day; the service gives a new app 60.",
    )
    """A resource server that checks only the signature accepts a token until it expires, even if it
    was revoked or the app deleted. So this limits how long a leaked token works. OAuth 2.1 (7.1.3)
    asks for short lifetimes and gives no number. A day allows deliberately longer tokens, and a
    leaked one stops working the next day.
    """

    max_per_code: int = Field(
        100,
        ge=1,
        le=10_000,
        description="Most findings of one code that a review lists; more are only counted. "
        "Default: 100.",
    )

    stranger_methods: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = Field(
        ("cimd", "dcr", "dynamic", "metadata"),
        max_length=20,
        description="Words in creation_method, in any case, that mark a stranger's app. "
        "Default: cimd, dcr, dynamic, metadata.",
    )
    """UNKNOWN: which values the service uses. These words name the ways to register without the
    operator. An app with a client_id_metadata_url is always a stranger's (KNOWN).
    """
