"""Client secrets: stored before an answer leaves, and never lost in silence."""
