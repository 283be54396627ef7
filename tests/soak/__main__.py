"""This module is the command ``python -m tests.soak``: a soak, and the table of what was promised and what was seen."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
import sys
import tempfile
from pathlib import Path

from tests.soak.ledger import Ledger, table
from tests.soak.soak import Soak

_INTERRUPTED = 130


def main() -> int:
    """Run, print the table, and give the exit status: 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="Load, aborts, faults and restarts.")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the load lasts [default: 10]")
    parser.add_argument("--seed", type=int, default=None, help="what chance depends on [default: another each time]")
    parser.add_argument(
        "--keep", type=Path, default=None, help="a directory for the logs, which are thrown away otherwise"
    )
    arguments = parser.parse_args()
    seed = secrets.randbelow(1_000_000) if arguments.seed is None else arguments.seed
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        directory = arguments.keep or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        sys.stdout.write(f"soaking for {arguments.minutes:g} minutes with the seed {seed}\n")
        sys.stdout.flush()
        try:
            ledger = asyncio.run(_run(Soak(arguments.minutes, seed, directory, secrets.token_hex(8))))
        except asyncio.CancelledError:
            return _INTERRUPTED
    sys.stdout.write("\n".join((*_counted(ledger), "", ledger.table(), "")))
    return 0 if ledger.is_clean else 1


async def _run(soak: Soak) -> Ledger:
    """Run, and end in good order when told to."""
    task = asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await soak.run()


def _counted(ledger: Ledger) -> list[str]:
    return table(("counted", ""), [(name, str(count)) for name, count in sorted(ledger.counts.items())])


if __name__ == "__main__":
    sys.exit(main())
