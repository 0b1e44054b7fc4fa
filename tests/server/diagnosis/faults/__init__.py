"""Faults that a test plants on a desk where all is well."""

from . import clients, network  # noqa: F401 - they add theirs to FAULTS
from .planting import CANARY, FAULTS, Planting
from .setup import keep_in_profile
from .storage import record_some

__all__ = ["CANARY", "FAULTS", "Planting", "keep_in_profile", "record_some"]
