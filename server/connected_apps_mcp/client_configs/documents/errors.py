"""The error of a text that cannot be edited."""


class Unreadable(Exception):
    """A text cannot be parsed, or not edited without a loss.

    The message says the line and the cause, and how to go on. It quotes nothing of the text, which
    may hold credentials of other servers.
    """
