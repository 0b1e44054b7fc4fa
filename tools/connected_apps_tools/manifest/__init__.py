"""Apps as a file: the manifest, its bindings, and how both compare with a project."""

MAX_BYTES = 8_000_000
"""Size of the largest file that is read. 5,000 apps with a few settings each take 1.2 MB."""
