"""Writes the apps of a project into files."""
