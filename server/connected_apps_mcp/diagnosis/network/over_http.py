"""Checks what a server over HTTP needs: an address, and the keys of those who issue tokens."""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from connected_apps_mcp.diagnosis.check import Machine, Result, broken, cause, ok, warning
from connected_apps_mcp.settings.settings import Settings, SettingsError

if TYPE_CHECKING:
    from connected_apps_mcp.auth.issuers.issuer import Issuer


def address(settings: Settings) -> Iterator[Result]:
    """Whether a server over HTTP can listen at its address."""
    if "stdio" in settings.transport:
        return
    from connected_apps_mcp.transports.http.listening import authority_of, bind

    try:
        with bind(settings.host, settings.port) as listener:
            yield ok(f"{authority_of(listener)} is free.")
    except SettingsError as error:
        yield warning(
            str(error),
            "If this server listens there already, all is well. Else choose another --host or "
            "--port; --port 0 picks a free one.",
        )


async def issuers(machine: Machine) -> Sequence[Result]:
    """Whether the issuers of access tokens publish their keys."""
    settings = machine.settings
    if settings is None or settings.auth not in {"issuer", "stytch"}:
        return []
    from connected_apps_mcp.auth.access import issuers_of
    from connected_apps_mcp.auth.issuers.fetching import Fetcher
    from connected_apps_mcp.auth.issuers.issuer import Issuer

    try:
        trusted = issuers_of(settings, settings.public_url or "")
    except SettingsError as error:
        return [broken(cause(error), "Correct --auth-issuer.")]
    fetcher = Fetcher()
    try:
        return [await _reached(Issuer(each, fetcher, time.monotonic)) for each in trusted]
    finally:
        await fetcher.aclose()


async def _reached(issuer: "Issuer") -> Result:
    from connected_apps_mcp.auth.issuers.issuer import metadata_urls
    from connected_apps_mcp.auth.refusals import TokenRefused

    url = issuer.trusted.url
    try:
        keys = await issuer.keys()
    except TokenRefused:
        places = issuer.trusted.jwks_url or " or ".join(metadata_urls(url))
        return broken(
            f"The keys of {url} cannot be fetched: every token is refused.",
            f"Check that --auth-issuer is the issuer in its tokens, and that {places} answers.",
        )
    return ok(f"{url} publishes its keys: {len(keys)}.")
