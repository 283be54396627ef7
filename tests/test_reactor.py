"""Tests of the reactor that does less for each event."""

from __future__ import annotations

import signal
import socket
from http.client import HTTPResponse
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.daemons import DaemonProcess
from tests.dialects.strict import read_chat, read_messages
from tests.sockets.house import request
from tests.web.house import CHAT, MESSAGES

try:
    import ccproxy.reactor  # noqa: F401 - there is no epoll elsewhere
except ImportError:  # pragma: no cover
    EPOLL = False
else:
    EPOLL = True


class SlimReactorTests(SynchronousTestCase):
    """A daemon on it."""

    def test_serves(self) -> None:
        """It serves streams, sees clients leave, and ends as any other."""
        if not EPOLL:
            raise SkipTest("no epoll here")
        daemon = DaemonProcess(Path(self.mktemp()), "--simulator", reactor="ccproxy")
        self.addCleanup(daemon.end)

        chat, messages = (
            self.answered(daemon, request(speech, "sim/long", stream=True)) for speech in (CHAT, MESSAGES)
        )
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", daemon.port)) as client:
                client.sendall(request(CHAT, "sim/stall", stream=True))
                client.recv(1000)
        daemon.signal(signal.SIGTERM)

        self.assertIn("line 1000 of 1000", read_chat(chat).text)
        self.assertEqual(read_messages(messages).stop_reason, "end_turn")
        self.assertEqual(daemon.wait(), 0)
        self.assertEqual(daemon.log.count("499 cancelled"), 20)
        self.assertNotIn("Traceback", daemon.log)

    def answered(self, daemon: DaemonProcess, data: bytes) -> bytes:
        """The body of the response to a request."""
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=20) as client:
            client.sendall(data)
            response = HTTPResponse(client)
            response.begin()
            return response.read()
