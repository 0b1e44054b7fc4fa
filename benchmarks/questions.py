"""The questions, and the calls that answer them on either side."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from connected_apps_tools.api.models import ConnectedApp
from conversation import Conversation, WrongAnswer
from population import TARGET_NAME

Steps = Callable[[Conversation, ConnectedApp], Awaitable[None]]
"""The calls that answer a question about an app."""


async def get(server: Conversation, target: ConnectedApp) -> None:
    """Read the app."""
    _expect(target.client_name, await server.call("get_app", client_id=target.client_id))


async def find(server: Conversation, target: ConnectedApp) -> None:
    """Let the server look for the name."""
    _expect(target.client_id, await server.call("search_apps", query=TARGET_NAME))


async def find_in_pages(server: Conversation, target: ConnectedApp) -> None:
    """Read page after page until the name turns up, which it does half-way."""
    async for page in _pages(server):
        if target.client_id in json.dumps(page):
            return
    raise WrongAnswer(f"{TARGET_NAME} is on no page.")


async def list_20(server: Conversation, _: ConnectedApp) -> None:
    """Read one short page."""
    _expect_apps(20, await server.call("search_apps", limit=20))


async def list_20_in_full(server: Conversation, _: ConnectedApp) -> None:
    """Read one short page with every setting, as other servers always give it."""
    _expect_apps(20, await server.call("search_apps", limit=20, detail="full"))


async def change(server: Conversation, target: ConnectedApp) -> None:
    """Say which URL goes and which comes."""
    old, new = target.redirect_urls[0], _changed(target)[0]
    answer = await server.call(
        "update_app",
        client_id=target.client_id,
        add_redirect_urls=[new],
        remove_redirect_urls=[old],
    )
    _expect(new, answer)


async def read_and_change(server: Conversation, target: ConnectedApp) -> None:
    """Read the app, since an update replaces the whole list, and send the new list."""
    await server.call("get_app", client_id=target.client_id)
    new = _changed(target)
    answer = await server.call("update_app", client_id=target.client_id, redirect_urls=new)
    _expect(new[0], answer)


async def review(server: Conversation, _: ConnectedApp) -> None:
    """Let the server review them."""
    _expect("connected-app-test-", await server.call("review_apps"))


async def read_all(server: Conversation, _: ConnectedApp) -> None:
    """Read every page; the review itself is then the model's work."""
    async for _page in _pages(server):
        pass


def _changed(target: ConnectedApp) -> list[str]:
    first, *others = target.redirect_urls
    return [first.replace("/callback", "/oauth/callback"), *others]


async def _pages(server: Conversation) -> AsyncIterator[dict[str, Any]]:
    """The pages of a search as the service has it, of the 100 apps that it gives by default."""
    cursor: dict[str, str] = {}
    while True:
        page = await server.call("search_apps", **cursor)
        yield page
        following = page["results_metadata"].get("next_cursor")
        if not following:
            return
        cursor = {"cursor": following}


def _expect(text: str, answer: dict[str, Any]) -> None:
    if text not in json.dumps(answer):
        raise WrongAnswer(f"{text} is not in the answer.")


def _expect_apps(count: int, answer: dict[str, Any]) -> None:
    lengths = [len(value) for value in answer.values() if isinstance(value, list)]
    if count not in lengths:
        raise WrongAnswer(f"There are not {count} apps in the answer.")


@dataclass(frozen=True)
class Question:
    """A question, the number of apps it is asked among, and the steps on either side."""

    asked: str
    apps: int
    here: Steps
    generated: Steps


QUESTIONS = (
    Question("get one app", 200, get, get),
    Question("list 20 apps", 200, list_20, list_20),
    Question("list 20 apps, every setting", 200, list_20_in_full, list_20),
    Question("change one redirect URL", 200, change, read_and_change),
    Question("review 200 apps", 200, review, read_all),
    Question("find an app by name among 1,000", 1000, find, find_in_pages),
)
"""In the order of the number of apps."""
