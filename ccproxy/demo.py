"""This module is the demonstration: the daemon on its embedded simulator, asked once in each dialect."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

_KEY = "user_demo_key"
_TWISTD = "from twisted.scripts.twistd import run; run()"
_START_SECONDS = 20.0
_ANSWER_SECONDS = 20.0

_CHAT = {
    "model": "deepseek/deepseek-v4-flash",
    "messages": [{"role": "user", "content": "hello"}],
    "stream": True,
}
_MESSAGES = {
    "model": "claude-sonnet-4-6",
    "max_tokens": 1000,
    "system": "You are a helpful assistant.",
    "messages": [{"role": "user", "content": "What is the weather in Oslo?"}],
    "tools": [
        {
            "name": "get_weather",
            "description": "The weather in a city.",
            "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        }
    ],
    "stream": True,
}
_CLOSING = """
That was the embedded simulator. For the real service, start the daemon and bring your own Command Code key:

    twistd -n ccproxy --port 3000

    OpenAI clients:     base URL http://127.0.0.1:3000/v1    key user_...
    Anthropic clients:  base URL http://127.0.0.1:3000       key user_...
"""


def demonstrate() -> int:
    """Run the demonstration; gives the exit status."""
    with _daemon() as port:
        print("== OpenAI Chat Completions, a streamed text\n")
        chat = _ask(port, "/v1/chat/completions", _CHAT)
        print("== Anthropic Messages, a streamed tool call\n")
        messages = _ask(port, "/v1/messages", _MESSAGES)
    print(_CLOSING)
    return 0 if chat.endswith("data: [DONE]") and '"tool_use"' in messages and "event: message_stop" in messages else 1


@contextmanager
def _daemon() -> Iterator[int]:
    """A daemon on a free loopback port, which ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    arguments = [
        "-n",
        "--pidfile=",
        "ccproxy",
        "--simulator",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--log-level",
        "warn",
    ]
    with (
        tempfile.TemporaryDirectory() as elsewhere
    ):  # where no config.json and no environment of the user's plays a part
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
        process = subprocess.Popen([sys.executable, "-c", _TWISTD, *arguments], cwd=elsewhere, env=environment)  # noqa: S603
        try:
            _await(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(_START_SECONDS)


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("ccproxy: the demonstration's daemon did not start")


def _ask(port: int, path: str, body: object) -> str:
    """Send a request, print it and what streams back, and give the latter."""
    text = json.dumps(body)
    print(f"POST {path}\n{text}\n")
    connection = HTTPConnection("127.0.0.1", port, timeout=_ANSWER_SECONDS)
    connection.request("POST", path, text, {"Authorization": f"Bearer {_KEY}", "Content-Type": "application/json"})
    lines = []
    for line in connection.getresponse():
        lines.append(line.decode().rstrip())
        print(lines[-1], flush=True)
    connection.close()
    return "\n".join(lines).rstrip()
