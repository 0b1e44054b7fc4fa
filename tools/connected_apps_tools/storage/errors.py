"""The error of everything that stores data."""


class StoreError(Exception):
    """A store could not be read or written.

    The text names the store and says what to do. It has no secret, and no text from a library or a
    server.
    """
