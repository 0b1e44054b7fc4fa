"""A peer: the MCP server that FastMCP generates from an OpenAPI description.

It takes the path of the description, the transport and the port, and from the environment
SERVICE_URL, STYTCH_PROJECT_ID and STYTCH_SECRET. Nothing of it is configured beyond that: it is
what a few lines give anyone.
"""

import json
import os
import sys
from pathlib import Path

import httpx2
from fastmcp import FastMCP


def main(description: Path, transport: str, port: int) -> None:
    """Serve the description's operations as tools."""
    service = httpx2.AsyncClient(
        base_url=os.environ["SERVICE_URL"],
        auth=(os.environ["STYTCH_PROJECT_ID"], os.environ["STYTCH_SECRET"]),
    )
    server = FastMCP.from_openapi(json.loads(description.read_text("utf-8")), client=service)
    if transport == "stdio":
        server.run(transport="stdio", show_banner=False, log_level="WARNING")
    else:
        server.run(transport="http", port=port, show_banner=False, log_level="WARNING")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
