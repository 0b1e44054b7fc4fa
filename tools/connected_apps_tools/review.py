"""The tool that looks after apps."""

from typing import Any

from .tool import Tool

TOOLS: tuple[Tool[Any, Any], ...] = ()
