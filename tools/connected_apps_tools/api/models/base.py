"""The base types of requests, responses and results."""

from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from connected_apps_tools.scopes import Scope


def _whole(number: object) -> object:
    return int(number) if isinstance(number, float) and number.is_integer() else number


WHOLE = BeforeValidator(_whole)
"""JSON has one kind of number, so 60.0 counts as whole. Put it after the bounds of a field."""


@dataclass(frozen=True)
class Words:
    """The pattern of a field, in words. Errors show these and not the pattern."""

    text: str


def words_of(annotation: object) -> Words | None:
    """The words for a pattern, wherever they stand in the type of a field."""
    parts = [*getattr(annotation, "metadata", ()), *getattr(annotation, "__metadata__", ())]
    for part in parts:
        if isinstance(part, Words):
            return part
    inner = [*get_args(annotation), getattr(annotation, "annotation", None)]
    return next(filter(None, map(words_of, filter(None, inner))), None)


class _LeanJsonSchema(GenerateJsonSchema):
    """JSON Schema without parts that cost a model tokens and say nothing.

    It has no generated titles and no empty or false defaults. An optional field may be left out; it
    is no union with null.
    """

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - the base's signature
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if not schema.get("default"):
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        json_schema = super().model_schema(schema)
        json_schema.pop("title", None)
        json_schema.pop("description", None)
        # Unknown arguments are refused all the same. google-genai 3.6 fails on every tool that
        # lists the keyword, since it takes its value for a schema.
        json_schema.pop("additionalProperties", None)
        return json_schema


class Model(BaseModel):
    """The base of requests, responses and results."""

    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True, defer_build=True)

    @classmethod
    @cache
    def json_schema(cls, mode: JsonSchemaMode = "validation") -> dict[str, Any]:
        """The JSON Schema (2020-12) of this type, without noise."""
        return cls.model_json_schema(schema_generator=_LeanJsonSchema, mode=mode)


@dataclass(frozen=True)
class Touched:
    """What a call has changed, for the subscribers of the apps.

    Attributes:
        client_id: the app; None where it is unknown.
        relists: whether the list of apps, with names and descriptions, has changed.
    """

    client_id: str | None
    relists: bool = False


class Result(Model):
    """The result of a tool."""

    @property
    def touched(self) -> Touched | None:
        """The app that the call has changed, if any."""
        return None

    @property
    def revealed(self) -> str | None:
        """The secret in the result, where the caller asked for it."""
        return None

    @property
    def revealed_last_four(self) -> str | None:
        """The last four characters of the secret that the call has shown, if any."""
        return self.revealed and self.revealed[-4:]

    @property
    def delivered_last_four(self) -> str | None:
        """The last four characters of the secret that the call has delivered, if any."""
        return None


class Request(Model):
    """The arguments of a tool. Unknown names and other types are refused.

    An optional argument that is null counts as left out: strict hosts send every argument.
    """

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _leave_nulls_out(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        fields = cls.model_fields
        optional = {name for name, field in fields.items() if not field.is_required()}
        return {k: v for k, v in given.items() if v is not None or k not in optional}

    @field_validator("*", mode="before")
    @classmethod
    def _require_a_value(cls, value: object) -> object:
        if value is None:
            raise PydanticCustomError("null_not_allowed", "must not be null")
        return value

    @property
    def reveals(self) -> bool:
        """Whether the caller asked for the secret itself."""
        return False

    @property
    def more_scopes(self) -> frozenset[Scope]:
        """The scopes that this request needs besides those that each of its kind needs."""
        return frozenset({Scope.SECRETS_REVEAL}) if self.reveals else frozenset()

    @property
    def is_dry_run(self) -> bool:
        """Whether the caller only tries it out: nothing is sent."""
        return False

    def body(self) -> dict[str, Any]:
        """The JSON body of the request: the fields that were given."""
        return self.model_dump(exclude_unset=True)


class Revealing(Request):
    """A request that may ask for the secret, where the operator allows it."""

    reveal_secret: bool = Field(
        default=False,
        exclude=True,
        description="Put the client secret into the result, and so into this conversation. "
        "Only when the user asked to see it.",
    )

    @property
    def reveals(self) -> bool:
        """Whether the caller asked for the secret itself."""
        return self.reveal_secret


class AboutOneApp(Model):
    """A response that may say which app it is about."""

    @property
    def about(self) -> str | None:
        """The client_id of the app in the response; None where there is none."""
        return None


class Response(AboutOneApp):
    """The fields of every response of the service."""

    status_code: int
    request_id: str


class ErrorResponse(Model):
    """The error envelope, or the OAuth form of the token endpoints."""

    error_type: str | None = None
    error_message: str | None = None
    error: str | None = None
    error_description: str | None = None
    request_id: str | None = None
