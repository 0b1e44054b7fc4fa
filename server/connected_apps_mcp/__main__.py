"""Runs the command line as `python -m connected_apps_mcp`."""

from .cli import main

main()
