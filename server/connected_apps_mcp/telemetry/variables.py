"""What the standard variables of OpenTelemetry ask for."""

from collections.abc import Mapping
from typing import Literal, get_args
from urllib.parse import unquote

Signal = Literal["traces", "metrics", "logs"]

PROTOCOL = "http/protobuf"

_OTLP = "OTEL_EXPORTER_OTLP"


def wanted(environment: Mapping[str, str]) -> frozenset[Signal]:
    """The signals to send: those with an endpoint, and those with the exporter `otlp`."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().casefold() == "true":
        return frozenset()
    return frozenset(each for each in get_args(Signal) if _is_wanted(environment, each))


def _is_wanted(environment: Mapping[str, str], signal: Signal) -> bool:
    if exporters := environment.get(f"OTEL_{signal.upper()}_EXPORTER"):
        return "otlp" in [each.strip() for each in exporters.split(",")]
    return bool(_otlp(environment, signal, "ENDPOINT"))


def other_protocol(environment: Mapping[str, str], signal: Signal) -> str | None:
    """The protocol that the variables ask for, if it is not the one that the server speaks."""
    asked = _otlp(environment, signal, "PROTOCOL")
    return None if asked in {"", PROTOCOL} else asked


def header_secrets(environment: Mapping[str, str]) -> list[str]:
    """The values of the headers that go to the collector, where tokens are."""
    names = [f"{_OTLP}_{part}HEADERS" for part in ("", "TRACES_", "METRICS_", "LOGS_")]
    headers = ",".join(environment.get(name, "") for name in names).split(",")
    values = [unquote(header.partition("=")[2]).strip() for header in headers]
    return [word for value in values for word in {value, value.rpartition(" ")[2]} if word]


def _otlp(environment: Mapping[str, str], signal: Signal, name: str) -> str:
    of_signal = environment.get(f"{_OTLP}_{signal.upper()}_{name}", "")
    return (of_signal or environment.get(f"{_OTLP}_{name}", "")).strip()
