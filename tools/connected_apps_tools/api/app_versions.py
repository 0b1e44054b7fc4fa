"""The version of an app: it changes when the app does."""

from base64 import urlsafe_b64encode
from hashlib import sha256

from .models import App

VERSION_LENGTH = 22
"""Characters of an app's version, of 6 bits each."""

_STATE = set(App.model_fields)
"""The settings of an app, and what says which secrets it has."""


def version_of(app: App) -> str:
    """A digest of all the settings of an app.

    It has 132 bits, in 22 characters. Strangers choose some of an app's text, so with fewer bits
    they could prepare two apps of one version.
    """
    state = app.model_dump_json(include=_STATE).encode()
    return urlsafe_b64encode(sha256(state).digest()).decode()[:VERSION_LENGTH]
