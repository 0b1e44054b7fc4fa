"""The JSON Schema of a manifest, which ships with the package."""

import tomllib

import pytest
from jsonschema import Draft7Validator
from tools.manifest.manifests import BOUND, app

from connected_apps_tools.manifest.documents.schema import SCHEMA_FILE, manifest_schema, schema_text
from connected_apps_tools.manifest.exports.exporting import Target, export

APP = '[app.billing]\nclient_type = "first_party"\n'


def test_the_shipped_schema_follows_the_requests() -> None:
    """To write it: `make docs`."""
    assert SCHEMA_FILE.read_text("utf-8") == schema_text()


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(manifest_schema())


def test_an_export_fits_the_schema() -> None:
    exported = export([app(client_name="Billing", redirect_urls=["https://a/"])], Target("p"))
    Draft7Validator(manifest_schema()).validate(tomllib.loads(exported.manifest))


@pytest.mark.parametrize(
    "content",
    [
        "[aps.x]",
        APP + "logo = 1",
        APP + "client_name = 1",
        APP + "access_token_expiry_minutes = 0",
        APP + "full_access_allowed = 1",
        BOUND + APP + "[app.billing.live]\nname = 1",
        '[app."a b"]',
        "[environments]\ntest = 1",
    ],
)
def test_a_faulty_manifest_does_not_fit_it(content: str) -> None:
    assert not Draft7Validator(manifest_schema()).is_valid(tomllib.loads(content))
