"""Tests of how a daemon ends: by signals, and before it has begun."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPResponse
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.daemons import KEY, DaemonProcess, environment, is_listening
from tests.dialects.strict import read_chat, read_messages
from tests.web.house import CHAT, MESSAGES, Speech


class SignalTests(SynchronousTestCase):
    """A daemon that is told to stop while it streams."""

    def setUp(self) -> None:
        """Start a daemon on its own simulator."""
        self.daemon = DaemonProcess(Path(self.mktemp()), "--simulator")
        self.addCleanup(self.daemon.end)

    def stream(self, speech: Speech, model: str) -> tuple[HTTPResponse, bytes]:
        """A response that has begun, and its first line."""
        connection = self.daemon.connect()
        self.addCleanup(connection.close)
        body = json.dumps(speech.body(model, stream=True))
        connection.request("POST", speech.path, body, {"authorization": f"Bearer {KEY}"})
        response = connection.getresponse()
        self.addCleanup(response.close)
        return response, response.readline()

    def stop(self) -> None:
        """Send SIGTERM, and wait until no new client can come."""
        self.daemon.signal(signal.SIGTERM)
        deadline = time.monotonic() + 10
        while is_listening(self.daemon.port):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_drains(self) -> None:
        """After SIGTERM no new client can come, the running stream ends well, and the exit status is 0."""
        response, first = self.stream(CHAT, "sim/slow")

        self.stop()
        body = first + response.read()

        self.assertEqual(read_chat(body).text, "Hello from the simulator! You said: hello")
        self.assertEqual(self.daemon.wait(), 0)
        self.assertNotIn("Traceback", self.daemon.log)

    def test_second_signal(self) -> None:
        """A second SIGTERM ends it at once: the stream gets an error frame, and the exit status is 0."""
        response, first = self.stream(MESSAGES, "sim/stall")
        self.stop()
        began = time.monotonic()

        self.daemon.signal(signal.SIGTERM)
        body = first + response.read()

        error = read_messages(body).error
        self.assertEqual((error and error["type"], self.daemon.wait()), ("overloaded_error", 0))
        self.assertLess(time.monotonic() - began, 5)
        self.assertNotIn("Traceback", self.daemon.log)

    def test_interrupt(self) -> None:
        """Ctrl-C stops an idle daemon at once, also one with idle clients."""
        connection = self.daemon.connect()
        self.addCleanup(connection.close)
        connection.request("GET", "/health")
        connection.getresponse().read()

        self.daemon.signal(signal.SIGINT)

        self.assertEqual(self.daemon.wait(), 0)
        self.assertNotIn("Traceback", self.daemon.log)

    def test_hangup(self) -> None:
        """SIGHUP is for log rotation and ends nothing."""
        self.daemon.signal(signal.SIGHUP)

        connection = self.daemon.connect()
        self.addCleanup(connection.close)
        connection.request("GET", "/health")
        self.assertEqual(connection.getresponse().read(), b"OK")


class BusyPortTests(SynchronousTestCase):
    """A port that is taken."""

    def test_busy_port(self) -> None:
        """A busy port is one line of error and an exit status that is not 0."""
        directory = Path(self.mktemp())
        directory.mkdir()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            process = subprocess.run(
                [
                    *(sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "-n", "ccproxy"),
                    *("--host", "127.0.0.1", "--port", str(port), "--log-level", "warn"),
                ],
                cwd=directory,
                env=environment(),
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )

        self.assertEqual(process.returncode, 1)
        self.assertRegex(
            process.stdout + process.stderr, rf"\A.*ccproxy: Couldn't listen on 127\.0\.0\.1:{port}: .*in use\.\n\Z"
        )
        self.assertFalse((directory / "twistd.pid").exists())
