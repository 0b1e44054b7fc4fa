"""The files: the manifest and its bindings, as they are read."""
