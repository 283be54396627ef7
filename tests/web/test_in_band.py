"""Tests of failures that a client acts on only inside a stream."""

from __future__ import annotations

import json

from attrs import evolve

from ccproxy.dialects.openai_chat.dialect import OpenAIChat
from ccproxy.errors import Kind
from ccproxy.fields import Fields
from ccproxy.prompt import Prompt, View
from ccproxy.web.app import App
from ccproxy.web.site import ProxySite
from tests.dialects.strict import frames
from tests.web.house import CHAT, HouseTestCase, MemoryDaemon


class InBand(OpenAIChat):
    """A dialect whose clients want to hear of a rate limit inside the stream."""

    def view(self, body: Fields) -> View:
        """What the client asks to see."""
        return evolve(super().view(body), in_band=frozenset((Kind.RATE_LIMITED,)))

    def parse(self, body: Fields) -> Prompt:
        """Read a request body."""
        return evolve(super().parse(body), view=self.view(body))


class InBandTests(HouseTestCase):
    """Where a failure before the first byte is told."""

    def listening(self) -> MemoryDaemon:
        """A daemon whose only dialect wants failures inside the stream."""
        daemon = self.daemon()
        daemon.house.dialects = (InBand(),)
        daemon.app = App(daemon.house)
        daemon.site = ProxySite(
            daemon.app.resource(), daemon.house.config, daemon.app.refusal, daemon.app.objection, daemon.clock
        )
        return daemon

    def test_in_the_stream(self) -> None:
        """A failure of a kind that the client wants inside the stream is a frame of a stream, and the log has its status."""
        daemon = self.listening()

        answer = daemon.connect().post(CHAT, "sim/http-429", stream=True).answer

        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "text/event-stream"))
        self.assertEqual(json.loads(frames(answer.body)[-1].data or "")["error"]["code"], "rate_limit_exceeded")
        self.assertTrue(answer.complete)
        self.assertIn("-> 429 rate_limited", daemon.lines[0])

    def test_other_kinds(self) -> None:
        """Any other failure keeps its status."""
        answer = self.listening().connect().post(CHAT, "sim/http-402", stream=True).answer

        self.assertEqual(answer.status, 402)

    def test_document(self) -> None:
        """There is no stream in a document: its failure keeps its status."""
        answer = self.listening().connect().post(CHAT, "sim/http-429").answer

        self.assertEqual(answer.status, 429)
