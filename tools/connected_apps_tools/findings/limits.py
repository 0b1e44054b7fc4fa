"""Where a review draws its lines. It stands alone: the settings show these fields as flags."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from connected_apps_tools.api.service import INT32_MAX


class ReviewLimits(BaseModel):
    """Where a review draws its lines."""

    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True, extra="forbid")

    max_token_minutes: int = Field(
        1440,
        ge=1,
        le=INT32_MAX,
        description="Minutes that access tokens may live before a review reports it. Default: "
        "1440, a day; the service itself gives a new app 60.",
    )
    """A resource server that checks tokens by their signature honours them until they expire,
    whatever is revoked or deleted meanwhile, so this is how long a leaked one serves a thief.
    OAuth 2.1 (7.1.3) asks for short lives and names no figure. A day leaves alone what was
    lengthened for a reason, and puts a thief out by the next day.
    """

    max_per_code: int = Field(
        100,
        ge=1,
        le=10_000,
        description="Findings of one code that a review lists; more are only counted. "
        "Default: 100.",
    )

    stranger_methods: tuple[Annotated[str, StringConstraints(min_length=1)], ...] = Field(
        ("cimd", "dcr", "dynamic", "metadata"),
        max_length=20,
        description="What creation_method holds, in any case, where a stranger registered the app. "
        "Default: cimd, dcr, dynamic, metadata.",
    )
    """UNKNOWN: which values the service has; these are the words of the ways in that do not go
    through the operator. An app with a client_id_metadata_url is a stranger's in any case (KNOWN).
    """
