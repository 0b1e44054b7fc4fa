"""Turns acts into spans and metrics, and events and levels into metrics."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from mcp import MCPError
from mcp.types import INVALID_PARAMS
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import Meter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from pydantic import ValidationError

from connected_apps_tools.observing import ActName, EventName, Fact, Facts, LevelName

from . import metrics
from .metrics import (
    ACT,
    ADDRESS,
    ERROR,
    HTTP_METHOD,
    HTTP_STATUS,
    OUTCOME,
    PORT,
    RESENDS,
    RPC_STATUS,
    RULE,
    TEMPLATE,
    Metric,
)

LOWEST_ERROR = 400
"""The lowest status of HTTP that is an error."""

ATTRIBUTES: Mapping[str, str] = {
    "method": HTTP_METHOD,
    "path": TEMPLATE,
    "host": ADDRESS,
    "port": PORT,
    "resends": RESENDS,
    "status": HTTP_STATUS,
    "operation": ACT,
    "outcome": OUTCOME,
    "rule": RULE,
}
"""The attribute for each fact."""

Attributes = dict[str, str | int]


@dataclass(frozen=True)
class Kind:
    """A kind of act.

    Attributes:
        span: the name of its span, from its attributes; None for no span.
        span_kind: the kind of that span.
        duration: the metric of how long it took.
        active: the metric of how many are under way.
    """

    span: Callable[[Attributes], str] | None
    span_kind: SpanKind = SpanKind.INTERNAL
    duration: Metric | None = None
    active: Metric | None = None


KINDS: Mapping[ActName, Kind] = {
    "service_request": Kind(
        lambda made: f"{made[HTTP_METHOD]} {made[TEMPLATE]}",
        SpanKind.CLIENT,
        metrics.REQUESTS,
        metrics.ACTIVE_REQUESTS,
    ),
    "secret_store": Kind(lambda made: f"secret_store {made[ACT]}", duration=metrics.STORE),
    "audit_append": Kind(lambda _: "audit append", duration=metrics.AUDIT),
    "confirmation": Kind(lambda _: "confirmation"),
    "session": Kind(None, duration=metrics.SESSIONS),
    "database_connection": Kind(None, active=metrics.CONNECTIONS),
}

EVENTS: Mapping[EventName, Metric] = {
    "question": metrics.QUESTIONS,
    "refusal": metrics.REFUSALS,
    "secret": metrics.SECRETS,
    "audit_failure": metrics.AUDIT_FAILURES,
}

LEVELS: Mapping[LevelName, Metric] = {"interrupted_calls": metrics.INTERRUPTED}

W3C = TraceContextTextMapPropagator()


class Telemetry:
    """Observes what happens, for a tracer and a meter."""

    def __init__(self, tracer: Tracer, meter: Meter, *, to_service: bool = False) -> None:
        """Observe.

        Args:
            tracer: makes the spans.
            meter: makes the metrics.
            to_service: whether the service gets the context of the trace.
        """
        self.tracer = tracer
        self.to_service = to_service
        self._instruments = {each.name: _instrument(meter, each) for each in metrics.METRICS}
        for metric in metrics.METRICS:
            self._show_zeros(metric)

    def _show_zeros(self, metric: Metric) -> None:
        """Show what can be counted from the start, so that an alert sees the first one."""
        if metric.kind in {"counter", "up_down"} and not metric.labels:
            self.record(metric, 0, {})
        for value in metric.values:
            self.record(metric, 0, dict.fromkeys(metric.labels, value))

    def act(self, name: ActName, facts: Facts) -> "Act":
        """As `Observer.act`."""
        return Act(self, KINDS[name], _attributes(facts))

    def event(self, name: EventName, facts: Facts) -> None:
        """As `Observer.event`."""
        self.record(EVENTS[name], 1, _attributes(facts))

    def level(self, name: LevelName, value: int) -> None:
        """As `Observer.level`."""
        self.record(LEVELS[name], value, {})

    def record(self, metric: Metric, value: float, attributes: Mapping[str, str | int]) -> None:
        """Record a value, with the attributes that are labels of the metric."""
        labels = {name: attributes[name] for name in metric.labels if name in attributes}
        self._instruments[metric.name](value, labels)


class Act:
    """One act, with a span that is the parent of what it does."""

    def __init__(
        self,
        telemetry: Telemetry,
        kind: Kind,
        attributes: Attributes,
        parent: Context | None = None,
    ) -> None:
        self._telemetry = telemetry
        self._kind = kind
        self._attributes = attributes
        self._parent = parent
        self._span: Span = trace.INVALID_SPAN

    def __enter__(self) -> Self:
        if self._kind.active:
            self._telemetry.record(self._kind.active, 1, self._attributes)
        if self._kind.span:
            self._span = self._telemetry.tracer.start_span(
                self._kind.span(self._attributes),
                self._parent,
                self._kind.span_kind,
                self._attributes,
            )
            self._token = contexts.attach(trace.set_span_in_context(self._span, self._parent))
        self._started = time.perf_counter()
        return self

    @property
    def headers(self) -> Mapping[str, str]:
        """The context of the trace, if the service gets it."""
        headers: dict[str, str] = {}
        if self._telemetry.to_service:
            W3C.inject(headers, trace.set_span_in_context(self._span))
        return headers

    def note(self, **facts: Fact) -> None:
        """Add facts."""
        self.add(_attributes(facts))

    def add(self, attributes: Attributes) -> None:
        """Add attributes."""
        self._attributes |= attributes
        self._span.set_attributes(attributes)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        seconds = time.perf_counter() - self._started
        self.add(self._failure(error))
        if ERROR in self._attributes:
            self._span.set_status(Status(StatusCode.ERROR))  # an error has text of others
        if self._kind.span:
            contexts.detach(self._token)
            self._span.end()
        if self._kind.active:
            self._telemetry.record(self._kind.active, -1, self._attributes)
        if self._kind.duration:
            self._telemetry.record(self._kind.duration, seconds, self._attributes)
        if self._attributes.get(RESENDS):
            self._telemetry.record(metrics.RETRIES, 1, self._attributes)

    def _failure(self, error: BaseException | None) -> Attributes:
        """What failed, without the text of any error."""
        status = self._attributes.get(HTTP_STATUS)
        if isinstance(error, MCPError | ValidationError):  # the SDK answers the second one itself
            code = str(error.error.code if isinstance(error, MCPError) else INVALID_PARAMS)
            return {ERROR: code, RPC_STATUS: code}
        if error:
            return {ERROR: type(error).__name__}
        return {ERROR: str(status)} if isinstance(status, int) and status >= LOWEST_ERROR else {}


def _attributes(facts: Facts) -> Attributes:
    """The attributes that facts mean. No resends are none."""
    return {ATTRIBUTES[name]: fact for name, fact in facts.items() if fact not in {None, 0}}


def _instrument(meter: Meter, metric: Metric) -> Callable[[float, Mapping[str, Any]], None]:
    """What records a value of a metric."""
    about = {"unit": metric.unit, "description": metric.about}
    match metric.kind:
        case "histogram":
            buckets = metric.buckets
            return meter.create_histogram(
                metric.name, explicit_bucket_boundaries_advisory=buckets, **about
            ).record
        case "counter":
            return meter.create_counter(metric.name, **about).add
        case "up_down":
            return meter.create_up_down_counter(metric.name, **about).add
        case "gauge":
            return meter.create_gauge(metric.name, **about).set
