"""This module is the clients on the disk: their installation, and the versions that are there."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from catalogue import TURNS, Client


def install(cache: Path, clients: Iterable[Client]) -> None:
    """Install what is missing; a client that cannot be installed stays missing, and pip or npm says why."""
    wanted: dict[str, list[str]] = {}
    for client in clients:
        if not version(cache, client):
            wanted.setdefault(client.source, []).extend(client.packages)
    for source, named in wanted.items():
        packages = tuple(dict.fromkeys(named))
        sys.stdout.write(f"installing {' '.join(packages)}\n")
        sys.stdout.flush()
        _by_npm(cache, packages) if source == "npm" else _by_pip(cache / source, packages)
    for script in TURNS.glob("*.mjs"):
        shutil.copy(script, cache / "npm")


def version(cache: Path, client: Client) -> str:
    """The installed version of a client; empty where it is not installed."""
    if client.source == "npm":
        manifest = cache / "npm/node_modules" / client.packages[0] / "package.json"
        return str(json.loads(manifest.read_text())["version"]) if manifest.is_file() else ""
    name = client.packages[0].replace("-", "_")
    found = [path.name for path in (cache / client.source).glob(f"lib/python*/site-packages/{name}-*.dist-info")]
    return found[0].removeprefix(f"{name}-").removesuffix(".dist-info") if found else ""


def _by_npm(cache: Path, packages: Sequence[str]) -> None:
    prefix = cache / "npm"
    prefix.mkdir(parents=True, exist_ok=True)
    _run("npm", "install", "--prefix", str(prefix), "--no-audit", "--no-fund", "--silent", *packages)


def _by_pip(directory: Path, packages: Sequence[str]) -> None:
    _run(sys.executable, "-m", "venv", str(directory))
    python = str(directory / "bin/python")
    _run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)


def _run(*arguments: str) -> None:
    try:
        subprocess.run(arguments, check=False)  # noqa: S603 - pip and npm, with packages of the catalogue
    except FileNotFoundError:
        sys.stdout.write(f"{arguments[0]} is not installed\n")
