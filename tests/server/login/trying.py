"""Tries tokens at a server."""

import httpx2
from support import MODERN


async def status_of(http: httpx2.AsyncClient, url: str, token: str) -> int:
    """How the server answers a request with a token: 200, or 401 if it does not count."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": MODERN}}
    headers = {
        "authorization": f"Bearer {token}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/list",
    }
    return (await http.post(url, json=body, headers=headers)).status_code
