"""Opens what the variables and the settings ask for, and sends the rest at the end."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Self
from uuid import uuid4

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import MeterProvider as AnyMeterProvider
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.trace import NoOpTracerProvider
from opentelemetry.trace import TracerProvider as AnyTracerProvider
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from connected_apps_tools.observing import observed_by
from connected_apps_tools.text.redaction import REDACTOR

from .acts import Telemetry
from .logs import LogSender
from .variables import Signal, header_secrets

PROGRAM = "connected-apps-mcp"

FLUSH_SECONDS = 5.0
"""Time at the end to send what has not been sent."""


@dataclass(frozen=True)
class Asked:
    """What telemetry is asked for.

    Attributes:
        signals: what is sent to a collector.
        scraped: whether Prometheus can read the metrics.
        to_service: whether the service gets the context of the trace.
        replica: the name of this replica.
    """

    signals: frozenset[Signal]
    scraped: bool = False
    to_service: bool = False
    replica: str | None = None


@dataclass(frozen=True)
class Opened:
    """What is open.

    Attributes:
        telemetry: observes what happens.
        registry: has the metrics for Prometheus.
        log: sends the records of the log, if they are sent.
    """

    telemetry: Telemetry
    registry: CollectorRegistry
    log: LogSender | None


@contextmanager
def open_telemetry(asked: Asked, environment: Mapping[str, str]) -> Iterator[Opened]:
    """Observe what happens in this process meanwhile."""
    for secret in header_secrets(environment):
        REDACTOR.add(secret)
    resource, registry = _resource(asked.replica), CollectorRegistry()
    with _Providers() as opened:
        meters = _meters(asked, resource, registry, opened)
        tracer = _tracers(asked, resource, opened).get_tracer(PROGRAM, version(PROGRAM))
        log = _log(resource, opened) if "logs" in asked.signals else None
        meter = meters.get_meter(PROGRAM, version(PROGRAM))
        telemetry = Telemetry(tracer, meter, to_service=asked.to_service)
        with observed_by(telemetry):
            try:
                yield Opened(telemetry, registry, log)
            finally:
                if log:
                    logging.getLogger().removeHandler(log)


class _Providers:
    """What is open. At the end it sends the rest, unless the collector does not take it."""

    def __init__(self) -> None:
        self.shutdowns: list[Callable[[], Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        give_up_at = time.monotonic() + FLUSH_SECONDS
        sending = [threading.Thread(target=each, daemon=True) for each in self.shutdowns]
        for thread in sending:
            thread.start()
        for thread in sending:
            thread.join(max(0, give_up_at - time.monotonic()))


def _resource(replica: str | None) -> Resource:
    """What this process is called. The variables win."""
    ours = {
        "service.name": PROGRAM,
        "service.version": version(PROGRAM),
        "service.instance.id": replica or str(uuid4()),
    }
    return Resource.create(ours).merge(OTELResourceDetector().detect())


def _meters(
    asked: Asked, resource: Resource, registry: CollectorRegistry, opened: _Providers
) -> AnyMeterProvider:
    readers: list[MetricReader] = []
    if "metrics" in asked.signals:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
    if asked.scraped:
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        readers.append(PrometheusMetricReader(scope_info_enabled=False, registry=registry))
    if not readers:
        return NoOpMeterProvider()
    provider = MeterProvider(readers, resource, shutdown_on_exit=False)
    opened.shutdowns.append(provider.shutdown)
    return provider


def _tracers(asked: Asked, resource: Resource, opened: _Providers) -> AnyTracerProvider:
    if "traces" not in asked.signals:
        return NoOpTracerProvider()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    opened.shutdowns.append(provider.shutdown)
    return provider


def _log(resource: Resource, opened: _Providers) -> LogSender:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    provider = LoggerProvider(resource, shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    opened.shutdowns.append(provider.shutdown)
    sender = LogSender(provider)
    logging.getLogger().addHandler(sender)
    return sender
