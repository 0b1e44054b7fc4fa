"""Apps as a file: the manifest, its bindings, and how both compare with a project."""
