"""Who consents, and what the issuer says about them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from connected_apps_mcp.sandbox.state.directory import NO_ORGANIZATION, Subject
from connected_apps_mcp.sandbox.state.project import SandboxProject

MAX_SHOWN = 100
"""Most people to choose from on the page; others can be named by id."""


def people(project: SandboxProject) -> list[Subject]:
    """Return the first users or members; an empty project gets one."""
    with project.directory() as directory:
        found = directory.subjects(MAX_SHOWN)
        if found:
            return found
        new_id = project.environment.new_id
        if project.kind == "consumer":
            directory.add_subject(NO_ORGANIZATION, new_id("user"), "sandbox-user")
        else:
            organization = new_id("organization")
            directory.add_organization(organization, "sandbox-organization", None)
            directory.add_subject(organization, new_id("member"), "sandbox-member")
        return directory.subjects(MAX_SHOWN)


def claims_about(subject: Subject, scopes: Collection[str]) -> dict[str, Any]:
    """Return what the scopes let an app know.

    The sandbox knows no names or addresses. It makes them from the external id.
    """
    claims: dict[str, Any] = {"sub": subject.subject_id}
    if "profile" in scopes:
        claims["name"] = subject.name
    if "email" in scopes:
        claims |= {"email": f"{subject.name}@sandbox.example", "email_verified": True}
    return claims
