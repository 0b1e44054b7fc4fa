"""The destinations of the policy: where a client secret may be brought."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from connected_apps_tools.api.models import Model

from .caller_rules import AnyCaseId, FromList
from .patterns import mistake

DEFAULT_SECONDS = 60
MAX_SECONDS = 300
"""Time limit of a command, in seconds: the usual one, and the longest one."""


def _absolute(text: str) -> str:
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise mistake(text, "give an absolute path, or one that begins with ~/")
    return str(path)


def _program(words: tuple[str, ...]) -> tuple[str, ...]:
    program, *arguments = words
    if Path(program).name != program:
        program = _absolute(program)
    return program, *arguments


Word = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
Words = Annotated[tuple[Word, ...], FromList, Field(min_length=1), AfterValidator(_program)]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
DestinationName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class Destination(Model):
    """A place for a client secret: a command that gets it, or a key of a dotenv file."""

    model_config = ConfigDict(extra="forbid")

    command: Words | None = None
    """The program and its arguments. It gets the secret on standard input."""
    env: Variable | None = None
    """The variable that holds the secret instead, for a command that reads no input."""
    variables: Annotated[tuple[Variable, ...], FromList] = ()
    """The server's variables that the command gets, beside PATH, HOME and the locale."""
    seconds: int = Field(DEFAULT_SECONDS, ge=1, le=MAX_SECONDS)
    """The time limit of the command."""
    file: Annotated[Word, AfterValidator(_absolute)] | None = None
    """The dotenv file."""
    key: Variable | None = None
    """The key in the file that is set to the secret."""
    apps: Annotated[tuple[AnyCaseId, ...], FromList] | None = None
    """The client ids of the apps with secrets that may be brought here; left out, all apps."""

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.command is None) == (self.file is None):
            raise PydanticCustomError("policy", "give either command, or file and key")
        if (self.file is None) != (self.key is None):
            raise PydanticCustomError("policy", "file and key belong together")
        for_commands = {"env", "variables", "seconds"} & self.model_fields_set
        if self.file is not None and for_commands:
            wrong = ", ".join(sorted(for_commands))
            raise PydanticCustomError("policy", "{wrong}: only for a command", {"wrong": wrong})
        return self

    def takes(self, client_id: str) -> bool:
        """Whether secrets of an app may be brought here."""
        return self.apps is None or client_id.casefold() in self.apps


class Destinations(Mapping[str, Destination]):
    """Destinations by name. Like the rest of a policy, they do not change."""

    def __init__(self, named: Mapping[str, Destination] = MappingProxyType({})) -> None:
        """Copy the destinations."""
        self._named = dict(named)

    def __getitem__(self, name: str) -> Destination:
        return self._named[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)

    def __hash__(self) -> int:
        return hash(frozenset(self._named.items()))


NamedDestinations = Annotated[
    Mapping[DestinationName, Destination],
    AfterValidator(Destinations),
    PlainSerializer(dict, return_type=dict[str, Destination]),
]
