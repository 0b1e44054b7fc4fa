"""The page in the client: what a client that announced it gets, and nobody else."""

import base64
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from examples import APP, PUBLIC_KEY
from mcp import Client, MCPError, types
from mcp.client.extension import advertise
from mcp.server import Server
from pydantic import SecretStr
from server.audit.logs import bytes_of, lines_of
from server.people import NO, YES, Person, Wire, asking, rotating
from support import ERAS, LISTED, PAGE_CAPABILITY, WITH_PAGE, answer, offering, refusal
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from connected_apps_mcp.protocol.resources.page import EMPTY, FILE
from connected_apps_mcp.protocol.server import build_server
from connected_apps_tools import CATALOGUE, ToolContext
from connected_apps_tools.safety.policy import Policy
from connected_apps_tools.text.redaction import Redactor

(EXTENSION,) = PAGE_CAPABILITY
URI = "ui://connected-apps/page.html"
TO_PAGE = "reveal_client_secret_to_page"
OPENS = {
    "create_app",
    "get_app",
    "update_app",
    "delete_app",
    "search_apps",
    "clone_app",
    "start_secret_rotation",
    "complete_secret_rotation",
    "cancel_secret_rotation",
    "deliver_client_secret",
    "revoke_user_grant",
    "revoke_member_grant",
    "review_apps",
    "apply_manifest",
}
"""The tools that open the page, as a person wrote them down."""

WITHOUT = {
    "no extension": [],
    "another extension": [advertise("com.example/ui", PAGE_CAPABILITY[EXTENSION])],
    "no types": [advertise(EXTENSION)],
    "another type": [advertise(EXTENSION, {"mimeTypes": ["text/html"]})],
    "types that are no list": [advertise(EXTENSION, {"mimeTypes": "text/html;profile=mcp-app"})],
}


class PageKey:
    """The key of a page."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(65_537, 3_072)
        self.public = spki(self._key.public_key())

    def decrypted(self, ciphertext: str) -> str:
        """What the page reads."""
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), label=None)
        return self._key.decrypt(base64.b64decode(ciphertext), oaep).decode()


def spki(key: PublicKeyTypes) -> str:
    """A public key, as a page sends it."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


@asynccontextmanager
async def client_of(server: Server[Any], era: str, extensions: Any) -> AsyncIterator[Client]:
    async with Client(server, mode=era, extensions=extensions) as client:
        yield client


async def listed(client: Client) -> dict[str, dict[str, Any]]:
    tools = (await client.list_tools()).tools
    return {tool.name: tool.model_dump(by_alias=True, exclude_none=True) for tool in tools}


async def page_of(client: Client) -> types.TextResourceContents:
    (content,) = (await client.read_resource(URI)).contents
    assert isinstance(content, types.TextResourceContents)
    return content


def about_in(page: types.TextResourceContents) -> dict[str, Any]:
    """What the page reads about the server."""
    (about,) = re.findall('<script type="application/json" id="about">(.*?)</script>', page.text)
    read: dict[str, Any] = json.loads(about)
    return read


# What the client gets.


@pytest.mark.parametrize("era", ERAS)
async def test_the_tools_that_open_the_page_name_it_also_as_older_hosts_read_it(
    server: Server[Any], era: str
) -> None:
    async with client_of(server, era, WITH_PAGE) as client:
        tools = await listed(client)
    named = {name: tool["_meta"] for name, tool in tools.items() if "_meta" in tool}
    assert named.pop(TO_PAGE) == {"ui": {"visibility": ["app"]}}
    assert named.keys() == OPENS
    for meta in named.values():
        assert meta == {"ui": {"resourceUri": URI}, "ui/resourceUri": URI}


@pytest.mark.parametrize("era", ERAS)
async def test_besides_that_the_tools_are_those_of_every_client(
    server: Server[Any], era: str
) -> None:
    async with client_of(server, era, WITH_PAGE) as client:
        tools = await listed(client)
    async with client_of(server, era, []) as client:
        plain = await listed(client)
    del tools[TO_PAGE]
    for tool in tools.values():
        tool.pop("_meta", None)
    assert tools == plain


async def test_the_tool_of_the_page_is_listed_as_it_was_agreed(
    server: Server[Any], snapshot: SnapshotAssertion
) -> None:
    async with client_of(server, "auto", WITH_PAGE) as client:
        tools = await listed(client)
    assert tools[TO_PAGE] == snapshot(extension_class=JSONSnapshotExtension)


@pytest.mark.parametrize("era", ERAS)
async def test_the_page_asks_its_host_for_nothing_from_elsewhere(
    server: Server[Any], era: str
) -> None:
    async with client_of(server, era, WITH_PAGE) as client:
        page = await page_of(client)
    assert page.mime_type == "text/html;profile=mcp-app"
    assert page.meta
    assert not any(page.meta["ui"]["csp"].values())
    assert page.meta["ui"]["permissions"] == {"clipboardWrite": {}}


@pytest.mark.parametrize("era", ERAS)
async def test_the_page_is_the_built_one_and_has_what_the_server_says_about_itself(
    era: str,
) -> None:
    async with asking(Wire(), None, era) as (client, project):
        page = await page_of(client)
        tools = await listed(client)
    about = about_in(page)
    built = FILE.read_text("utf-8")
    assert built.count(EMPTY) == 1
    assert re.sub(r'(id="about">).*?(</script>)', r"\1null\2", page.text) == built
    assert about == {
        "project_id": project.api.project_id,
        "environment": "sandbox",
        "version": project.server.version,
        "tools": about["tools"],
        "destinations": ["env"],
    }
    shown = {"name", "title", "description", "inputSchema"}
    assert about["tools"] == [
        {name: value for name, value in tool.items() if name in shown} for tool in tools.values()
    ]


async def test_nothing_in_what_the_server_says_can_end_the_script(project: ToolContext) -> None:
    version = "</script><script>alert(1)</script><!--"
    about = replace(project.server, version=version)
    server = build_server(replace(project, server=about))
    async with client_of(server, "auto", WITH_PAGE) as client:
        page = await page_of(client)
    assert "alert(1)</script>" not in page.text
    assert about_in(page)["version"] == version


@pytest.mark.parametrize("era", ERAS)
async def test_the_page_is_not_in_the_list_of_resources(server: Server[Any], era: str) -> None:
    async with client_of(server, era, WITH_PAGE) as client:
        resources = (await client.list_resources()).resources
    assert not [each for each in resources if each.uri.startswith("ui:")]


@pytest.mark.parametrize("missing", ["get_app", "search_apps"])
async def test_there_is_no_page_where_apps_are_not_shown(
    project: ToolContext, missing: str
) -> None:
    others = [name for name in offering().on if name != missing]
    server = build_server(project, offering(tools=others))
    async with client_of(server, "auto", WITH_PAGE) as client:
        tools = await listed(client)
    assert TO_PAGE not in tools
    assert not [tool for tool in tools.values() if "_meta" in tool]


# What every other client gets.


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("extensions", WITHOUT.values(), ids=WITHOUT)
async def test_a_client_without_the_page_finds_no_word_of_it(
    server: Server[Any], era: str, extensions: Any
) -> None:
    async with client_of(server, era, extensions) as client:
        tools = await listed(client)
        status = answer(await client.call_tool("get_server_status", {}))
        assert client.server_capabilities
        assert client.server_capabilities.extensions is None
    assert list(tools) == [tool.name for tool in LISTED]
    assert not [tool for tool in tools.values() if "_meta" in tool]
    assert status["tools_off"] == {}


@pytest.mark.parametrize("era", ERAS)
async def test_a_client_without_the_page_does_not_read_that_its_tool_is_off(
    project: ToolContext, era: str
) -> None:
    server = build_server(project, offering(reveals=False))
    off: dict[str, Any] = {}
    for extensions in ([], WITH_PAGE):
        async with client_of(server, era, extensions) as client:
            status = answer(await client.call_tool("get_server_status", {}))
        off[str(bool(extensions))] = set(status["tools_off"])
    assert off == {
        "False": {"reveal_client_secret"},
        "True": {"reveal_client_secret", TO_PAGE},
    }


@pytest.mark.parametrize("era", ERAS)
async def test_to_a_client_without_the_page_its_uri_is_one_of_nothing(
    server: Server[Any], era: str
) -> None:
    errors = []
    async with client_of(server, era, []) as client:
        for uri in (URI, "ui://connected-apps/other.html"):
            with pytest.raises(MCPError) as caught:
                await client.read_resource(uri)
            errors.append(caught.value.error.model_dump_json().replace(uri, "<uri>"))
    assert errors[0] == errors[1]


@pytest.mark.parametrize("era", ERAS)
async def test_to_a_client_without_the_page_its_tool_is_unknown(
    server: Server[Any], era: str
) -> None:
    errors = []
    arguments = {"client_id": APP, "public_key": PUBLIC_KEY}
    async with client_of(server, era, []) as client:
        for name in (TO_PAGE, "reveal_client_secret_to_pagf"):
            with pytest.raises(MCPError) as caught:
                await client.call_tool(name, arguments)
            errors.append(caught.value.error)
    assert errors[0] == errors[1]
    assert TO_PAGE not in errors[0].message


# A secret for the page.


@pytest.fixture(scope="module")
def key() -> PageKey:
    return PageKey()


@pytest.mark.parametrize("era", ERAS)
async def test_only_the_page_can_read_the_secret_that_a_person_let_it_show(
    era: str, key: PageKey, tmp_path: Path
) -> None:
    person = Person(YES)
    async with asking(Wire(), person, era, folder=tmp_path) as (client, project):
        await rotating(project)
        arguments = {"client_id": APP, "which": "next", "public_key": key.public}
        result = await client.call_tool(TO_PAGE, arguments)
        stored = await project.secrets.store.get(APP, "next")
    shown = answer(result)
    assert stored
    secret = stored.secret.get_secret_value()
    assert key.decrypted(shown.pop("ciphertext")) == secret
    assert shown == {
        "client_id": APP,
        "which": "next",
        "last_four": secret[-4:],
        "stored_at": stored.stored_at.isoformat(timespec="seconds"),
    }
    (question,) = person.questions
    assert question.startswith("Show the next client secret of this app in the page?\n")
    assert "the model will not know it" in question
    readable = Redactor()
    readable.add(secret)
    assert not readable.contains_secret(result.model_dump_json())
    assert not readable.contains_secret(question)
    for log in bytes_of(tmp_path / "audit").values():
        assert not readable.contains_secret(log.decode())
    _, intent, outcome = lines_of(tmp_path / "audit")
    assert (intent["tool"], intent["answer"]) == (TO_PAGE, "accept")
    assert outcome["revealed"] == f"…{secret[-4:]}"


async def test_a_secret_that_the_service_does_not_have_any_more_has_a_note(key: PageKey) -> None:
    async with asking(Wire(), Person(YES)) as (client, project):
        await rotating(project)
        await project.api.cancel_rotation(APP)
        arguments = {"client_id": APP, "which": "next", "public_key": key.public}
        shown = answer(await client.call_tool(TO_PAGE, arguments))
    assert shown["note"] == "The service's secret is another one by now."


@pytest.mark.parametrize("era", ERAS)
async def test_a_no_shows_the_page_nothing(era: str, key: PageKey, tmp_path: Path) -> None:
    async with asking(Wire(), Person(NO), era, folder=tmp_path) as (client, project):
        await rotating(project)
        arguments = {"client_id": APP, "which": "next", "public_key": key.public}
        refused = refusal(await client.call_tool(TO_PAGE, arguments))
    assert refused["error"] == "NotConfirmed"
    assert "ciphertext" not in refused
    assert lines_of(tmp_path / "audit")[-1]["answer"] == "decline"


SMALL = rsa.generate_private_key(65_537, 2_048).public_key()
BAD_KEYS = {
    "nothing": "",
    "no base64": "§" * 500,
    "other base64": base64.urlsafe_b64encode(b"\xff" * 300).decode(),
    "no key": base64.b64encode(b"no key").decode(),
    "smaller": spki(SMALL),
    "larger": spki(rsa.RSAPublicNumbers(65_537, 2**4_095 + 1).public_key()),
    "an even one": spki(rsa.RSAPublicNumbers(65_537, 2**3_071).public_key()),
    "a small exponent": spki(rsa.RSAPublicNumbers(3, 2**3_071 + 1).public_key()),
    "a curve": spki(ec.generate_private_key(ec.SECP256R1()).public_key()),
    "a signing key": spki(ed25519.Ed25519PrivateKey.generate().public_key()),
    "more behind it": base64.b64encode(base64.b64decode(PUBLIC_KEY) + b"\0").decode(),
    "PEM": base64.b64encode(
        SMALL.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    ).decode(),
}


@pytest.mark.parametrize("public_key", BAD_KEYS.values(), ids=BAD_KEYS)
async def test_a_bad_key_is_refused_before_a_person_is_asked(public_key: str) -> None:
    person, wire = Person(YES), Wire()
    async with asking(wire, person) as (client, project):
        await rotating(project)
        wire.requests.clear()
        arguments = {"client_id": APP, "which": "next", "public_key": public_key}
        refused = refusal(await client.call_tool(TO_PAGE, arguments))
    assert refused["message"] == (
        "public_key: it must be an RSA key of 3072 bits with the exponent 65537, as "
        "SubjectPublicKeyInfo in base64."
    )
    assert person.questions == []
    assert wire.requests == []


async def test_a_key_of_any_length_is_refused() -> None:
    async with asking(Wire(), Person(YES)) as (client, _):
        arguments = {"client_id": APP, "public_key": "A" * 1_001}
        refused = refusal(await client.call_tool(TO_PAGE, arguments))
    assert "public_key" in refused["message"]
    assert "AAAA" not in refused["message"]


@pytest.mark.parametrize(("length", "fits"), [(318, True), (319, False)])
async def test_a_secret_is_shown_up_to_the_length_that_a_key_encrypts(
    key: PageKey, length: int, fits: bool
) -> None:
    person, secret = Person(YES), "s" * length
    async with asking(Wire(), person) as (client, project):
        await project.secrets.store.put(APP, "current", SecretStr(secret))
        result = await client.call_tool(TO_PAGE, {"client_id": APP, "public_key": key.public})
    if fits:
        assert key.decrypted(answer(result)["ciphertext"]) == secret
    else:
        assert "more than 318 bytes" in refusal(result)["message"]
        assert person.questions == []


HIDING: dict[str, Any] = {
    "--reveal never": {"offer": offering(reveals=False)},
    "--read-only": {"offer": offering(read_only=True)},
    "the toolset is off": {"offer": offering(toolsets=["apps"])},
    "--tools": {"offer": offering(tools=[tool.name for tool in LISTED])},
}


@pytest.mark.parametrize("options", HIDING.values(), ids=HIDING)
async def test_what_ends_showing_secrets_ends_it_in_the_page(
    options: dict[str, Any], tmp_path: Path
) -> None:
    async with asking(Wire(), Person(YES), folder=tmp_path, **options) as (client, project):
        await rotating(project)
        assert TO_PAGE not in await listed(client)
        assert TO_PAGE not in {tool["name"] for tool in about_in(await page_of(client))["tools"]}
        with pytest.raises(MCPError, match="There is no such tool"):
            await client.call_tool(TO_PAGE, {"client_id": APP, "public_key": PUBLIC_KEY})
    assert lines_of(tmp_path / "audit")[-1]["event"] == "refusal"


async def test_a_protected_app_shows_its_secret_as_it_does_without_the_page(key: PageKey) -> None:
    policy = Policy.model_validate({"protected_apps": {"client_ids": [APP]}})
    async with asking(Wire(), Person(YES, YES), policy=policy) as (client, project):
        await rotating(project)
        arguments = {"client_id": APP, "which": "next"}
        assert answer(await client.call_tool("reveal_client_secret", arguments))
        arguments |= {"public_key": key.public}
        assert answer(await client.call_tool(TO_PAGE, arguments))


def test_one_tool_is_for_the_page_alone() -> None:
    assert [tool.name for tool in CATALOGUE if tool.listed_to == "page"] == [TO_PAGE]
