"""What the tools work on."""

from dataclasses import dataclass

from .api import ConnectedAppsClient
from .custody import Custody


@dataclass(frozen=True)
class Project:
    """A Stytch project: its API, and the custody of its apps' secrets."""

    api: ConnectedAppsClient
    custody: Custody
