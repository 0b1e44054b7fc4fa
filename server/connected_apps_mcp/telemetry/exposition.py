"""Shows the metrics to Prometheus."""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATH = "/metrics"


def metrics_app(registry: CollectorRegistry) -> Starlette:
    """An application that shows the metrics at /metrics."""

    def show(_request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_PLAIN_1_0_0)

    return Starlette(routes=[Route(PATH, show)])
