"""This module is the one daemon that the SDK tests share, and what the vendors' clients have in common."""

from __future__ import annotations

import atexit
import importlib
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.daemons import DaemonProcess

KEY = "user_test_key"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="  # 70 bytes
GREETING = "Hello from the simulator! You said: hello"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "examples": ["Oslo"]}}, "required": ["city"]}


def city_model() -> Any:
    """What a structured answer is parsed into; pydantic comes with either SDK."""
    pydantic = importlib.import_module("pydantic")
    return pydantic.create_model("City", city=(str, ...), people=(int, ...))


@cache
def daemon() -> DaemonProcess:
    """A daemon on its own simulator that lives as long as the tests; trial has no fixtures for more than one test."""
    directory = Path(tempfile.mkdtemp())
    process = DaemonProcess(directory, "--simulator")
    atexit.register(shutil.rmtree, directory)
    atexit.register(process.end)
    return process


class Counted:
    """An HTTP client for an SDK, and how many requests went through it."""

    def __init__(self, client_type: type[Any]) -> None:
        self.requests = 0
        self.client = client_type(event_hooks={"request": [self._count]})

    def _count(self, request: object) -> None:
        self.requests += 1


def has_sdk(name: str) -> bool:
    """Whether a vendor's client is installed."""
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True
