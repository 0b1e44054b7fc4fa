"""Client secrets: stored before a result is sent, and every possible loss is reported."""
