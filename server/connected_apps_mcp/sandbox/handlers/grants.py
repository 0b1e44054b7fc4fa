"""The operations on grants: which users and members authorised which apps."""

from __future__ import annotations

from typing import Any

from connected_apps_mcp.sandbox.models import (
    ActiveMember,
    ConnectedApp,
    EmptyRequest,
    GrantedApp,
    GrantedAppsReply,
    InstalledApp,
    InstalledAppReply,
    InstalledAppsReply,
    Reply,
)

from .call import Call


def user_apps(call: Call[EmptyRequest]) -> GrantedAppsReply:
    """Return the apps that a user has authorised."""
    with call.project.directory() as directory:
        return _granted(directory.authorised_by(directory.user(call.path["user_id"])))


def user_revoke(call: Call[EmptyRequest]) -> Reply:
    """Revoke a user's grant to an app."""
    with call.project.directory() as directory:
        user = directory.user(call.path["user_id"])
        directory.revoke(user, call.path["connected_app_id"])
    return Reply()


def organization_apps(call: Call[EmptyRequest]) -> InstalledAppsReply:
    """Return the apps that a member of an organization has authorised."""
    with call.project.directory() as directory:
        organization = directory.organization(call.path["organization_id"])
        apps = directory.installed_in(organization)
    return InstalledAppsReply(connected_apps=[InstalledApp(**_overview(app)) for app in apps])


def organization_app(call: Call[EmptyRequest]) -> InstalledAppReply:
    """Return an app, and the members of an organization who have authorised it.

    UNKNOWN-choice: an app that none of them has authorised is shown without members.
    """
    client_id = call.path["connected_app_id"]
    with call.project.directory() as directory:
        organization = directory.organization(call.path["organization_id"])
        members = directory.active_members(organization, client_id)
    return InstalledAppReply(
        **_overview(call.project.apps.get(client_id).app),
        active_members=[
            ActiveMember(member_id=member, granted_scopes=scopes.split())
            for member, scopes in members
        ],
    )


def member_apps(call: Call[EmptyRequest]) -> GrantedAppsReply:
    """Return the apps that a member has authorised."""
    with call.project.directory() as directory:
        member = directory.member(call.path["organization_id"], call.path["member_id"])
        return _granted(directory.authorised_by(member))


def member_revoke(call: Call[EmptyRequest]) -> Reply:
    """Revoke a member's grant to an app."""
    with call.project.directory() as directory:
        member = directory.member(call.path["organization_id"], call.path["member_id"])
        directory.revoke(member, call.path["connected_app_id"])
    return Reply()


def _granted(apps: list[tuple[ConnectedApp, str]]) -> GrantedAppsReply:
    return GrantedAppsReply(
        connected_apps=[GrantedApp(**_overview(app), scopes_granted=scopes) for app, scopes in apps]
    )


def _overview(app: ConnectedApp) -> dict[str, Any]:
    return {
        "connected_app_id": app.client_id,
        "name": app.client_name,
        "description": app.client_description,
        "client_type": app.client_type,
        "logo_url": app.logo_url,
    }
