"""Any manifest goes round: what is applied to a project is what an export of it says."""

import json
from collections.abc import Mapping
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sizes import sized
from support import project_on
from tools.manifest.manifests import TEXTS

from connected_apps_mcp.sandbox import create_sandbox
from connected_apps_tools import CATALOGUE, ToolContext
from connected_apps_tools.api.models import Result
from connected_apps_tools.catalogue.manifest.applying import apply
from connected_apps_tools.catalogue.manifest.planning import all_apps, plan_apps
from connected_apps_tools.manifest.documents.bindings import Bindings
from connected_apps_tools.manifest.documents.manifest import Manifest
from connected_apps_tools.manifest.documents.reading import read_manifest
from connected_apps_tools.manifest.exports.exporting import Target, export
from connected_apps_tools.manifest.settings import settings_of

HERE, ELSEWHERE = "project-test-00000000-0000-0000-0000-000000000000", "project-live-1"

TYPES = {
    "billing": "first_party",
    "web": "first_party_public",
    "partner": "third_party",
    "x-1": "third_party_public",
}
"""The keys that a manifest may use, each with the type of its app, which cannot change."""

URLS = st.lists(
    st.sampled_from(
        [
            "https://a.example/cb",
            "https://a.example/cb?x=1&y=%20",
            "https://xn--bcher-kva.example/",
            "https://a.example:8443/\u00e4",
            "http://127.0.0.1/cb",
            "http://localhost:3000/cb",
        ]
    ),
    max_size=4,
)
TEMPLATES = st.sampled_from(["", "{}", " { }\n", '{"a": {{ user.b }} }', '{"plan": "\\"pro\\""}'])

OF_ALL_TYPES = {
    "client_name": TEXTS,
    "client_description": TEXTS,
    "redirect_urls": URLS,
    "post_logout_redirect_urls": URLS,
    "logo_url": TEXTS,
    "access_token_expiry_minutes": st.sampled_from([1, 30, 60, 527_040]),
    "access_token_custom_audience": st.sampled_from(["", "https://api.example", "a\"'#"]),
    "access_token_template_content": TEMPLATES,
    "id_token_template_content": TEMPLATES,
}
OF_FIRST_PARTY = {
    "full_access_allowed": st.booleans(),
    "bypass_consent_for_offline_access": st.booleans(),
}


def tables_of(client_type: str) -> st.SearchStrategy[dict[str, Any]]:
    """Settings that the sandbox accepts for apps of a type."""
    more = OF_FIRST_PARTY if client_type.startswith("first") else {}
    return st.fixed_dictionaries({}, optional={**OF_ALL_TYPES, **more})


def apps_of(key: str) -> st.SearchStrategy[dict[str, Any]]:
    """The tables of an app: what is shared, and what differs here and elsewhere."""
    table = tables_of(TYPES[key])
    overrides = st.fixed_dictionaries({}, optional={"here": table, "elsewhere": table})
    return st.builds(
        lambda shared, more: {"client_type": TYPES[key], **shared, **more}, table, overrides
    )


MANIFESTS = st.fixed_dictionaries({}, optional={key: apps_of(key) for key in TYPES})


def written(apps: Mapping[str, Mapping[str, Any]]) -> str:
    """A manifest as a person might write it, in a layout that no export has."""
    lines = [f'[environments]\nelsewhere = "{ELSEWHERE}"  # first\nhere = "{HERE}"\n']
    for key, app in apps.items():
        lines.append(f"\n  [app.{key}] # what {key} is\n")
        lines += [f"{name}= {value_of(value)}\n" for name, value in app.items()]
    return "".join(lines)


def value_of(value: Any) -> str:
    """A value in TOML, which is nearly JSON."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name} = {value_of(each)}' for name, each in value.items())} }}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


async def applied(
    project: ToolContext, manifest: Manifest, bindings: Bindings, *, prune: bool = False
) -> Bindings:
    """Apply a manifest; return the bindings that it has afterwards. A second plan is empty."""
    tools = {tool.name: tool for tool in CATALOGUE}

    async def call(name: str, arguments: dict[str, Any]) -> Result:
        result: Result = await tools[name](project, tools[name].read(arguments))
        return result

    planned = await plan_apps(project, manifest, bindings, prune=prune)
    done = await apply(project.for_call(call_part=call), planned)
    bindings = planned.bindings.with_bound(HERE, done.created).without(HERE, done.deleted)
    again = await plan_apps(project, manifest, bindings, prune=prune)
    assert again.plan.to_do == []
    return bindings


@pytest.mark.series
@settings(max_examples=sized("manifests that go round"))
@given(MANIFESTS, MANIFESTS)
async def test_a_project_becomes_what_one_manifest_says_and_then_another(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    bindings = Bindings()
    async with project_on(httpx2.ASGITransport(create_sandbox())) as project:
        for apps in (first, second):
            text = written(apps)
            manifest = read_manifest(text)
            bindings = await applied(
                project, manifest, bindings, prune=apps is second and bool(first)
            )
            wanted = manifest.wanted_in("here")
            there = {app.client_id: settings_of(app) for app in await all_apps(project)}
            bound = bindings.of(HERE)
            assert {key: there.pop(bound[key]) for key in bound} == wanted
            assert there == {}
            found = await all_apps(project)
            assert export(found, Target(HERE, manifest, bindings)).manifest == text
            fresh = export(found, Target(HERE, None, bindings, "here"))
            assert read_manifest(fresh.manifest).wanted_in("here") == wanted
            assert fresh.bindings == bindings
