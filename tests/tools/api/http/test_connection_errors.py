"""Each cause of a failed connection is recognised, over real sockets."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ports import free_port
from pydantic import SecretStr
from support import serving, slow_service

from connected_apps_tools import errors
from connected_apps_tools.api.client import ConnectedAppsClient
from connected_apps_tools.api.models import CreateApp
from connected_apps_tools.api.service import Credentials

CREDENTIALS = Credentials("project-test-1", SecretStr("secret-canary-Zx81kQ0pLm27"))
ELSEWHERE = "https://service.invalid"
PASSWORD = "canary-of-the-proxy"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


async def why(url: str) -> errors.NotSent:
    """The error of a create that is not sent."""
    async with ConnectedAppsClient(CREDENTIALS, base_url=url) as api:
        with pytest.raises(errors.NotSent) as caught:
            await api.create(CreateApp(client_type="first_party"))
    assert not caught.value.may_have_taken_effect
    assert PASSWORD not in f"{caught.value} {caught.value.hint}"
    return caught.value


class Proxy:
    """Accepts one connection after the other, sends the same bytes, and closes it."""

    def __init__(self, says: bytes) -> None:
        self.says = says
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://user:{PASSWORD}@127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(4096)
                connection.sendall(self.says)


@pytest.fixture
def refusing_proxy() -> Iterator[Proxy]:
    proxy = Proxy(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    yield proxy
    proxy.listener.close()


async def test_a_closed_port() -> None:
    error = await why(f"http://127.0.0.1:{free_port()}")
    assert "no server listens there" in str(error)
    assert "host and port" in str(error.hint)


async def test_an_unknown_host() -> None:
    error = await why(ELSEWHERE)
    assert "host name could not be resolved" in str(error)


async def test_https_to_a_port_of_http() -> None:
    with serving(slow_service) as url:
        error = await why(url.replace("http", "https"))
    assert "does not speak TLS" in str(error)
    assert not error.transient


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, with its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is missing")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-keyout", str(key), "-out", str(cert), "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


@pytest.fixture
def tls_url(certificate: tuple[Path, Path]) -> Iterator[str]:
    """A TLS server with that certificate and one response for every request."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(4096)
                    secure.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            except OSError:
                connection.close()

    threading.Thread(target=run, daemon=True).start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


async def test_a_self_signed_certificate(tls_url: str) -> None:
    error = await why(tls_url)
    assert "no trusted authority signed its certificate" in str(error)
    assert "SSL_CERT_FILE" in str(error.hint)
    assert not error.transient


async def test_a_certificate_in_ssl_cert_file_is_trusted_on_loopback_too(
    tls_url: str, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    async with ConnectedAppsClient(CREDENTIALS, base_url=tls_url) as api:
        with pytest.raises(errors.UnexpectedAnswer, match="404"):
            await api.get("app")


async def test_the_case_of_https_does_not_change_which_certificates_are_read(
    tls_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file.pem").write_text("no certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "file.pem"))
    error = await why(tls_url.replace("https", "HTTPS"))
    assert "the certificate file contains no certificates" in str(error)


async def test_a_certificate_for_another_name(
    tls_url: str, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    error = await why(tls_url.replace("127.0.0.1", "localhost"))
    assert "certificate is for another host name" in str(error)


async def test_a_dead_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{PASSWORD}@127.0.0.1:{free_port()}")
    error = await why(ELSEWHERE)
    assert "no server listens there" in str(error)
    assert "go through the proxy" in str(error.hint)


async def test_a_proxy_that_refuses(monkeypatch: pytest.MonkeyPatch, refusing_proxy: Proxy) -> None:
    monkeypatch.setenv("HTTPS_PROXY", refusing_proxy.url)
    error = await why(ELSEWHERE)
    assert "the proxy refused the connection" in str(error)


async def test_malformed_proxy_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"foo://user:{PASSWORD}@x")
    error = await why(ELSEWHERE)
    assert "the proxy settings are malformed" in str(error)
    assert not error.transient


async def test_a_socks_proxy_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", f"socks5://user:{PASSWORD}@127.0.0.1:1")
    error = await why(ELSEWHERE)
    assert "SOCKS" in str(error)
    assert "socksio" in str(error.hint)
    assert not error.transient


async def test_a_certificate_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    error = await why(ELSEWHERE)
    assert "the certificate file cannot be read" in str(error)
    assert "SSL_CERT_FILE" in str(error.hint)


async def test_the_cause_is_logged_without_the_text_of_an_exception(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"foo://user:{PASSWORD}@x")
    await why(ELSEWHERE)
    assert "the proxy settings are malformed (ValueError" in caplog.text
    assert PASSWORD not in caplog.text


def test_an_error_says_that_a_retry_may_help_where_its_hint_says_so() -> None:
    from connected_apps_tools.api.http.connection_errors import CAUSES

    for _, cause in CAUSES:
        assert cause.transient == ("try again" in cause.hint), cause.text


@pytest.mark.parametrize("text", ["", "no certificate\n"])
async def test_a_certificate_file_that_holds_none(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file.pem").write_text(text)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "file.pem"))
    error = await why(ELSEWHERE)
    assert "the certificate file contains no certificates" in str(error)
    assert "SSL_CERT_FILE" in str(error.hint)


async def unanswered(url: str) -> errors.NoAnswer:
    async with ConnectedAppsClient(CREDENTIALS, base_url=url, deadline=1) as api:
        with pytest.raises(errors.NoAnswer) as caught:
            await api.get("app")
    return caught.value


async def test_http_to_a_port_of_https(tls_url: str, caplog: pytest.LogCaptureFixture) -> None:
    error = await unanswered(tls_url.replace("https", "http"))
    assert "it may use http for an https port" in str(error.hint)
    assert "The service did not answer: the connection broke (ReadError)" in caplog.text


async def test_what_does_not_speak_http(refusing_proxy: Proxy) -> None:
    refusing_proxy.says = b"SSH-2.0-OpenSSH_9.6\r\n"
    error = await unanswered(f"http://{refusing_proxy.url.partition('@')[2]}")
    assert str(error) == ("The service did not answer: the response was not complete HTTP.")
    assert error.transient
