"""Tests of compressed request bodies, from the socket to the answer."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable

from zstandard import ZstdCompressor

from tests.web.house import CHAT, KEY, MESSAGES, SPEECHES, Answer, HouseTestCase, Speech

LIMIT = 10_000
WRITERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": ZstdCompressor().compress,
}


class CodingTests(HouseTestCase):
    """A daemon with a limit."""

    def posted(self, body: bytes, coding: str, speech: Speech = CHAT) -> Answer:
        """The answer to a compressed body."""
        headers = {"authorization": f"Bearer {KEY}", "content-encoding": coding}
        return self.daemon(max_body_bytes=LIMIT).connect().ask("POST", speech.path, body, headers).answer

    def test_each(self) -> None:
        """A compressed request is answered like any other, in every coding."""
        for speech in SPEECHES:
            body = json.dumps(speech.body()).encode()
            for coding, write in WRITERS.items():
                self.assertEqual(self.posted(write(body), coding, speech).status, 200)

    def test_several_headers(self) -> None:
        """Codings may stand in headers of their own, in their order."""
        body = ZstdCompressor().compress(gzip.compress(json.dumps(CHAT.body()).encode()))

        self.assertEqual(self.posted(body, "gzip\r\ncontent-encoding: zstd").status, 200)

    def test_unknown(self) -> None:
        """A coding that nobody here knows is a 400 in the dialect of the path."""
        answer = self.posted(b"{}", "br", MESSAGES)

        self.assertEqual((answer.status, answer.error["type"]), (400, "invalid_request_error"))
        self.assertIn("Content-Encoding", answer.error["message"])

    def test_odd_header(self) -> None:
        """A header that is no text is a 400, not a bug."""
        head = f"POST {CHAT.path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\ncontent-length: 2\r\n".encode()

        answer = self.daemon().connect().send(head + b"content-encoding: \xff\r\n\r\n{}").answer

        self.assertEqual(answer.status, 400)
        self.assertIn("Content-Encoding", answer.error["message"])

    def test_damaged(self) -> None:
        """A body that is not in its coding is a 400, not a bug."""
        answer = self.posted(b"{}", "gzip")

        self.assertEqual(answer.status, 400)
        self.assertIn("(gzip)", answer.error["message"])

    def test_bomb(self) -> None:
        """A small body that becomes too large is a 413, and the connection is closed."""
        for coding, write in WRITERS.items():
            answer = self.posted(write(b" " * (LIMIT + 1)), coding)

            self.assertEqual((answer.status, answer.headers["connection"]), (413, "close"))
            self.assertEqual(answer.error["code"], "request_too_large")
