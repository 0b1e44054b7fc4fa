import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connected_apps_tools.api import models
from connected_apps_tools.api.models import CreateApp, PageOfApps, UpdateApp

PUBLISHED = json.loads((Path(__file__).parent / "published_shapes.json").read_text())
NEWER = PUBLISHED["only_in_newer_sdks"]

REQUESTS: dict[str, type[models.Request]] = {
    "CreateRequest": models.CreateApp,
    "UpdateRequest": models.UpdateApp,
    "SearchRequest": models.PageOfApps,
}
RESPONSES: dict[str, type[models.Model]] = {
    "ConnectedApp": models.ConnectedApp,
    "ConnectedAppWithClientSecret": models.AppWithClientSecret,
    "ConnectedAppWithNextClientSecret": models.AppWithNextClientSecret,
    "ResultsMetadata": models.ResultsMetadata,
    "CreateResponse": models.CreateResponse,
    "GetResponse": models.AppResponse,
    "UpdateResponse": models.AppResponse,
    "DeleteResponse": models.DeleteResponse,
    "SearchResponse": models.SearchResponse,
    "RotateStartResponse": models.StartRotationResponse,
    "RotateResponse": models.AppResponse,
    "RotateCancelResponse": models.AppResponse,
}
MODEL_OF_REF = {RESPONSES[name].__name__: name for name in RESPONSES}


def shape(model: type[models.Model], *, sent_only: bool = False) -> dict[str, Any]:
    """A model in the form of the published table."""
    schema = model.json_schema()
    return {
        name: {"type": kind(field), "required": name in schema.get("required", [])}
        for name, field in schema["properties"].items()
        if not (sent_only and model.model_fields[name].exclude)
    }


def kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return MODEL_OF_REF[schema["$ref"].rpartition("/")[2]]
    if schema["type"] == "array":
        return f"array of {kind(schema['items'])}"
    return str(schema["type"])


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_has_the_published_fields_and_those_of_newer_sdks(name: str) -> None:
    newer = {} if name == "SearchRequest" else NEWER["requests"]
    published = PUBLISHED["schemas"][name] | {
        field: {"type": type_, "required": False} for field, type_ in newer.items()
    }
    assert shape(REQUESTS[name], sent_only=True) == published


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_has_the_published_fields_and_those_of_newer_sdks(name: str) -> None:
    newer = NEWER["responses"] if "client_name" in PUBLISHED["schemas"][name] else {}
    published = PUBLISHED["schemas"][name] | {
        field: {"type": type_, "required": False} for field, type_ in newer.items()
    }
    assert shape(RESPONSES[name]) == published


def test_every_published_schema_of_the_client_operations_is_covered() -> None:
    empty = {name for name, fields in PUBLISHED["schemas"].items() if not fields}
    assert PUBLISHED["schemas"].keys() - empty == REQUESTS.keys() | RESPONSES.keys()


@pytest.mark.parametrize(
    "request_type", [*REQUESTS.values(), models.OneApp, models.OneAppRevealing]
)
def test_every_input_schema_is_flat(request_type: type[models.Request]) -> None:
    schema = request_type.json_schema()
    assert "$defs" not in schema
    assert all("anyOf" not in field for field in schema["properties"].values())


def test_a_body_has_the_given_fields_only() -> None:
    app = models.CreateAppRevealing(
        client_type="first_party", redirect_urls=[], client_name="", reveal_secret=True
    )
    assert app.body() == {"client_type": "first_party", "redirect_urls": [], "client_name": ""}


def test_the_id_of_the_app_to_change_is_not_part_of_the_body() -> None:
    assert UpdateApp(client_id="app", logo_url="").body() == {"logo_url": ""}


@pytest.mark.parametrize(
    "template", ['{"role": "admin"}', '{"field": {{ user.user_id }} }', "not json at all"]
)
def test_a_template_is_passed_on_as_it_is(template: str) -> None:
    assert UpdateApp(client_id="app", access_token_template_content=template).body() == {
        "access_token_template_content": template
    }


@pytest.mark.parametrize("limit", [0, 1001, -1, "5", 5.5, True])
def test_a_search_limit_outside_1_to_1000_is_refused(limit: object) -> None:
    with pytest.raises(ValidationError):
        PageOfApps.model_validate({"limit": limit})


@pytest.mark.parametrize("minutes", [0, -1, 2**31, "60", 1.5])
def test_an_expiry_that_is_no_positive_int32_is_refused(minutes: object) -> None:
    with pytest.raises(ValidationError):
        CreateApp.model_validate(
            {"client_type": "third_party", "access_token_expiry_minutes": minutes}
        )


@pytest.mark.parametrize("limit", [1, 1000, 10.0])
def test_a_whole_number_within_the_bounds_is_accepted(limit: float) -> None:
    assert PageOfApps.model_validate({"limit": limit}).body() == {"limit": int(limit)}


@pytest.mark.parametrize("required", ["client_type"])
def test_null_for_a_required_field_is_refused(required: str) -> None:
    with pytest.raises(ValidationError, match="must not be null") as caught:
        CreateApp.model_validate({required: None})
    assert "leave it out" not in str(caught.value)


def test_an_update_that_changes_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least one field"):
        UpdateApp(client_id="app")


@pytest.mark.parametrize("field", sorted(models.AppSettings.model_fields))
def test_null_is_refused_with_the_way_to_empty_a_field(field: str) -> None:
    with pytest.raises(ValidationError, match='send "" or \\[\\]'):
        UpdateApp.model_validate({"client_id": "app", field: None})


@pytest.mark.parametrize(
    ("client_type", "confidential"),
    [
        ("first_party", True),
        ("third_party", True),
        ("first_party_public", False),
        ("third_party_public", False),
    ],
)
def test_public_types_get_no_secret(client_type: models.ClientType, confidential: bool) -> None:
    assert CreateApp(client_type=client_type).confidential is confidential


def test_only_the_responses_with_a_new_secret_have_a_field_for_a_secret() -> None:
    with_secret = {
        name
        for name, model in RESPONSES.items()
        if {"client_secret", "next_client_secret"} & model.model_fields.keys()
    }
    assert with_secret == {"ConnectedAppWithClientSecret", "ConnectedAppWithNextClientSecret"}
