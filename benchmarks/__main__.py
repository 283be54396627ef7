"""This module is the command ``python -m benchmarks``: proxies side by side on this machine, on loopback, in bounded time."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import resource
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import twisted
from benchmarks import report
from benchmarks.cases import CASES, measure
from benchmarks.target import CORES, OURS, Target, free_port
from benchmarks.upstream import Upstream
from ccproxy import __version__


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure proxies side by side.")
    parser.add_argument("--rounds", type=int, default=3, help="how often each case is measured [default: 3]")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each time [default: 3]")
    parser.add_argument(
        "--case", action="append", default=[], help="part of a case's title; may be repeated [default: all]"
    )
    parser.add_argument(
        "--target",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="another proxy, with {port} and {upstream}",
    )
    parser.add_argument("--svg", type=Path, help="where to draw the result")
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # clients and upstream are in this process
    others = [Target(*spec.split("=", 1)) for spec in arguments.target]
    ours = [Target("ccproxy", OURS % ""), Target("ccproxy, own reactor", OURS % "--reactor=ccproxy ")]
    names = [target.name for target in (*others, *ours)]
    titles = [case.title for case in CASES if not arguments.case or any(part in case.title for part in arguments.case)]
    results = asyncio.run(_run((*others, *ours), titles, arguments.rounds, arguments.seconds))
    made = report.rows(results)
    sys.stdout.write(
        f"\n{_machine()}; {arguments.rounds} rounds of {arguments.seconds:g} s, medians\n\n{report.table(made, names)}"
    )
    if arguments.svg:
        arguments.svg.write_text(report.picture(made, names))


async def _run(
    targets: Sequence[Target], titles: Sequence[str], rounds: int, seconds: float
) -> Mapping[str, Mapping[str, list[Mapping[str, float]]]]:
    """All results; the order of the targets turns from round to round, so that none is always first."""
    port = free_port()
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=1024)
    results: dict[str, dict[str, list[Mapping[str, float]]]] = {}
    async with server:
        for case in (case for case in CASES if case.title in titles):
            found = results.setdefault(case.title, {target.name: [] for target in targets})
            for number in range(1 if case.once else rounds):
                for target in targets if number % 2 == 0 else targets[::-1]:
                    await target.start(f"http://127.0.0.1:{port}")
                    os.sched_setaffinity(0, set(CORES[1:]) or set(CORES))
                    try:
                        found[target.name].append(await measure(case, target, seconds))
                    finally:
                        await target.stop()
                    shown = ", ".join(f"{name} {found[target.name][-1][name]:.3g}" for name in case.figures)
                    sys.stderr.write(f"{case.title}, round {number + 1}, {target.name}: {shown}\n")
    return results


def _machine() -> str:
    versions = f"ccproxy {__version__}, Twisted {twisted.__version__}, {platform.python_implementation()} {platform.python_version()}"
    return f"{date.today().isoformat()}; {os.cpu_count()} cores, {platform.machine()}; {versions}"


if __name__ == "__main__":
    main()
