"""Entry point of `connected-apps-mcp` and `python -m connected_apps_mcp`."""

try:
    import signal
except KeyboardInterrupt:  # a traceback would say nothing
    raise SystemExit(1) from None


def main() -> None:
    """Run the command line. An interrupt during its imports ends the process quietly."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from connected_apps_mcp.commands.cli import main as run

    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
