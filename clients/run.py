"""This module is a run of real clients against a daemon on its simulator: ``make clients``.

The clients are installed once, into a cache of their own; remove it to have newer ones. Then everything happens on loopback: where the
system allows it, inside a network namespace that has nothing else. Each client gets an empty HOME and a minute for each turn.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from catalogue import CLIENTS, GREETING, SAMPLE, Client, Place, Turn
from installed import install, version
from loopback import enter, raise_loopback, separated

ROOT = Path(__file__).parent.parent
KEY = "user_test_key"
LOG = "daemon.log"

_TURN_SECONDS = 60
_START_SECONDS = 20
_SHOWN_LINES = 15


@dataclass(frozen=True)
class Result:
    """How a turn went; ``output`` is all that the client printed, empty where nothing was run."""

    word: str
    output: str = ""


@dataclass(frozen=True)
class Row:
    """What the table says of one client."""

    client: Client
    version: str
    text: Result
    tool: Result
    others: Mapping[str, Result] = field(default_factory=dict)

    @property
    def turns(self) -> Mapping[str, Result]:
        """Every turn by its name."""
        return {"text": self.text, "tool": self.tool, **self.others}

    @property
    def failed(self) -> bool:
        """Whether a turn did not do what it had to."""
        return not {result.word for result in self.turns.values()} <= {"ok", "-"}


@contextmanager
def daemon(directory: Path) -> Iterator[str]:
    """A daemon on its simulator, on a free port; gives its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    twistd = str(ROOT / ".venv/bin/twistd")
    arguments = ("-n", "--pidfile=", "ccproxy", "--simulator", "--host", "127.0.0.1", "--port", str(port))
    with (directory / LOG).open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own daemon
            [twistd, *arguments], cwd=directory, env=environment(directory), stdout=log, stderr=log
        )
    try:
        _await(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("the daemon did not start") from None
            time.sleep(0.1)
        else:
            return


def environment(home: Path) -> dict[str, str]:
    """What every process here finds in its environment."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb"}


def take(turn: Turn | None, proof: str, cache: Path, url: str) -> Result:
    """Run one turn of a client in directories of its own, and look for the proof in what it prints."""
    if turn is None:
        return Result("-")
    with tempfile.TemporaryDirectory() as created:
        home, work = Path(created, "home"), Path(created, "work")
        work.mkdir()
        (work / "sample").write_text(f"{SAMPLE}\n")
        command = turn(Place(cache, home, url, KEY))
        for name, content in command.files.items():
            file = home / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
        home.mkdir(exist_ok=True)
        finished, output = _run(command.arguments, work, {**environment(home), **command.environment})
        done = proof in output and all(
            (work / name).read_text() == f"{text}\n" for name, text in command.leaves.items()
        )
    return Result(("ok" if done else "failed") if finished else "timed out", output)


def _run(arguments: Sequence[str], work: Path, environ: Mapping[str, str]) -> tuple[bool, str]:
    """Run a program to its end, or to the end of its time; gives which of the two it was, and what it printed."""
    process = subprocess.Popen(  # noqa: S603 - the commands of the catalogue
        arguments,
        cwd=work,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        return True, process.communicate(timeout=_TURN_SECONDS)[0]
    except subprocess.TimeoutExpired:
        # The group is the client's own, and holds whatever the client has started.
        os.killpg(process.pid, signal.SIGKILL)
        return False, process.communicate()[0]


def examine(client: Client, cache: Path, url: str) -> Row:
    """Run the turns of a client."""
    found = version(cache, client)
    if not found:
        return Row(client, "-", Result("not installed"), Result("-"))
    text = take(client.text, GREETING, cache, url)
    tool = take(client.tool, client.proof, cache, url)
    return Row(
        client, found, text, tool, {other.name: take(other.turn, other.proof, cache, url) for other in client.others}
    )


def table(rows: Sequence[Row]) -> str:
    """The rows in columns."""
    cells = [("client", "version", "text turn", "tool turn", "other turns", "remark")]
    cells += [
        (row.client.name, row.version, row.text.word, row.tool.word, _others(row), row.client.remark) for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)
    return "\n".join(line.rstrip() for line in lines)


def _others(row: Row) -> str:
    return ", ".join(f"{name} {result.word}" for name, result in row.others.items())


def complaints(rows: Sequence[Row]) -> str:
    """The end of what the clients printed where a turn failed."""
    said = []
    for row in rows:
        for kind, result in row.turns.items():
            if result.word not in {"ok", "-"}:
                said.append(f"\n{row.client.name}, {kind} turn, {result.word}:\n{_end_of(result.output)}")
    return "\n".join(said)


def main() -> int:
    """Install, run, and say how it went; 1 if a client failed."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = base / "ccproxy-clients"
    if separated():
        raise_loopback()
    else:
        install(cache, CLIENTS)
        enter()
    with tempfile.TemporaryDirectory() as created:
        directory = Path(created)
        with daemon(directory) as url:
            rows = [examine(client, cache, url) for client in CLIENTS]
        log = (directory / LOG).read_text()
    failed = any(row.failed for row in rows)
    where = (
        "on loopback alone" if separated() else "with the network in reach, as this system has no way to leave it out"
    )
    sys.stdout.write(f"{table(rows)}\n{complaints(rows)}\nran {where}\n")
    if failed:
        sys.stdout.write(f"\nthe end of the daemon's log:\n{_end_of(log)}\n")
    return int(failed)


def _end_of(text: str) -> str:
    return "\n".join(text.splitlines()[-_SHOWN_LINES:])


if __name__ == "__main__":
    sys.exit(main())
