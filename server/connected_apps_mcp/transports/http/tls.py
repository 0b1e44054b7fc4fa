"""What a server needs to speak TLS."""

import ssl
from pathlib import Path

from connected_apps_mcp.settings.settings import SettingsError


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """How to speak TLS with a certificate chain and its key, which are files in PEM.

    Raises:
        SettingsError: they cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, _no_password)
    except (OSError, ValueError) as error:
        attribute = "reason" if isinstance(error, ssl.SSLError) else "strerror"
        why = getattr(error, attribute, None) or "not PEM"
        raise SettingsError(f"--tls-cert, --tls-key: they cannot be used ({why}).") from None
    return context


def _no_password() -> str:
    """Refuse to ask at the terminal, as OpenSSL would."""
    raise SettingsError("--tls-key: the key has a password. Give one without.")
