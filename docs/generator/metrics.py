"""The metrics."""

from connected_apps_mcp.telemetry.metrics import METRICS, Metric

from .markdown import table

SUFFIXES = {"histogram": "_seconds", "counter": "_total"}


def at_prometheus(metric: Metric) -> str:
    """The name of a metric at Prometheus."""
    return metric.name.replace(".", "_") + SUFFIXES.get(metric.kind, "")


def label_at_prometheus(label: str) -> str:
    """The name of a label at Prometheus."""
    return label.replace(".", "_")


def metrics() -> str:
    """Each metric, with its labels."""
    return table(
        ["metric", "at Prometheus", "what it is about", "labels"],
        (
            [
                f"`{metric.name}`",
                f"`{at_prometheus(metric)}`",
                metric.about,
                ", ".join(f"`{label}`" for label in metric.labels) or "none",
            ]
            for metric in METRICS
        ),
    )
