"""The sandbox keeps what its own OpenAPI description promises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance
from sizes import sized
from starlette.testclient import TestClient

from connected_apps_mcp.sandbox import SANDBOX_CREDENTIALS, create_sandbox
from connected_apps_mcp.sandbox.handlers.call import SandboxOperation
from connected_apps_mcp.sandbox.handlers.seeding import seed
from connected_apps_mcp.sandbox.seeds.seed import Seed
from connected_apps_mcp.sandbox.service.operations import OPERATIONS

from .seeds import ACME, ADA, CALENDAR, GRACE, PLANS, seeded

pytestmark = pytest.mark.series

Case = schemathesis.Case[Any]
AUTH = (SANDBOX_CREDENTIALS.project_id, SANDBOX_CREDENTIALS.secret)

# The formats that the description names and JSON Schema does not know.
schemathesis.openapi.format(
    "redirect-url", st.sampled_from(["https://app.example/callback", "http://127.0.0.1/callback"])
)
schemathesis.openapi.format(
    "claims-template", st.sampled_from(["", '{"field": {{ user.user_id }} }', '{"a": "b"}'])
)
schemathesis.openapi.format("search-cursor", st.just(""))

app = seeded("consumer")
b2b_app = seeded("b2b")
schema = schemathesis.openapi.from_asgi("/openapi.json", app)
b2b_schema = schemathesis.openapi.from_asgi("/openapi.json", b2b_app)
for each in (schema, b2b_schema):
    each.config.auth.update(basic=AUTH)
fuzz = settings(
    max_examples=sized("random requests to an operation"),
    suppress_health_check=list(HealthCheck),
)
SEEDED = {
    "user_id": ADA,
    "organization_id": ACME,
    "member_id": GRACE,
    "connected_app_id": CALENDAR,
}
# Its probe expects 401 or 403 for unknown credentials, but a wrong project id is known to be 400.
EXCLUDED = [ignored_auth]


def validate(case: Case, *excluded: Any) -> None:
    """Make the call, and check the answer.

    What only a format forbids is let pass: what these formats are, the strategies above know alone.
    """
    try:
        case.call_and_validate(excluded_checks=[*EXCLUDED, *excluded])
    except* AcceptedNegativeData as accepted:
        if any("violates `format`" not in str(each) for each in accepted.exceptions):
            raise


def app_ready_for(operation: str) -> str:
    """Create an app, its rotation under way if the operation is to end one."""
    clients = "/v1/connected_apps/clients"
    with TestClient(app) as client:
        created = client.post(clients, json={"client_type": "first_party"}, auth=AUTH).json()
        client_id: str = created["connected_app"]["client_id"]
        if operation in {"rotate", "rotate_cancel"}:
            client.post(f"{clients}/{client_id}/secrets/rotate/start", auth=AUTH)
    return client_id


@schema.exclude(path_regex="^/(v1/b2b|sandbox)/").parametrize()
@fuzz
def test_every_operation_responds_as_described(case: Case) -> None:
    validate(case)


@b2b_schema.include(path_regex="^/v1/b2b/").parametrize()
@fuzz
def test_every_operation_of_a_b2b_project_responds_as_described(case: Case) -> None:
    validate(case)


@schema.include(path_regex="client_id").parametrize()
@fuzz
def test_every_operation_on_an_existing_app_responds_as_described(
    case: Case,
) -> None:
    case.path_parameters["client_id"] = app_ready_for(case.operation.definition.raw["operationId"])
    validate(case)


@schema.include(path_regex="user_id").parametrize()
@fuzz
def test_every_operation_on_an_existing_user_responds_as_described(case: Case) -> None:
    seed(app, Seed.model_validate(PLANS["consumer"]))
    for name in case.path_parameters:
        case.path_parameters[name] = SEEDED[name]
    validate(case)


@b2b_schema.include(path_regex="organization_id").parametrize()
@fuzz
def test_every_operation_on_an_existing_member_responds_as_described(case: Case) -> None:
    seed(b2b_app, Seed.model_validate(PLANS["b2b"]))
    for name in case.path_parameters:
        case.path_parameters[name] = SEEDED[name]
    validate(case)


@schema.include(path_regex="^/sandbox/").parametrize()
@fuzz
def test_seeding_responds_as_described(case: Case) -> None:
    """Its schema cannot say which ids are taken, nor which apps there are to grant."""
    generated = case.body.get("generated_apps") if isinstance(case.body, dict) else None
    assume(type(generated) is not int or generated <= 1000)
    validate(case, positive_data_acceptance)


async def test_the_description_needs_no_credentials(
    connect: Callable[..., Awaitable[httpx2.AsyncClient]],
) -> None:
    client = await connect(create_sandbox())
    response = await client.get("http://sandbox/openapi.json", auth=("", ""))
    assert response.status_code == 200
    assert response.json()["openapi"].startswith("3.1")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_every_operation_is_described(
    client: httpx2.AsyncClient, operation: SandboxOperation[Any]
) -> None:
    paths = (await client.get("http://sandbox/openapi.json")).json()["paths"]
    path, method = operation.path, operation.method.lower()
    assert paths[path][method]["operationId"] == operation.name
