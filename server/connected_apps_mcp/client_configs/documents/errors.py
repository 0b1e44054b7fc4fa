"""The error of a text that cannot be edited."""


class Unreadable(Exception):
    """A text cannot be parsed, or not edited without a loss.

    The message says where and why, and how to go on, for a sentence that begins with the name of
    the file. It quotes nothing of the text, which may hold credentials of other servers.
    """

    def __init__(self, cause: str, way_out: str = "Correct it by hand") -> None:
        super().__init__(f"{cause}. {way_out}.")
