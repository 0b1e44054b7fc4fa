"""What can go wrong where something is stored."""


class StoreError(Exception):
    """A store could not be read or written.

    The text names the store and the way out. It holds no secret, and nothing that a library or a
    server said.
    """
