"""Private files, locks and worker threads for whatever is stored beyond a call."""
