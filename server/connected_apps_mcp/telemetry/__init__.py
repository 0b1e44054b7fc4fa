"""Traces, metrics and logs for operators, by OpenTelemetry. Nothing is imported unless it is on."""
