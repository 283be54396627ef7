"""This module is the ``ccproxy`` command, for what is not a daemon; the daemon itself is ``twistd ccproxy``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ccproxy import __version__
from ccproxy.demo import demonstrate


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="ccproxy",
        description="Serve OpenAI and Anthropic clients from Command Code. The daemon itself starts with: twistd -n ccproxy",
    )
    parser.add_argument("--version", action="version", version=f"ccproxy {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    commands.add_parser("demo", help="start the daemon on its embedded simulator and ask it once in each dialect")
    parser.parse_args(arguments)
    return demonstrate()


if __name__ == "__main__":
    raise SystemExit(main())
