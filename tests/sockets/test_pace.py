"""Tests of clients that read slowly or not at all, against a daemon whose memory can be watched."""

from __future__ import annotations

import socket
import time
from http.client import HTTPResponse
from pathlib import Path
from typing import ClassVar

from twisted.trial.unittest import SynchronousTestCase

from tests.daemons import DaemonProcess
from tests.dialects.strict import frames
from tests.sockets.house import request
from tests.web.house import CHAT, MESSAGES, SPEECHES, Speech

_MOST_GROWTH = 16 * 1024 * 1024
_WATCHED_SECONDS = 1.5


class PaceTests(SynchronousTestCase):
    """Floods of text."""

    piece: ClassVar[int] = 16380  # characters of one delta of the flood

    def setUp(self) -> None:
        """Start a daemon on its own simulator, so that the floods of both sides are in its memory."""
        self.daemon = DaemonProcess(Path(self.mktemp()), "--simulator")
        self.addCleanup(self.daemon.end)
        for speech in SPEECHES:
            self.ask(speech, "sim/flood-2").read()  # what is allocated once does not count

    def ask(self, speech: Speech, model: str) -> HTTPResponse:
        """A response whose body is unread."""
        client = socket.socket()
        self.addCleanup(client.close)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.settimeout(20)
        client.connect(("127.0.0.1", self.daemon.port))
        client.sendall(request(speech, model, stream=True))
        response = HTTPResponse(client)
        response.begin()
        return response

    def test_reads_nothing(self) -> None:
        """Clients that never read an answer of 200 MB cost next to no memory."""
        before = self.daemon.memory
        unread = [self.ask(speech, "sim/flood-200") for speech in SPEECHES]
        most = before

        deadline = time.monotonic() + _WATCHED_SECONDS
        while time.monotonic() < deadline:
            most = max(most, self.daemon.memory)
            time.sleep(0.05)

        self.assertLess(most - before, _MOST_GROWTH)
        self.assertEqual([response.status for response in unread], [200, 200])
        self.assertTrue(self.ask(CHAT, "sim/text").read().endswith(b"data: [DONE]\n\n"))

    def test_reads_slowly(self) -> None:
        """A client that reads slowly gets everything, and the daemon does not run ahead of it."""
        before = most = self.daemon.memory
        response = self.ask(MESSAGES, "sim/flood-12")

        body = b""
        while piece := response.read(131072):
            body += piece
            most = max(most, self.daemon.memory)
            time.sleep(0.005)

        text = sum(frame.event == "content_block_delta" for frame in frames(body)) * self.piece
        self.assertGreaterEqual(text, 12_000_000)
        self.assertTrue(body.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n'))
        self.assertLess(most - before, _MOST_GROWTH)
