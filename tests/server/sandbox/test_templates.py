"""Templates are JSON objects in which values may be unquoted tags."""

from __future__ import annotations

import pytest

from connected_apps_mcp.sandbox.errors import ApiError
from connected_apps_mcp.sandbox.handlers.templates import MAX_TEMPLATE_BYTES, check_template


def error_of(template: str) -> str:
    with pytest.raises(ApiError) as caught:
        check_template(template)
    return caught.value.error_type.name.lower()


@pytest.mark.parametrize(
    "template",
    [
        "",
        "{}",
        '{"field": {{ user.user_id }} }',
        '{"a":{"b":{{user.user_id}}}}',
        '{"a": {"b": {}}}',
        '{"a": "{{ user.name }} and {{ user.email }}"}',
        '{"a": [{{ user.roles }}, 1, null, true]}',
        '{"a": {{ user.trusted_metadata.plan-name }}}',
        '{"a": {"sub": 1}}',
        '{"https://app.example/claim": 1}',
    ],
)
def test_a_valid_template_is_accepted(template: str) -> None:
    check_template(template)


@pytest.mark.parametrize(
    "template",
    [
        " ",
        "[]",
        "null",
        '"text"',
        "{{ user.user_id }}",
        '{"a": }',
        '{"a": user.user_id }}',
        '{"a": 1{{ user.user_id }}}',
        '{"a": {{ user.x }}{{ user.y }}}',
        "{ {{ user.x }}: 1}",
        '{"a": NaN}',
        '{"a": 1,}',
        '{"a": ' + "[" * 4000,
    ],
)
def test_a_template_that_is_not_a_json_object_is_refused(template: str) -> None:
    assert error_of(template) == "jwt_template_invalid_json"


@pytest.mark.parametrize(
    "tag", ["{{}}", "{{ }}", "{{ a b }}", "{{ a. }}", "{{ .a }}", "{{ 1a }}", "{{ a + b }}"]
)
def test_a_tag_that_is_not_a_dotted_name_is_refused(tag: str) -> None:
    assert error_of(f'{{"a": {tag} }}') == "jwt_template_invalid_tag"


@pytest.mark.parametrize(
    "template",
    [
        '{"a": {{ user.x }',
        '{"a": "{{ user.x"}',
        '{"a": {{ user.x, "b": {"c": 1}}',
        '{"a": {{ {{ user.x }} }} }',
    ],
)
def test_a_tag_that_is_not_closed_is_refused(template: str) -> None:
    assert error_of(template) == "jwt_template_mismatched_tag"


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"])
def test_a_registered_claim_is_refused(claim: str) -> None:
    assert error_of(f'{{"{claim}": {{{{ user.user_id }}}}}}') == "reserved_claims_in_custom_claims"


def test_an_escaped_registered_claim_is_refused() -> None:
    assert error_of('{"s\\u0075b": 1}') == "reserved_claims_in_custom_claims"


def test_a_claim_of_the_service_is_refused() -> None:
    assert error_of('{"https://stytch.com/session": 1}') == "stytch_claims_in_custom_claims"


def test_the_limit_on_size_counts_bytes() -> None:
    frame = len('{"a":""}')
    check_template(f'{{"a":"{"x" * (MAX_TEMPLATE_BYTES - frame)}"}}')
    too_large = f'{{"a":"{"é" * (MAX_TEMPLATE_BYTES // 2)}"}}'
    assert error_of(too_large) == "custom_claims_too_large"
