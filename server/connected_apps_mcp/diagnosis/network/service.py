"""Checks the credentials and the way to the service, with one read call."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import anyio

from connected_apps_mcp.diagnosis.check import Machine, Result, broken, cause, ok, warning
from connected_apps_mcp.diagnosis.commands import command
from connected_apps_mcp.diagnosis.service_call import credentials_problem
from connected_apps_mcp.settings.settings import PROJECT_ID, SECRET, Settings, SettingsError
from connected_apps_tools.api.http.connection_errors import proxy_for
from connected_apps_tools.api.service import LIVE_URL, TEST_URL, is_live

MAX_SECONDS_AHEAD = 60.0
"""Difference of the clocks that is no cause for concern: tokens allow for as much."""

SET_THE_CLOCK = (
    "Set the clock of this machine by the network: sudo timedatectl set-ntp true (Linux), "
    "sudo sntp -sS time.apple.com (macOS), w32tm /resync (Windows)."
)

PROXY_SECONDS = 3.0


async def credentials(machine: Machine) -> Sequence[Result]:
    """Whether there are credentials, and whether the service accepts them."""
    settings = machine.settings
    if settings is None or settings.sandbox:
        return []
    if problem := await credentials_problem(settings):
        return [broken(cause(problem), _log_in(settings))]
    source = settings.sources.get("project_id", "")
    found = await machine.call()
    if found is None or (found.health.problem and not found.refused):
        return [ok(f"Those from {source} are well-formed, but no call could prove them.")]
    if found.refused:
        text = f"The service refuses those from {source}: {found.health.problem}"
        return [broken(text, _log_in(settings))]
    return [ok(f"The service accepts those of {settings.project_id}, from {source}.")]


async def service(machine: Machine) -> Sequence[Result]:
    """Whether the service answers."""
    found = await machine.call()
    if found is None or machine.settings is None:
        return []
    problem = found.health.problem
    if problem is None or found.refused:
        return [ok(f"{_url(machine.settings)} answers.")]
    return [broken(str(problem), problem.hint or "Try again in a moment.")]


async def clock(machine: Machine) -> Sequence[Result]:
    """Whether the clocks of this machine and of the service agree."""
    found = await machine.call()
    if found is None or found.seconds_ahead is None:
        return []
    ahead = found.seconds_ahead
    if abs(ahead) <= MAX_SECONDS_AHEAD:
        return [ok("It agrees with the clock of the service.")]
    which = "ahead of" if ahead > 0 else "behind"
    text = f"This machine's clock is {abs(ahead):.0f} seconds {which} the clock of the service."
    return [warning(text, SET_THE_CLOCK)]


async def proxy(machine: Machine) -> Sequence[Result]:
    """Whether calls to the service go through a proxy, and whether it can be reached."""
    settings = machine.settings
    if settings is None or settings.sandbox:
        return []
    url = _url(settings)
    used = proxy_for(url)
    if used is None:
        return [ok("Calls to the service go through no proxy.")]
    source = _variable_of_proxy(url)
    place = _place(used)
    if place is None:
        return [
            broken(f"{source} is malformed.", f"Give it as http://HOST:PORT, or unset {source}.")
        ]
    host, port = place
    try:
        with anyio.fail_after(PROXY_SECONDS):
            await (await anyio.connect_tcp(host, port)).aclose()
    except (OSError, TimeoutError):
        return [
            broken(
                f"The proxy {host}:{port} in {source} cannot be reached.",
                f"Correct or unset {source}, or name {urlsplit(url).hostname} in NO_PROXY.",
            )
        ]
    return [ok(f"Calls to the service go through {host}:{port}, from {source}.")]


def certificates(machine: Machine) -> Iterator[Result]:
    """Whether the certificates that TLS needs can be read."""
    settings = machine.settings
    if settings is None:
        return
    file, folders = (os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    if file and not Path(file).is_file():
        yield broken(f"SSL_CERT_FILE names {file}, which is not there.", _correct("SSL_CERT_FILE"))
        return
    if folders and not any(Path(each).is_dir() for each in folders.split(os.pathsep)):
        yield broken(f"SSL_CERT_DIR names {folders}, which is not there.", _correct("SSL_CERT_DIR"))
        return
    import httpx2

    try:
        httpx2.create_ssl_context()
    except (OSError, ValueError):
        name = "SSL_CERT_FILE" if file else "SSL_CERT_DIR"
        yield broken(f"{name} names certificates that cannot be used.", _correct(name))
        return
    yield from _own_certificate(settings)
    yield ok("The certificates of authorities can be read.")


def _own_certificate(settings: Settings) -> Iterator[Result]:
    """Whether the server can speak TLS itself."""
    from connected_apps_mcp.transports.http.tls import tls_context

    if settings.tls:
        try:
            tls_context(*settings.tls)
        except SettingsError as error:
            yield broken(str(error), "Give the files of a certificate and its key, both in PEM.")


def _correct(name: str) -> str:
    return f"Name a file or folder of certificates in PEM, or run: unset {name}"


def _log_in(settings: Settings) -> str:
    profile = ["--profile", settings.profile] if settings.profile else []
    return (
        f"Run {command('login', *profile)}, or correct {PROJECT_ID} and {SECRET} where they are "
        "set. To try the server without credentials, give --sandbox."
    )


def _url(settings: Settings) -> str:
    return settings.base_url or (LIVE_URL if is_live(settings.project_id or "") else TEST_URL)


def _variable_of_proxy(url: str) -> str:
    """The name of the variable that names the proxy for a URL."""
    wanted = [f"{urlsplit(url).scheme}_proxy", "all_proxy"]
    given = {name.lower(): name for name, value in os.environ.items() if value}
    return next((given[name] for name in wanted if name in given), "the system's settings")


def _place(proxy: str) -> tuple[str, int] | None:
    """The host and port of a proxy; None if its URL is malformed."""
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    try:
        port = parts.port or {"https": 443}.get(parts.scheme, 80)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname else None
