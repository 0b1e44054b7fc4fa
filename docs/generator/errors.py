"""The errors that a result of a tool can name, and what each says to do."""

from collections import defaultdict
from collections.abc import Iterator

from connected_apps_mcp.audit.log import AuditFailed
from connected_apps_tools.errors import HINTS, ConnectedAppsError

from .markdown import escaped, summary, table


def errors() -> str:
    """Every error: what it means, whether it may have taken effect, whether to try again."""
    return table(
        ["error", "meaning", "`may_have_taken_effect`", "`retry_may_help`", "hint"],
        (
            [
                f"`{error.__name__}`",
                escaped(summary(error.__doc__ or "")),
                _yes(error.may_have_taken_effect),
                _yes(error.transient),
                error.hint or "",
            ]
            for error in _errors()
        ),
    )


def service_errors() -> str:
    """What to do about an error of the service, by its `error_type`."""
    types = defaultdict(list)
    for error_type, hint in HINTS.items():
        types[hint].append(f"`{error_type}`")
    return table(
        ["`error_type` of the service", "hint"],
        ([", ".join(same), escaped(hint)] for hint, same in types.items()),
    )


def _errors() -> Iterator[type[ConnectedAppsError]]:
    yield from _below(ConnectedAppsError)
    yield AuditFailed


def _below(error: type[ConnectedAppsError]) -> Iterator[type[ConnectedAppsError]]:
    """The errors of its module. Which others there are depends on what is imported."""
    for each in error.__subclasses__():
        if each.__module__ == error.__module__:
            yield each
            yield from _below(each)


def _yes(value: bool) -> str:  # noqa: FBT001 - the value itself
    return "yes" if value else "no"
