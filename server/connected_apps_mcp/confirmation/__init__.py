"""How a person confirms what cannot be undone."""
