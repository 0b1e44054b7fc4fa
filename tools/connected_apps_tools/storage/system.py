"""What this operating system offers for private files."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    from .by_path import PathFolder as Folder
    from .windows import (
        full_path,
        is_open_to_others,
        lock,
        require_trusted,
        sync,
        user_name,
        way_to_close,
    )
else:
    from .posix import DescriptorFolder as Folder
    from .posix import (
        full_path,
        is_open_to_others,
        lock,
        require_trusted,
        sync,
        user_name,
        way_to_close,
    )

__all__ = [
    "Folder",
    "full_path",
    "is_open_to_others",
    "lock",
    "require_trusted",
    "sync",
    "user_name",
    "way_to_close",
]
