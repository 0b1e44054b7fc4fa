"""Asks a person, through the client, to open a page in the browser.

The answer allows nothing: it only says that the person agreed to open the page. What the page can
do, it asks there. So the answer needs no seal, and the same one may come twice.
"""

import secrets
from functools import partial

from mcp import types
from mcp.shared.exceptions import NoBackChannelError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from connected_apps_mcp.egress import AnyContext
from connected_apps_tools import observing
from connected_apps_tools.safety.question import Link

from .answers import answered, nothing_done, require_opened

FIELD = "open"


def opens_links(context: AnyContext) -> bool:
    """Whether the client opens links, in a browser of this machine: not so over HTTP."""
    capabilities = context.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    return context.request is None and elicitation is not None and elicitation.url is not None


async def led(
    context: AnyContext, params: types.CallToolRequestParams, link: Link, text: str
) -> types.InputRequiredResult | None:
    """What the client has to ask before a person opens a link; None if a person agreed.

    Raises:
        NotConfirmed: the person did not.
    """
    answer: object = (params.input_responses or {}).get(FIELD)
    if answer is None:
        observing.event("question", outcome="asked")
        if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
            asked = types.ElicitRequestURLParams(message=text, url=link.url)
            return types.InputRequiredResult(
                input_requests={FIELD: types.ElicitRequest(params=asked)}
            )
        answer = await _answered(context, link, text)
    require_opened(answer)
    return None


async def _answered(context: AnyContext, link: Link, text: str) -> types.ElicitResult:
    """The answer of the handshake era, by a request of our own."""
    elicit = partial(context.session.elicit_url, text, link.url, secrets.token_hex(16))
    try:
        return await answered(context, elicit)
    except NoBackChannelError:
        raise nothing_done("this client cannot be asked") from None
