"""Starts the server of the bundle.

A switch of the form that is off says nothing, so that it does not win over a profile.
"""

import os

from connected_apps_mcp.__main__ import main

for name, value in list(os.environ.items()):
    if name.startswith("CONNECTED_APPS_MCP_") and value == "false":
        del os.environ[name]

main()
