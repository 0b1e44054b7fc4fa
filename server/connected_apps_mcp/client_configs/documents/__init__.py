"""Edits texts in JSON with comments, TOML and YAML, and leaves the rest of them byte for byte.

A library parses the text and decides what is valid. An edit is an insertion or a removal at a
place in the text. The library then parses the result: it must hold exactly the expected data.

`with_entry` lays out its insertion so that the text alone shows what was there before: an entry in
an empty parent that was there looks different from one in a parent that it made. So
`without_entry` gives the original back, and nothing needs to be remembered.
"""

from .editing import Format, entry_of, with_entry, without_entry
from .errors import Unreadable

__all__ = ["Format", "Unreadable", "entry_of", "with_entry", "without_entry"]
