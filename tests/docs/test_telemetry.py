"""The dashboard and the alert rules use metrics and labels that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from ruamel.yaml import YAML

from connected_apps_mcp.telemetry.metrics import METRICS
from connected_apps_mcp.telemetry.opening import Asked, open_telemetry
from generator.metrics import at_prometheus, label_at_prometheus
from generator.places import DOCS

FILES = DOCS / "files"
DASHBOARD = FILES / "grafana-dashboard.json"
ALERTS = FILES / "prometheus-alerts.yml"

OF_PROMETHEUS = {"instance", "le"}
"""Labels that Prometheus adds."""


@pytest.fixture(scope="module")
def registry() -> Iterator[CollectorRegistry]:
    """Each metric with all its labels, as the server shows them."""
    with open_telemetry(Asked(frozenset(), scraped=True), {}) as opened:
        for metric in METRICS:
            opened.telemetry.record(metric, 1, dict.fromkeys(metric.labels, "x"))
        yield opened.registry


@pytest.fixture(scope="module")
def shown(registry: CollectorRegistry) -> dict[str, set[str]]:
    """The labels of each series that the server shows."""
    labels: dict[str, set[str]] = {}
    for family in registry.collect():
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def rules() -> list[dict[str, Any]]:
    (group,) = YAML(typ="safe").load(ALERTS)["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def dashboard_queries() -> list[str]:
    panels = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def queries() -> list[str]:
    return [*dashboard_queries(), *(rule["expr"] for rule in rules())]


SERIES = re.compile(r"\b((?:connected_apps_mcp|mcp|http)_\w+)(?:\{([^}]*)\})?")
GROUPED = re.compile(r"by \(([^)]*)\)")


@pytest.mark.parametrize("query", queries())
def test_a_query_names_series_and_labels_that_exist(shown: dict[str, set[str]], query: str) -> None:
    grouped = {label.strip() for labels in GROUPED.findall(query) for label in labels.split(",")}
    used = SERIES.findall(GROUPED.sub("", query))
    assert used
    for series, conditions in used:
        given = set(re.findall(r"(\w+)(?:=|!)", re.sub(r'"[^"]*"', '""', conditions)))
        assert given | grouped <= shown[series] | OF_PROMETHEUS


def test_every_metric_is_on_the_dashboard() -> None:
    queries = " ".join(dashboard_queries())
    assert {name for name in map(at_prometheus, METRICS) if name not in queries} == set()


def test_the_reference_has_the_names_that_prometheus_gets(shown: dict[str, set[str]]) -> None:
    for metric in METRICS:
        name = at_prometheus(metric) + ("_count" if metric.kind == "histogram" else "")
        assert shown[name] == {label_at_prometheus(label) for label in metric.labels}


def test_the_page_says_what_to_do_about_every_alert() -> None:
    page = Path(DOCS / "how-to" / "observe.md").read_text("utf-8")
    assert re.findall(r"^\| `([A-Z][a-z]\w+)` \|", page, re.MULTILINE) == [
        rule["alert"] for rule in rules()
    ]
