"""What requests, answers and results have in common."""

from dataclasses import dataclass
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


def _whole(number: object) -> object:
    return int(number) if isinstance(number, float) and number.is_integer() else number


WHOLE = BeforeValidator(_whole)
"""JSON has one kind of number, so 60.0 is a whole one. It comes after the bounds of a field."""


@dataclass(frozen=True)
class Words:
    """What the pattern of a field asks for, in words: an error shows them, and no pattern."""

    text: str


def words_of(annotation: object) -> Words | None:
    """The words for a pattern, wherever in the type of a field they stand."""
    parts = [*getattr(annotation, "metadata", ()), *getattr(annotation, "__metadata__", ())]
    for part in parts:
        if isinstance(part, Words):
            return part
    inner = [*get_args(annotation), getattr(annotation, "annotation", None)]
    return next(filter(None, map(words_of, filter(None, inner))), None)


class _LeanJsonSchema(GenerateJsonSchema):
    """JSON Schema without what a model pays for and learns nothing from.

    Generated titles go, and defaults that are nothing or false. An optional field is one that may
    be left out; it is not a union with null, since null is refused.
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
    """What requests, answers and results have in common."""

    model_config = ConfigDict(strict=True, frozen=True, hide_input_in_errors=True)

    @classmethod
    def json_schema(cls, mode: JsonSchemaMode = "validation") -> dict[str, Any]:
        """The JSON Schema (2020-12) of this type, without noise."""
        return cls.model_json_schema(schema_generator=_LeanJsonSchema, mode=mode)


@dataclass(frozen=True)
class Touched:
    """What a call has changed.

    Attributes:
        client_id: the app; None where it is not known.
        relists: whether a list of the apps, with their names and descriptions, reads otherwise now.
    """

    client_id: str | None
    relists: bool = False


class Result(Model):
    """What a tool answers."""

    @property
    def touched(self) -> Touched | None:
        """The app that the call has changed."""
        return None

    @property
    def revealed(self) -> str | None:
        """The secret that the caller asked for and that the answer therefore holds."""
        return None


class Request(Model):
    """The arguments of a tool. Unknown names are refused, and types are not coerced.

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
    def is_dry_run(self) -> bool:
        """Whether the caller only tries it out."""
        return False

    def body(self) -> dict[str, Any]:
        """The JSON body of the call: what was given, and nothing else."""
        return self.model_dump(exclude_unset=True)


class Revealing(Request):
    """What a caller may say where the operator lets secrets be shown."""

    reveal_secret: bool = Field(
        default=False,
        exclude=True,
        description="Put the client secret into the answer, and so into this conversation. "
        "Only when the user asked to see it.",
    )

    @property
    def reveals(self) -> bool:
        """Whether the caller asked for the secret itself."""
        return self.reveal_secret


class AboutOneApp(Model):
    """An answer of the service that may say which app it is about."""

    @property
    def about(self) -> str | None:
        """The client_id of the app that the answer shows; None where it shows none."""
        return None


class Response(AboutOneApp):
    """What every answer of the service holds."""

    status_code: int
    request_id: str


class ErrorResponse(Model):
    """The error envelope, or the OAuth shape that the token endpoints use."""

    error_type: str | None = None
    error_message: str | None = None
    error: str | None = None
    error_description: str | None = None
    request_id: str | None = None
