"""Tests of the ways to listen."""

from __future__ import annotations

import os
import shutil
import tempfile

from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol

from ccproxy.startup import listening
from tests.sockets.house import Reader, SocketTestCase, request
from tests.web.house import MESSAGES


class UnixTests(SocketTestCase):
    """A Unix socket."""

    async def test_endpoint(self) -> None:
        """A daemon that listens on a Unix socket serves its clients there."""
        directory = tempfile.mkdtemp()  # trial's own are too long for the name of a socket
        self.addCleanup(shutil.rmtree, directory)
        path = os.path.join(directory, "socket")
        service = listening(f"unix:{path}:mode=600", self.daemon().site, self.reactor)
        service.privilegedStartService()
        service.startService()
        self.addCleanup(service.stopService)

        answer = await self.answered(
            connectProtocol(UNIXClientEndpoint(self.reactor, path), Reader()), request(MESSAGES, stream=True)
        )

        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertIn(b"event: message_stop", answer)
