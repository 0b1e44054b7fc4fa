"""Users, organizations and members, and the apps that they authorised."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from connected_apps_mcp.sandbox.errors import ApiError, ErrorType
from connected_apps_mcp.sandbox.models import ConnectedApp

NO_ORGANIZATION = ""
"""The organization of users of a consumer project."""


_SUBJECT = "subject_id, organization_id, external_id"


@dataclass(frozen=True)
class Subject:
    """A user (without an organization), or a member."""

    subject_id: str
    organization_id: str
    external_id: str | None

    @property
    def name(self) -> str:
        """What people call it: the external id, if it has one."""
        return self.external_id or self.subject_id


class Directory:
    """The directory of one project, within a transaction.

    A user and a member are both a subject: its id is a `user_id` or a `member_id`.
    """

    def __init__(self, connection: sqlite3.Connection, project_id: str) -> None:
        self._connection = connection
        self._project_id = project_id

    def user(self, user_id: str) -> str:
        """Return the id of the user with this id or external id (KNOWN). Raises `ApiError`."""
        found = self.find_subject(NO_ORGANIZATION, user_id)
        return _required(found, ErrorType.USER_NOT_FOUND)

    def organization(self, organization_id: str) -> str:
        """Return the id of the organization with this id, slug or external id (KNOWN).

        Raises `ApiError`.
        """
        found = self.find_organization(organization_id)
        return _required(found, ErrorType.ORGANIZATION_NOT_FOUND)

    def member(self, organization_id: str, member_id: str) -> str:
        """Return the id of the member with this id, or this external id (KNOWN).

        Raises `ApiError`, for the organization first.
        """
        found = self.find_subject(self.organization(organization_id), member_id)
        return _required(found, ErrorType.MEMBER_NOT_FOUND)

    def find_organization(self, name: str) -> str | None:
        """Find an organization by id, slug or external id, in this order."""
        return self._id(
            "SELECT organization_id FROM organization WHERE project_id = :project"
            " AND :name IN (organization_id, slug, external_id)"
            " ORDER BY organization_id = :name DESC, slug = :name DESC LIMIT 1",
            name=name,
        )

    def find_subject(self, organization_id: str, name: str) -> str | None:
        """Find a subject by id or external id, in this order."""
        return self._id(
            "SELECT subject_id FROM subject WHERE project_id = :project"
            " AND organization_id = :organization AND :name IN (subject_id, external_id)"
            " ORDER BY subject_id = :name DESC LIMIT 1",
            organization=organization_id,
            name=name,
        )

    def subjects(self, limit: int) -> list[Subject]:
        """Return the first users or members, in the order of the seed."""
        rows = self._run(
            f"SELECT {_SUBJECT} FROM subject WHERE project_id = :project"  # noqa: S608 - our own names
            " ORDER BY position LIMIT :limit",
            limit=limit,
        )
        return [Subject(*row) for row in rows]

    def subject(self, subject_id: str) -> Subject | None:
        """Find a user or a member by id."""
        row = self._run(
            f"SELECT {_SUBJECT} FROM subject"  # noqa: S608 - our own names
            " WHERE project_id = :project AND subject_id = :subject",
            subject=subject_id,
        ).fetchone()
        return Subject(*row) if row else None

    def add_organization(
        self, organization_id: str, slug: str | None, external_id: str | None
    ) -> None:
        """Add an organization. Raises `sqlite3.IntegrityError` if one of its names is taken."""
        self._run(
            "INSERT INTO organization (project_id, organization_id, slug, external_id)"
            " VALUES (:project, :organization, :slug, :external)",
            organization=organization_id,
            slug=slug,
            external=external_id,
        )

    def add_subject(self, organization_id: str, subject_id: str, external_id: str | None) -> None:
        """Add a subject. Raises `sqlite3.IntegrityError` if one of its names is taken."""
        self._run(
            "INSERT INTO subject (project_id, organization_id, subject_id, external_id)"
            " VALUES (:project, :organization, :subject, :external)",
            organization=organization_id,
            subject=subject_id,
            external=external_id,
        )

    def grant(self, subject_id: str, client_id: str, scopes: str) -> None:
        """Authorise an app; later scopes replace earlier ones (KNOWN).

        Raises `sqlite3.IntegrityError` if there is no such app.
        """
        self._run(
            "INSERT INTO app_grant (project_id, subject_id, client_id, scopes)"
            " VALUES (:project, :subject, :client, :scopes)"
            " ON CONFLICT (project_id, subject_id, client_id) DO UPDATE SET scopes = :scopes",
            subject=subject_id,
            client=client_id,
            scopes=scopes,
        )

    def revoke(self, subject_id: str, client_id: str) -> None:
        """Revoke a grant. Raises `ApiError` if there is none (UNKNOWN-choice)."""
        done = self._run(
            "DELETE FROM app_grant WHERE project_id = :project"
            " AND subject_id = :subject AND client_id = :client",
            subject=subject_id,
            client=client_id,
        )
        if not done.rowcount:
            raise ApiError(ErrorType.CONNECTED_APP_NOT_FOUND)

    def authorised_by(self, subject_id: str) -> list[tuple[ConnectedApp, str]]:
        """Return a subject's apps and scopes, the oldest app first (UNKNOWN-choice)."""
        rows = self._run(
            "SELECT document, scopes FROM app_grant JOIN app USING (project_id, client_id)"
            " WHERE project_id = :project AND subject_id = :subject ORDER BY app.position",
            subject=subject_id,
        )
        return [(ConnectedApp.model_validate_json(document), scopes) for document, scopes in rows]

    def installed_in(self, organization_id: str) -> list[ConnectedApp]:
        """Return the apps that a member authorised, the oldest first (UNKNOWN-choice)."""
        rows = self._run(
            "SELECT document FROM app WHERE project_id = :project AND client_id IN"
            " (SELECT client_id FROM app_grant JOIN subject USING (project_id, subject_id)"
            " WHERE project_id = :project AND organization_id = :organization) ORDER BY position",
            organization=organization_id,
        )
        return [ConnectedApp.model_validate_json(document) for (document,) in rows]

    def active_members(self, organization_id: str, client_id: str) -> list[tuple[str, str]]:
        """Return the members that authorised an app, with the scopes."""
        return self._run(
            "SELECT subject_id, scopes FROM app_grant JOIN subject USING (project_id, subject_id)"
            " WHERE project_id = :project AND organization_id = :organization"
            " AND client_id = :client ORDER BY subject.position",
            organization=organization_id,
            client=client_id,
        ).fetchall()

    def _id(self, query: str, **values: str) -> str | None:
        row: tuple[str] | None = self._run(query, **values).fetchone()
        return row[0] if row else None

    def _run(self, statement: str, **values: str | int | None) -> sqlite3.Cursor:
        return self._connection.execute(statement, {"project": self._project_id, **values})


def _required(found: str | None, missing: ErrorType) -> str:
    if found is None:
        raise ApiError(missing)
    return found
