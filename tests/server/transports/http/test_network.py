"""Beyond loopback: TLS, proxies, other hosts, and pages of other sites."""

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from ports import free_port
from server.transports.http.test_overload import connect, limited, url_of
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from support import HELLO, listening, running, serving

from connected_apps_mcp.protocol.server import build_server
from connected_apps_mcp.settings import loading
from connected_apps_mcp.settings.settings import SettingsError
from connected_apps_mcp.transports.http.app import build_app
from connected_apps_mcp.transports.http.network import SECURITY_HEADERS, Network
from connected_apps_mcp.transports.http.tls import tls_context
from connected_apps_tools import ToolContext

PAGE = "http://inspector.example"
BOTH = {"accept": "application/json, text/event-stream"}
ISSUER = {"auth": "issuer", "auth_issuer": "https://issuer.example", "sandbox": True}


def pem_of(key: ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
    lock = serialization.BestAvailableEncryption(password) if password else None
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        lock or serialization.NoEncryption(),
    )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for this machine, signed by its own key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    chain, private = folder / "cert.pem", folder / "key.pem"
    chain.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(pem_of(key))
    private.chmod(0o600)
    return chain, private


def tls_flags(certificate: tuple[Path, Path]) -> list[str]:
    return ["--tls-cert", str(certificate[0]), "--tls-key", str(certificate[1])]


def test_a_server_speaks_tls(certificate: tuple[Path, Path]) -> None:
    flags = ["--transport", "http", "--sandbox", "--auth", "sandbox", *tls_flags(certificate)]
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    with listening(*flags) as urls, httpx2.Client(verify=trusted, trust_env=False) as http:
        refused = http.post(urls["http"], json=HELLO[0])
        described = http.get(urls["http"].replace("/mcp", "/.well-known/oauth-protected-resource"))
    assert urls["http"].startswith("https://")
    assert refused.status_code == 401
    assert refused.headers["strict-transport-security"]
    assert described.json()["resource"] == urls["http"]


@pytest.mark.parametrize(
    ("password", "why"), [(b"password", "has a password"), (None, "KEY_VALUES_MISMATCH")]
)
def test_a_key_that_does_not_open_or_fit_is_refused(
    certificate: tuple[Path, Path], tmp_path: Path, password: bytes | None, why: str
) -> None:
    other = tmp_path / "key.pem"
    other.write_bytes(pem_of(ec.generate_private_key(ec.SECP256R1()), password))
    with pytest.raises(SettingsError, match=why):
        tls_context(certificate[0], other)


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file"), ("", "not PEM"), ("nonsense", "not PEM")]
)
def test_files_without_a_certificate_are_refused_at_the_start(
    tmp_path: Path, content: str | None, why: str
) -> None:
    file = tmp_path / "given.pem"
    if content is not None:
        file.write_text(content)
        file.chmod(0o600)
    flags = ["--sandbox", "--transport", "http", "--port", "0", *tls_flags((file, file))]
    with running("serve", *flags) as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert f"--tls-cert, --tls-key: they cannot be used ({why}" in errors
    assert "Serving" not in errors


def test_a_client_that_begins_no_tls_is_cut_off(certificate: tuple[Path, Path]) -> None:
    flags = ["--transport", "http", *tls_flags(certificate)]
    with (
        limited(*flags, HEADER_SECONDS=0.2) as process,
        connect(url_of(process)) as silent,
    ):
        assert silent.recv(1) == b""


def test_a_refusal_of_a_slow_body_has_the_security_headers() -> None:
    with limited("--transport", "http", BODY_SECONDS=0.2) as process:
        url = url_of(process)
        with connect(url) as slow:
            host = urlsplit(url).netloc.encode()
            slow.sendall(b"POST /mcp HTTP/1.1\r\nhost: %b\r\ncontent-length: 9\r\n\r\n" % host)
            refused = slow.recv(2000)
    assert refused.startswith(b"HTTP/1.1 408")
    assert all(name in refused for name in SECURITY_HEADERS)


def test_a_refusal_of_a_malformed_request_has_the_security_headers(urls: dict[str, str]) -> None:
    with connect(urls["http"]) as malformed:
        malformed.sendall(b"GET / HTTP/1.1\r\n\r\n")
        refused = malformed.recv(2000)
    assert refused.startswith(b"HTTP/1.1 400")
    assert all(b"%b: %b" % header in refused for header in SECURITY_HEADERS.items())


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    flags = ["--transport", "http", "--sandbox", "--auth", "sandbox", "--allow-origin", PAGE]
    with listening(*flags) as urls:
        yield urls


@pytest.fixture
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(headers=BOTH, trust_env=False) as http:
        yield http


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_named_page_may_call_without_a_token_for_the_question(
    http: httpx2.Client, urls: dict[str, str], method: str
) -> None:
    asks = {
        "origin": PAGE,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,mcp-session-id",
    }
    asked = http.options(urls["http"], headers=asks)
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == PAGE
    refused = http.post(urls["http"], json=HELLO[0], headers={"origin": PAGE})
    assert refused.status_code == 401
    assert "www-authenticate" in refused.headers["access-control-expose-headers"].lower()
    assert "access-control-allow-credentials" not in refused.headers


def test_a_named_page_reads_what_a_login_needs(http: httpx2.Client, urls: dict[str, str]) -> None:
    base = urls["http"].removesuffix("/mcp")
    for path in ("oauth-protected-resource/mcp", "oauth-authorization-server"):
        read = http.get(f"{base}/.well-known/{path}", headers={"origin": PAGE})
        assert read.status_code == 200
        assert read.headers["access-control-allow-origin"] in {PAGE, "*"}


def test_another_page_may_not_call(http: httpx2.Client, urls: dict[str, str]) -> None:
    foreign = {"origin": "http://evil.example"}
    assert http.post(urls["http"], json=HELLO[0], headers=foreign).status_code == 403
    asks = {**foreign, "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in http.options(urls["http"], headers=asks).headers


@pytest.mark.parametrize("path", ["/mcp", "/healthz", "/nowhere", "/.well-known/jwks.json"])
def test_every_response_has_the_security_headers(
    http: httpx2.Client, urls: dict[str, str], path: str
) -> None:
    response = http.get(urls["http"].removesuffix("/mcp") + path)
    assert {name.decode() for name in SECURITY_HEADERS} <= response.headers.keys()
    assert "strict-transport-security" not in response.headers


def test_the_public_url_names_the_server() -> None:
    public = "https://localhost:8443"
    flags = ["--transport", "http", "--sandbox", "--auth", "sandbox", "--public-url", public]
    with listening(*flags) as urls:
        assert urls["http"] == f"{public}/mcp"


async def test_only_the_host_of_the_public_url_is_accepted(project: ToolContext) -> None:
    network = Network("127.0.0.1:8000", "https://mcp.corp.example")
    app = build_app(build_server(project), ["http"], network)
    transport = httpx2.ASGITransport(app)
    for host, status in (("mcp.corp.example", 200), ("127.0.0.1:8000", 421)):
        async with httpx2.AsyncClient(transport=transport, base_url=f"http://{host}") as http:
            assert (await http.get("/healthz")).status_code == status


async def said(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that shows what it knows of its client."""
    request = Request(scope)
    client = request.client.host if request.client else None
    known = {"client": client, "scheme": request.url.scheme, "headers": list(request.headers)}
    await JSONResponse(known)(scope, receive, send)


@pytest.mark.parametrize(
    ("proxy", "client", "scheme"),
    [("127.0.0.1/32", "203.0.113.9", "https"), ("10.0.0.0/8", "127.0.0.1", "http")],
)
def test_over_a_socket_only_a_trusted_proxy_is_believed(
    http: httpx2.Client, proxy: str, client: str, scheme: str
) -> None:
    forwarded = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
    with serving(Network("127.0.0.1:0", proxies=(proxy,)).before(said)) as url:
        known = http.get(url, headers=forwarded).json()
    assert (known["client"], known["scheme"]) == (client, scheme)


def test_behind_a_proxy_a_client_learns_the_public_url(http: httpx2.Client) -> None:
    port, public = free_port(), "https://localhost:8443"
    flags = ["--trusted-proxy", "127.0.0.1/32", "--public-url", public, "--auth", "sandbox"]
    with running("serve", "--sandbox", "--transport", "http", "--port", str(port), *flags) as ours:
        assert ours.stderr
        assert ours.stderr.readline() == f"Serving {public}/mcp\n"
        there = f"http://127.0.0.1:{port}/mcp"
        through = {"host": "localhost:8443", "x-forwarded-proto": "https"}
        refused = http.post(there, json=HELLO[0], headers=through)
        past = http.post(there, json=HELLO[0])
    assert refused.status_code == 401
    assert f'resource_metadata="{public}/.well-known/' in refused.headers["www-authenticate"]
    assert refused.headers["strict-transport-security"]
    assert past.status_code == 421


@pytest.mark.parametrize(
    ("peer", "status", "client", "scheme"),
    [
        ("10.1.2.3", 200, "203.0.113.9", "https"),
        ("::ffff:10.1.2.3", 200, "203.0.113.9", "https"),
        ("127.0.0.1", 200, "127.0.0.1", "http"),
        ("::ffff:127.0.0.1", 200, "127.0.0.1", "http"),
        ("192.0.2.1", 403, None, None),
    ],
)
async def test_only_a_trusted_proxy_is_believed(
    peer: str, status: int, client: str | None, scheme: str | None
) -> None:
    app = Network("0.0.0.0:8000", proxies=("10.0.0.0/8",)).before(said)
    forwarded = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
    transport = httpx2.ASGITransport(app, client=(peer, 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://server") as http:
        response = await http.get("/", headers=forwarded)
    assert response.status_code == status
    if status == 200:
        assert (response.json()["client"], response.json()["scheme"]) == (client, scheme)


async def test_forwarded_headers_of_others_are_dropped() -> None:
    app = Network("0.0.0.0:8000", proxies=("10.0.0.0/8",), tls=True).before(said)
    transport = httpx2.ASGITransport(app, client=("192.0.2.1", 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://server") as http:
        response = await http.get("/", headers={"x-forwarded-for": "203.0.113.9", "forwarded": "x"})
    assert response.json()["client"] == "192.0.2.1"
    assert not {"x-forwarded-for", "forwarded"} & set(response.json()["headers"])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"host": "0.0.0.0"}, "without --auth"),  # noqa: S104 - it is refused
        ({"host": "192.0.2.1", "auth": "sandbox"}, "must be of this machine"),
        ({"host": "192.0.2.1", **ISSUER}, "must not travel in the clear"),
        ({"auth": "sandbox", "public_url": "https://mcp.corp.example"}, "must be of this machine"),
        ({"public_url": "https://mcp.corp.example"}, "without --auth"),
        ({"tls_cert": "cert.pem"}, "belong together"),
        ({"tls_key": "key.pem"}, "belong together"),
        ({"public_url": "http://mcp.corp.example"}, "must be https"),
        ({"public_url": "https://mcp.corp.example/mcp"}, "give an origin"),
        ({"public_url": "https://user@mcp.corp.example"}, "give an origin"),
        ({"public_url": "https://"}, "give an origin"),
        ({"public_url": "https://b\u00fccher.example"}, "give an origin"),
        ({"allow_origin": "*"}, "give an origin"),
        ({"allow_origin": "https://*.corp.example"}, "give an origin"),
        ({"trusted_proxy": "10.0.0.1/8"}, "give networks"),
        ({"trusted_proxy": "proxy"}, "give networks"),
        ({"trusted_proxy": "0.0.0.0/0"}, "this network is everybody"),
        ({"trusted_proxy": "::/0"}, "this network is everybody"),
    ],
)
def test_a_setting_that_would_open_too_much_is_refused(given: dict[str, str], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        loading.load(**({"sandbox": True, "transport": "http"} | given))


@pytest.mark.parametrize(
    ("flag", "given"),
    [
        ("--allow-origin", {"allow_origin": PAGE}),
        ("--public-url", {"public_url": "https://localhost"}),
        ("--tls-cert", {"tls_cert": "cert.pem", "tls_key": "key.pem"}),
        ("--trusted-proxy", {"trusted_proxy": "10.0.0.0/8"}),
    ],
)
def test_over_stdio_a_setting_of_the_network_is_refused(flag: str, given: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=f"{flag} needs --transport http or sse"):
        loading.load(sandbox=True, transport="stdio", **given)


@pytest.mark.parametrize("also", [{"trusted_proxy": "10.0.0.0/8"}, {"tls": "given"}])
def test_an_address_beyond_loopback_is_allowed_where_tokens_are_safe(
    also: dict[str, str], certificate: tuple[Path, Path]
) -> None:
    files = {"tls_cert": certificate[0], "tls_key": certificate[1]}
    safe = files if also.get("tls") else also
    there = {"host": "192.0.2.1", "public_url": "https://mcp.corp.example"}
    assert loading.load(transport="http", **there, **ISSUER, **safe).authenticates


@pytest.mark.parametrize(
    ("host", "tls"),
    [("192.0.2.1", False), ("0.0.0.0", False), ("0.0.0.0", True), ("::", True)],  # noqa: S104
)
def test_where_clients_cannot_call_the_address_the_public_url_must_be_given(
    host: str, tls: bool, certificate: tuple[Path, Path]
) -> None:
    files = {"tls_cert": certificate[0], "tls_key": certificate[1]}
    safe: dict[str, Any] = files if tls else {"trusted_proxy": "10.0.0.0/8"}
    with pytest.raises(SettingsError, match=f"--host {host} needs --public-url"):
        loading.load(transport="http", host=host, **ISSUER, **safe)


def test_a_server_with_a_certificate_for_its_address_needs_no_public_url(
    certificate: tuple[Path, Path],
) -> None:
    files = {"tls_cert": certificate[0], "tls_key": certificate[1]}
    assert loading.load(transport="http", host="192.0.2.1", **ISSUER, **files).authenticates


def test_a_key_that_others_can_read_is_refused(certificate: tuple[Path, Path]) -> None:
    certificate[1].chmod(0o644)
    try:
        with pytest.raises(SettingsError, match="chmod 600"):
            loading.load(
                transport="http",
                sandbox=True,
                tls_cert=certificate[0],
                tls_key=certificate[1],
            )
    finally:
        certificate[1].chmod(0o600)


def test_origins_are_compared_as_browsers_send_them() -> None:
    settings = loading.load(
        **ISSUER,
        transport="http",
        public_url="https://MCP.corp.example:443/",
        allow_origin="HTTP://Page.example:80,https://b.example:8443",
    )
    assert settings.public_url == "https://mcp.corp.example"
    assert settings.allow_origin == ("http://page.example", "https://b.example:8443")
