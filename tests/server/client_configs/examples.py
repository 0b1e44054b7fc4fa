"""Configuration files as people have them, in each format."""

import json
from collections.abc import Mapping

from sizes import sized

from connected_apps_mcp.client_configs.clients import CLIENTS, Client

OTHER_SECRET = "other-credential-canary-Vb83Kd11"
"""A credential of another server in the same file."""

TYPICAL = {"command": "npx", "args": ["-y", "other"], "env": {"TOKEN": OTHER_SECRET}}


def _json(path: str) -> Mapping[str, str]:
    commented = f"""// Mine.
{{
\t"theme": "dark", // at night
\t"{path}": {{
\t\t/* another */
\t\t"other": {json.dumps(TYPICAL)},
\t}},
\t"last": 1.50
}}
"""
    return {
        "absent": "",
        "empty": "{}\n",
        "typical": json.dumps({"a": 1, path: {"other": TYPICAL}, "z": [1, 2]}, indent=2) + "\n",
        "commented": commented,
        "one line": json.dumps({path: {"other": TYPICAL}}),
        "windows": json.dumps({path: {}}, indent=4).replace("\n", "\r\n"),
    }


TOML: Mapping[str, str] = {
    "absent": "",
    "empty": "\n",
    "typical": f"""model = "o3"

[mcp_servers.other]
command = "npx"
env = {{ TOKEN = "{OTHER_SECRET}" }}
""",
    "commented": f"""# Mine.
model = "o3"   # fast

[mcp_servers.other] # another
command = "npx"

[tui]
theme = "dark"
# {OTHER_SECRET}
""",
}

YAML: Mapping[str, str] = {
    "absent": "",
    "empty": "\n",
    "typical": f"""GOOSE_MODEL: o3
extensions:
  other:
    cmd: npx
    envs:
      TOKEN: {OTHER_SECRET}
""",
    "commented": f"""# Mine.
extensions: # all
    developer: {{enabled: true}}   # {OTHER_SECRET}
GOOSE_MODEL: 'o3'
""",
}


def texts_for(client: Client) -> Mapping[str, str]:
    """Texts of the configuration of this client, by kind. An absent file has no text."""
    match client.format:
        case "toml":
            return TOML
        case "yaml":
            return YAML
    return _json(client.path[0])


KINDS = ("absent", "empty", "typical", "commented", "one line", "windows")


def _different_first() -> list[Client]:
    """All clients. Those with another format, place or shape of an entry come first."""
    kinds = {
        (client.format, client.path, client.shape.__qualname__): client
        for client in reversed(CLIENTS)
    }
    return sorted(CLIENTS, key=lambda client: client not in kinds.values())


TRIED = _different_first()[: sized("clients to install in")]
"""The clients to install in: at least one of each kind."""
