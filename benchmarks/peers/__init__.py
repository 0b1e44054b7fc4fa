"""The servers that are measured, this one first."""
