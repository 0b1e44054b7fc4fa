"""Faults of the credentials, the service and a server over HTTP."""

from server.diagnosis.services import answering, self_signed, silent

from .planting import CANARY, Planting, fault, simple, write

simple(
    "no project id",
    "credentials",
    remedy="login, or",
    environment={"STYTCH_PROJECT_ID": ""},
)
simple("no secret", "credentials", remedy="STYTCH_SECRET", environment={"STYTCH_SECRET": ""})
simple(
    "a placeholder that no client filled in",
    "credentials",
    remedy="STYTCH_SECRET",
    environment={"STYTCH_SECRET": "${STYTCH_SECRET}"},
)
simple(
    "the secret of a live project",
    "credentials",
    remedy="login",
    environment={"STYTCH_SECRET": f"secret-live-{CANARY}"},
)
simple(
    "a secret that the service refuses",
    "credentials",
    remedy="login",
    environment={"STYTCH_SECRET": CANARY},
)
simple(
    "no service at the base URL",
    "service",
    remedy="host and port",
    flags={"base-url": "http://127.0.0.1:CLOSED"},
)
simple(
    "a host that nobody knows",
    "service",
    remedy="host name",
    flags={"base-url": "https://service.invalid"},
)


@fault("a path in the base URL that the service does not know", "service", remedy="base URL")
def _wrong_path(on: Planting) -> None:
    on.desk.flags["base-url"] = f"{on.desk.url}/v2"


@fault("a service that fails", "service", remedy="Try again|try again")
def _failing_service(on: Planting) -> None:
    on.desk.flags["base-url"] = on.stack.enter_context(answering(500, {"status_code": 500}))


@fault("a page of a proxy in place of the service", "service", remedy="proxy")
def _page(on: Planting) -> None:
    on.desk.flags["base-url"] = on.stack.enter_context(answering(200, "<html>Log in</html>"))


@fault("a service that does not answer", "service", remedy="Try again")
def _silent_service(on: Planting) -> None:
    on.desk.flags |= {"base-url": on.stack.enter_context(silent()), "deadline": "0.5"}


@fault("a certificate that nobody signed", "service", remedy="SSL_CERT_FILE")
def _untrusted(on: Planting) -> None:
    tls = self_signed(on.desk.folder)
    on.desk.flags["base-url"] = on.stack.enter_context(answering(tls=tls))


@fault("a clock that is late", "clock", remedy="timedatectl", state="warning")
def _late_clock(on: Planting) -> None:
    on.desk.flags["base-url"] = on.stack.enter_context(answering(ahead=600))


@fault("a clock that is early", "clock", remedy="timedatectl", state="warning")
def _early_clock(on: Planting) -> None:
    on.desk.flags["base-url"] = on.stack.enter_context(answering(ahead=-600))


simple(
    "a proxy that is not there",
    "proxy",
    "service",
    remedy="unset HTTPS_PROXY, or name service.invalid in NO_PROXY",
    flags={"base-url": "https://service.invalid"},
    environment={"HTTPS_PROXY": f"http://user:{CANARY}@127.0.0.1:CLOSED"},
)
simple(
    "a malformed proxy",
    "proxy",
    "service",
    remedy="unset ALL_PROXY",
    flags={"base-url": "https://service.invalid"},
    environment={"ALL_PROXY": f"http://user:{CANARY}@127.0.0.1:port"},
)
simple(
    "a file of certificates that is not there",
    "certificates",
    remedy="unset SSL_CERT_FILE",
    environment={"SSL_CERT_FILE": "PATH/nowhere.pem"},
)
simple(
    "a folder of certificates that is not there",
    "certificates",
    remedy="unset SSL_CERT_DIR",
    environment={"SSL_CERT_DIR": "PATH/nowhere"},
)


@fault("a file of certificates without any", "certificates", remedy="unset SSL_CERT_FILE")
def _no_certificates(on: Planting) -> None:
    file = write(on.desk.folder / "empty.pem", "none")
    on.desk.environment["SSL_CERT_FILE"] = str(file)


@fault("a certificate of the server that is none", "certificates", remedy="certificate and")
def _own_certificate(on: Planting) -> None:
    cert, key = (write(on.desk.folder / name, "none") for name in ("cert.pem", "key.pem"))
    on.desk.flags |= {"transport": "http", "tls-cert": str(cert), "tls-key": str(key)}


@fault("an address that is in use", "address", remedy="--port 0", state="warning")
def _address_in_use(on: Planting) -> None:
    port = on.stack.enter_context(silent()).rpartition(":")[2]
    on.desk.flags |= {"transport": "http", "port": port}


simple(
    "an issuer that is not there",
    "issuers",
    remedy="auth-issuer.*/.well-known/",
    flags={
        "transport": "http",
        "port": "0",
        "auth": "issuer",
        "auth-issuer": "http://127.0.0.1:CLOSED",
    },
)


@fault("a page in place of an issuer", "issuers", remedy="auth-issuer.*/.well-known/")
def _no_issuer(on: Planting) -> None:
    issuer = on.stack.enter_context(answering(200, "<html>"))
    on.desk.flags |= {"transport": "http", "port": "0", "auth": "issuer", "auth-issuer": issuer}
