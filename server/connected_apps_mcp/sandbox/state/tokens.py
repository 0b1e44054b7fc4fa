"""Authorization codes and tokens: stored only as digests."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

TokenKind = Literal["code", "access", "refresh"]


@dataclass(frozen=True)
class Token:
    """What a code or token stands for.

    Attributes:
        family: shared by all tokens that come from one authorization code.
        spent: a code or refresh token that was used; it is kept to detect a second use.
        content: the claims of an access token, or what later tokens are made from.
    """

    kind: TokenKind
    family: str
    subject_id: str
    client_id: str
    expires_at: int
    content: Mapping[str, Any] = field(repr=False)
    spent: bool = False


class Tokens:
    """The codes and tokens of one project, within a transaction.

    The database removes them together with their grant or app.
    """

    def __init__(self, connection: sqlite3.Connection, project_id: str) -> None:
        self._connection = connection
        self._project_id = project_id

    def add(self, value: str, token: Token) -> None:
        """Store a token, and forget those that have expired.

        Raises `sqlite3.IntegrityError` if there is no such grant.
        """
        self._run(
            "DELETE FROM oauth_token WHERE project_id = :project AND expires_at <= :now",
            now=int(time.time()),
        )
        self._run(
            "INSERT INTO oauth_token"
            " (project_id, digest, kind, family, subject_id, client_id, expires_at, content)"
            " VALUES (:project, :digest, :kind, :family, :subject, :client, :expires, :content)",
            digest=_digest(value),
            kind=token.kind,
            family=token.family,
            subject=token.subject_id,
            client=token.client_id,
            expires=token.expires_at,
            content=json.dumps(token.content),
        )

    def find(self, value: str) -> Token | None:
        """Find a token that has not expired; it may be spent."""
        row = self._run(
            "SELECT kind, family, subject_id, client_id, expires_at, content, spent"
            " FROM oauth_token"
            " WHERE project_id = :project AND digest = :digest AND expires_at > :now",
            digest=_digest(value),
            now=int(time.time()),
        ).fetchone()
        if row is None:
            return None
        kind, family, subject, client, expires, content, spent = row
        return Token(kind, family, subject, client, expires, json.loads(content), bool(spent))

    def spend(self, value: str) -> None:
        """Mark a token as used."""
        self._run(
            "UPDATE oauth_token SET spent = 1 WHERE project_id = :project AND digest = :digest",
            digest=_digest(value),
        )

    def extend(self, value: str, expires_at: int) -> None:
        """Let a token expire later."""
        self._run(
            "UPDATE oauth_token SET expires_at = :expires"
            " WHERE project_id = :project AND digest = :digest",
            digest=_digest(value),
            expires=expires_at,
        )

    def revoke(self, value: str) -> None:
        """Delete one token."""
        self._run(
            "DELETE FROM oauth_token WHERE project_id = :project AND digest = :digest",
            digest=_digest(value),
        )

    def revoke_family(self, family: str) -> None:
        """Delete all tokens that come from one authorization code."""
        self._run(
            "DELETE FROM oauth_token WHERE project_id = :project AND family = :family",
            family=family,
        )

    def _run(self, statement: str, **values: str | int | bytes) -> sqlite3.Cursor:
        return self._connection.execute(statement, {"project": self._project_id, **values})


def _digest(value: str) -> bytes:
    # A token cannot be guessed, so a fast hash without a salt is safe, and can be looked up.
    return hashlib.sha256(value.encode()).digest()
