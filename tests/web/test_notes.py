"""Tests of requests with something odd in them: what is ignored, what is refused, and who learns of it."""

from __future__ import annotations

import json
from typing import Any

from tests.web.house import CHAT, KEY, MESSAGES, SPEECHES, HouseTestCase, Speech


class NotesTests(HouseTestCase):
    """What is ignored, and who learns of it."""

    def noted(self, speech: Speech, **fields: Any) -> str | None:
        """The notes on a request."""
        return self.asked(speech, **fields).headers.get("x-ccproxy-notes")

    def test_nothing_to_note(self) -> None:
        """A request that is taken as it is has no notes."""
        for speech in SPEECHES:
            self.assertIsNone(self.noted(speech), speech)

    def test_ignored(self) -> None:
        """Unknown fields are counted in a header, and the answer comes all the same."""
        for speech in SPEECHES:
            answer = self.asked(speech, stream=True, frobnicate=1, defrobnicate={"a": 2})
            self.assertEqual((answer.status, answer.headers["x-ccproxy-notes"]), (200, "ignored-fields=2"), speech)

    def test_clamped(self) -> None:
        """What dialect and upstream note stands in one header."""
        notes = self.noted(CHAT, max_tokens=393216, seed=7)

        self.assertEqual(notes, "ignored-fields=1, max-tokens-clamped=1")

    def test_strict(self) -> None:
        """With ``strict`` an unknown field is a 400 that names it, before the upstream is asked."""
        for speech in SPEECHES:
            daemon = self.daemon(strict=True)
            answer = daemon.connect().post(speech, frobnicate=1).answer
            self.assertEqual((answer.status, daemon.tries), (400, 0), speech)
            self.assertIn("frobnicate", answer.error["message"])

    def test_strict_known(self) -> None:
        """With ``strict`` a request of known fields is served, also one that is clamped."""
        daemon = self.daemon(strict=True)

        self.assertEqual(daemon.connect().post(CHAT, max_tokens=393216).answer.status, 200)

    def test_wrong_type(self) -> None:
        """A known field of a wrong type is a 400 that names the field, and the upstream is not asked."""
        daemon = self.daemon()

        answer = daemon.connect().post(CHAT, temperature="warm").answer

        self.assertEqual((answer.status, answer.error["param"], daemon.tries), (400, "temperature", 0))

    def test_broken_json(self) -> None:
        """A body that is no JSON object is a 400 in the dialect of the path."""
        for speech in SPEECHES:
            for body in (b"{", b"[]", b"", b"\xff", b"nul", json.dumps("text").encode(), b"[" * 100_000):
                client = self.daemon().connect().ask("POST", speech.path, body, {"authorization": f"Bearer {KEY}"})
                self.assertEqual(client.answer.status, 400, (speech, body[:10]))
                self.assertEqual(client.answer.error["type"], "invalid_request_error")

    def test_thread(self) -> None:
        """A conversation kept on the server is refused in the words that make the SDKs send it whole."""
        answer = self.asked(MESSAGES, thread={"type": "create"})

        self.assertEqual(answer.status, 400)
        self.assertEqual(
            answer.error["details"], {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
        )
