"""One profile, as its file holds it. The file has no credential but the project's id."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError

from connected_apps_mcp.settings.credentials import PROJECT_ID_PATTERN

KeptIn = Literal["keyring", "file"]


class Damaged(Exception):
    """The file of a profile is not what login writes. The text says what is wrong."""


class Profile(BaseModel):
    """A project, and the settings to use it with.

    Attributes:
        secret_in: where the project's secret is.
        settings: values by the name of the setting; they count where neither a flag nor a variable
            gives one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    project_id: Annotated[str, StringConstraints(pattern=f"^{PROJECT_ID_PATTERN}$")]
    secret_in: KeptIn
    settings: dict[str, JsonValue] = Field({})

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """The profile in the text of its file.

        Raises:
            Damaged: the text is not that of a profile.
        """
        import tomllib

        try:
            return cls.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise Damaged(f"not TOML: {error}") from None
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            raise Damaged(f"{where}: {problem['msg']}") from None

    def to_toml(self) -> str:
        """The text of the file."""
        import tomlkit

        return tomlkit.dumps(self.model_dump(exclude_defaults=True))
