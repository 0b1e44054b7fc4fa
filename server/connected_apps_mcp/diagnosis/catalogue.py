"""The checks, in the order of the report, and what makes them."""

from collections.abc import Sequence

import anyio

from connected_apps_tools.storage.errors import StoreError

from .check import Check, Machine, Result, blocking, broken, of_settings, warning
from .clients.clients import clients
from .network.over_http import address, issuers
from .network.service import certificates, clock, credentials, proxy, service
from .setup.destinations import destinations
from .setup.installation import installed_command, python
from .setup.policy import policy
from .setup.profiles import profiles
from .setup.sandbox import sandbox
from .setup.settings import settings, variables
from .storage.audit_log import audit_log
from .storage.database import database
from .storage.folders import disk, folders
from .storage.secret_store import secret_store
from .storage.unfinished import approvals, journal

CHECKS = (
    Check("command", blocking(installed_command)),
    Check("python", blocking(python)),
    Check("settings", blocking(settings)),
    Check("variables", blocking(variables)),
    Check("profiles", blocking(profiles)),
    Check("credentials", credentials),
    Check("service", service),
    Check("clock", clock),
    Check("proxy", proxy),
    Check("certificates", blocking(certificates)),
    Check("sandbox", of_settings(sandbox)),
    Check("data folder", of_settings(folders)),
    Check("disk", of_settings(disk)),
    Check("database", of_settings(database)),
    Check("secret store", of_settings(secret_store), acts=True),
    Check("journal", of_settings(journal)),
    Check("approvals", of_settings(approvals)),
    Check("audit log", of_settings(audit_log)),
    Check("policy", of_settings(policy)),
    Check("destinations", of_settings(destinations)),
    Check("address", of_settings(address), acts=True),
    Check("issuers", issuers),
    Check("clients", clients, seconds=60.0, acts=True),
)

REPORT = "Try again. If it happens again, report it with what this command prints."

Findings = list[tuple[Check, Result]]


async def diagnose(machine: Machine, checks: Sequence[Check] = CHECKS) -> Findings:
    """What all checks find, in their order. First those run that only look, at the same time."""
    found: dict[str, Sequence[Result]] = {}

    async def run(check: Check) -> None:
        found[check.name] = await _in_time(check, machine)

    for acts in (False, True):
        async with anyio.create_task_group() as tasks:
            for check in checks:
                if check.acts is acts:
                    tasks.start_soon(run, check)
    return [(check, result) for check in checks for result in found[check.name]]


async def _in_time(check: Check, machine: Machine) -> Sequence[Result]:
    """What a check finds; that it fails or takes too long is a finding too."""
    try:
        with anyio.fail_after(check.seconds):
            return await check.look(machine)
    except TimeoutError:
        text = f"The check did not end within {check.seconds:g} seconds."
        return [warning(text, "Wait until the machine is less busy, then run it again.")]
    except Exception as error:  # noqa: BLE001 - the other checks go on, whatever it is
        why = str(error) if isinstance(error, StoreError) else type(error).__name__
        return [broken(f"The check failed: {why}.", REPORT)]
