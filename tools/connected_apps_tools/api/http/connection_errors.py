"""Explains why there was no connection to the service, or no response, and what to do.

The text of an exception is never shown: it may hold a proxy's password.
"""

import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.request import getproxies, proxy_bypass

import httpx2

from connected_apps_tools.api.service import is_local
from connected_apps_tools.errors import NoAnswer, NotSent

logger = logging.getLogger(__name__)

UNTRUSTED = {18, 19, 20, 21}
"""OpenSSL's codes for a certificate without a trusted authority (X509_V_ERR_*)."""

ANOTHER_NAME = {62, 64}
"""OpenSSL's codes for a certificate of another host name or address."""

OUT_OF_DATE = {9, 10}
"""OpenSSL's codes for a certificate that is not valid yet or has expired."""


@dataclass(frozen=True)
class Cause:
    """A cause of a failed connection.

    Attributes:
        text: what happened, as the end of a sentence.
        hint: what to do about it.
        transient: whether the same call may succeed later, unchanged.
    """

    text: str
    hint: str
    transient: bool = False


Test = Callable[[BaseException], bool]


def _is(*kinds: type[BaseException]) -> Test:
    return lambda error: isinstance(error, kinds)


def _certificate(codes: set[int]) -> Test:
    def test(error: BaseException) -> bool:
        return isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in codes

    return test


def _is_no_tls(error: BaseException) -> bool:
    return isinstance(error, ssl.SSLError) and error.reason in {
        "WRONG_VERSION_NUMBER",
        "RECORD_LAYER_FAILURE",
        "HTTP_REQUEST",
        "UNKNOWN_PROTOCOL",
    }


def _no_certificates(error: BaseException) -> bool:
    """Whether the error is about a certificate file, not about data from the network."""
    return isinstance(error, ssl.SSLError) and error.library in {"X509", "PEM", "ASN1"}


_CERTIFICATES = "or name the file of the authority's certificate in SSL_CERT_FILE."

CAUSES: tuple[tuple[Test, Cause], ...] = (
    (
        _certificate(UNTRUSTED),
        Cause(
            "no trusted authority signed its certificate",
            f"The operator has to check the base URL, {_CERTIFICATES}",
        ),
    ),
    (
        _certificate(ANOTHER_NAME),
        Cause(
            "its certificate is for another host name",
            "The operator has to check the host name in the base URL.",
        ),
    ),
    (
        _certificate(OUT_OF_DATE),
        Cause(
            "its certificate has expired or is not valid yet",
            "The operator has to check this machine's clock, then the service's certificate.",
        ),
    ),
    (
        _is(ssl.SSLCertVerificationError),
        Cause(
            "its certificate is not valid",
            f"The operator has to check the base URL, {_CERTIFICATES}",
        ),
    ),
    (
        _is_no_tls,
        Cause(
            "the server does not speak TLS",
            "The operator has to check the base URL: it uses https for an http port.",
        ),
    ),
    (
        _no_certificates,
        Cause(
            "the certificate file contains no certificates",
            "The operator has to correct SSL_CERT_FILE or SSL_CERT_DIR.",
        ),
    ),
    (
        _is(ssl.SSLError),
        Cause(
            "the TLS handshake failed",
            "The operator has to check the base URL and the TLS settings of the server there.",
        ),
    ),
    (
        _is(socket.gaierror),
        Cause(
            "its host name could not be resolved",
            "Check the network and the host name in the base URL, then try again.",
            transient=True,
        ),
    ),
    (
        _is(ConnectionRefusedError),
        Cause(
            "the connection was refused: no server listens there",
            "Check the host and port in the base URL, and that the service runs; then try again.",
            transient=True,
        ),
    ),
    (
        _is(TimeoutError, httpx2.ConnectTimeout),
        Cause(
            "the connection timed out",
            "Check the network and firewalls, then try again.",
            transient=True,
        ),
    ),
    (
        _is(httpx2.PoolTimeout),
        Cause(
            "too many calls are under way",
            "Wait a moment, then try again.",
            transient=True,
        ),
    ),
    (
        _is(ImportError),
        Cause(
            "the proxy is a SOCKS proxy, and the package for it is not installed",
            "The operator has to install the package socksio, or name an http proxy.",
        ),
    ),
    (
        _is(httpx2.ProxyError),
        Cause(
            "the proxy refused the connection",
            "Check the proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, then try again.",
            transient=True,
        ),
    ),
    (
        _is(ValueError, httpx2.InvalidURL),
        Cause(
            "the proxy settings are malformed",
            "The operator has to correct HTTPS_PROXY, HTTP_PROXY, ALL_PROXY or NO_PROXY.",
        ),
    ),
    (
        _is(FileNotFoundError, PermissionError, IsADirectoryError),
        Cause(
            "the certificate file cannot be read",
            "The operator has to correct SSL_CERT_FILE or SSL_CERT_DIR.",
        ),
    ),
    (
        _is(OSError, httpx2.ConnectError),
        Cause(
            "the connection failed",
            "Check the network and the base URL, then try again.",
            transient=True,
        ),
    ),
)
"""The cause is the first one that fits an exception in the chain."""

PROXY = "Calls go through the proxy in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY: check it as well."


def unreachable(error: BaseException, base_url: str) -> NotSent:
    """The error for a failed connection, with its cause and a hint."""
    chain = list(_chain(error))
    cause = next(cause for test, cause in CAUSES if any(map(test, chain)))
    failure = NotSent(f"The service could not be reached: {cause.text}.")
    failure.transient = cause.transient
    failure.hint = f"{cause.hint} {PROXY}" if proxy_for(base_url) else cause.hint
    names = ", ".join(dict.fromkeys(type(each).__name__ for each in chain))
    logger.warning("The service could not be reached: %s (%s)", cause.text, names)
    return failure


BREAKS: tuple[tuple[Test, str], ...] = (
    (_is(httpx2.TimeoutException), "it timed out"),
    (_is(httpx2.RemoteProtocolError), "the response was not complete HTTP"),
    (_is(httpx2.TransportError), "the connection broke"),
)
"""Why a sent request got no response: the first one that fits."""

HTTP_FOR_HTTPS = "If that does not help, check the base URL: it may use http for an https port."


def unanswered(error: httpx2.TransportError, base_url: str) -> NoAnswer:
    """The error for a request that was sent without a complete response."""
    text = next(text for test, text in BREAKS if test(error))
    failure = NoAnswer(f"The service did not answer: {text}.")
    advice = [
        NoAnswer.hint,
        HTTP_FOR_HTTPS if base_url.startswith("http://") else "",
        PROXY if proxy_for(base_url) else "",
    ]
    failure.hint = " ".join(filter(None, advice))
    logger.warning("The service did not answer: %s (%s)", text, type(error).__name__)
    return failure


def proxy_for(base_url: str) -> str | None:
    """The proxy that calls to a URL go through. Its URL may hold a password."""
    url = httpx2.URL(base_url)
    if is_local(base_url) or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    return proxies.get(url.scheme) or proxies.get("all")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception, its causes and the members of groups, each once."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [more for more in (each.__cause__, each.__context__) if more]
        if isinstance(each, BaseExceptionGroup):
            waiting += each.exceptions
