"""The requests and results that several tools share."""
