"""Checks the policy."""

from collections.abc import Iterator

from connected_apps_mcp.diagnosis.check import Result, broken, ok
from connected_apps_mcp.diagnosis.commands import command
from connected_apps_mcp.settings.contradictions import policy_problems
from connected_apps_mcp.settings.settings import Settings


def policy(settings: Settings) -> Iterator[Result]:
    """Whether the policy can be read, and agrees with the other settings."""
    if settings.policy is None:
        yield ok("No policy limits the tools.")
        return
    check = command("policy", "check", "--policy", str(settings.policy))
    problems = policy_problems(settings)
    for problem in problems:
        yield broken(problem, f"Correct it, then run: {check}")
    if not problems:
        yield ok(f"{settings.policy} is valid.")
