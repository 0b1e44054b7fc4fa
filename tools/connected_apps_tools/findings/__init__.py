"""Reviews apps and reports findings."""
