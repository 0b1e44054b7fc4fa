"""Fills a sandbox with what its API cannot create: users, members, grants, and apps in bulk."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial

from starlette.applications import Starlette

from connected_apps_mcp.sandbox.errors import ApiError, ErrorType
from connected_apps_mcp.sandbox.models import ConnectedApp, is_public
from connected_apps_mcp.sandbox.seeds.examples import example, generated_apps
from connected_apps_mcp.sandbox.seeds.seed import (
    Seed,
    SeedApp,
    Seeded,
    SeedGrant,
    SeedOrganization,
    SeedReply,
)
from connected_apps_mcp.sandbox.state.directory import NO_ORGANIZATION, Directory
from connected_apps_mcp.sandbox.state.project import SandboxProject
from connected_apps_mcp.sandbox.state.store import AppRecord

from .call import Call


def seed(sandbox: Starlette, content: Seed) -> Seeded:
    """Fill a sandbox of `create_sandbox` with `content`, in one transaction.

    Raises:
        ApiError: `content` contradicts itself or the project. The text names the field. Nothing is
            changed.
    """
    return _fill(sandbox.state.project, content)


def seed_project(call: Call[Seed]) -> SeedReply:
    """Fill the sandbox; the service has no such endpoint."""
    return SeedReply(**_fill(call.project, call.body).model_dump())


def _fill(project: SandboxProject, content: Seed) -> Seeded:
    if content.example:
        content = content.with_all_of(example(project.kind, project.environment))
    if content.users and project.kind == "b2b":
        raise _invalid("users", "a b2b project has organizations with members instead")
    if content.organizations and project.kind == "consumer":
        raise _invalid("organizations", "a consumer project has users instead")
    with project.database.transaction() as connection:
        return _Filling(project, connection).run(content)


class _Filling:
    """One transaction that adds what does not exist yet."""

    def __init__(self, project: SandboxProject, connection: sqlite3.Connection) -> None:
        self._project = project
        self._connection = connection
        self._directory = Directory(connection, project.credentials.project_id)
        self._seeded = Seeded()

    def run(self, content: Seed) -> Seeded:
        """Add everything; return the ids."""
        self._add_apps(content.apps)
        self._generate_apps(content.generated_apps)
        for index, user in enumerate(content.users):
            where = f"users.{index}"
            user_id = self._subject("user", NO_ORGANIZATION, user.user_id, user.external_id, where)
            self._seeded.user_ids.append(user_id)
            self._authorise(user_id, user.grants, where)
        for index, organization in enumerate(content.organizations):
            self._add_organization(organization, f"organizations.{index}")
        return self._seeded

    def _add_apps(self, apps: Sequence[SeedApp]) -> None:
        records = [self._record(app, f"apps.{index}") for index, app in enumerate(apps)]
        self._project.apps.insert(self._connection, records)
        self._seeded.client_ids = [record.app.client_id for record in records]

    def _generate_apps(self, count: int) -> None:
        # A generator, so that they are never all in memory.
        made = (AppRecord.new(app)[0] for app in generated_apps(count, self._project.environment))
        self._project.apps.insert(self._connection, made)
        self._seeded.generated_apps = count

    def _record(self, app: SeedApp, where: str) -> AppRecord:
        settings = app.model_dump(exclude_unset=True, exclude={"client_id", "rotating"})
        client_id = self._own_id("connected-app", app.client_id, where)
        record, _ = AppRecord.new(ConnectedApp(client_id=client_id, **settings))
        if not app.rotating:
            return record
        if is_public(app.client_type):
            raise _invalid(f"{where}.rotating", "a public app has no secret")
        return record.rotating()[0]

    def _add_organization(self, organization: SeedOrganization, where: str) -> None:
        organization_id = self._existing_or_new(
            "organization",
            (organization.organization_id, organization.slug, organization.external_id),
            self._directory.find_organization,
            lambda new: self._directory.add_organization(
                new, organization.slug, organization.external_id
            ),
            where,
        )
        self._seeded.organization_ids.append(organization_id)
        for index, member in enumerate(organization.members):
            place = f"{where}.members.{index}"
            member_id = self._subject(
                "member", organization_id, member.member_id, member.external_id, place
            )
            self._seeded.member_ids.append(member_id)
            self._authorise(member_id, member.grants, place)

    def _subject(
        self,
        kind: str,
        organization_id: str,
        subject_id: str | None,
        external_id: str | None,
        where: str,
    ) -> str:
        return self._existing_or_new(
            kind,
            (subject_id, external_id),
            partial(self._directory.find_subject, organization_id),
            lambda new: self._directory.add_subject(organization_id, new, external_id),
            where,
        )

    def _existing_or_new(
        self,
        kind: str,
        names: Sequence[str | None],
        find: Callable[[str], str | None],
        add: Callable[[str], None],
        where: str,
    ) -> str:
        """Find it by the first given name (the id comes first), else add it. Returns its id."""
        new_id = self._own_id(kind, names[0], where)
        name = next(filter(None, names), None)
        found = find(name) if name else None
        if found is None:
            try:
                add(new_id)
            except sqlite3.IntegrityError:
                raise _invalid(where, "one of its names is already in use") from None
        return found or new_id

    def _authorise(self, subject_id: str, grants: Sequence[SeedGrant], where: str) -> None:
        for index, grant in enumerate(grants):
            try:
                self._directory.grant(subject_id, grant.client_id, " ".join(grant.scopes))
            except sqlite3.IntegrityError:
                place = f"{where}.grants.{index}.client_id"
                raise _invalid(place, "no app of the seed or of the project has it") from None
        self._seeded.grants += len(grants)

    def _own_id(self, kind: str, given: str | None, where: str) -> str:
        """Return the given id, or a new one."""
        environment = self._project.environment
        if given and not given.startswith(f"{kind}-{environment}-"):
            field = "client_id" if kind == "connected-app" else f"{kind}_id"
            raise _invalid(f"{where}.{field}", f"in this project it begins {kind}-{environment}-")
        return given or environment.new_id(kind)


def _invalid(where: str, why: str) -> ApiError:
    return ApiError(ErrorType.INVALID_REQUEST_VALUE, f"{where}: {why}")
