"""Profiles: projects by name, with their credentials and the flags that go with them."""

from .book import DamagedProfile, Profiles
from .profile import Profile

__all__ = ["DamagedProfile", "Profile", "Profiles"]
