"""Finds what is wrong on this machine, and says what to do about it."""
