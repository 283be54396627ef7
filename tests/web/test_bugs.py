"""Tests of bugs: what nobody foresaw is logged once, and shown as nothing but a failure."""

from __future__ import annotations

from typing import Any, cast

from ccproxy.codecs import Dialect, Encoder, Turn
from ccproxy.dialects.anthropic_messages.dialect import AnthropicMessages
from ccproxy.dialects.openai_chat.dialect import OpenAIChat
from ccproxy.events import Event, TextDelta
from ccproxy.fields import Fields
from ccproxy.prompt import Prompt
from ccproxy.web.app import App
from ccproxy.web.site import ProxySite
from tests.dialects.strict import read_messages
from tests.web.house import CHAT, MESSAGES, HouseTestCase, MemoryDaemon

SECRET = "the canary sings"


class Stumbling:
    """An encoder that fails at the second word."""

    content_type = "text/event-stream"

    def __init__(self, encoder: Encoder, most: int) -> None:
        self._encoder = encoder
        self._left = most

    def encode(self, event: Event) -> bytes:
        """Say one event, or fail."""
        if isinstance(event, TextDelta):
            self._left -= 1
            if self._left < 0:
                raise LookupError(SECRET)
        return self._encoder.encode(event)

    def ping(self) -> bytes:
        """Say a ping."""
        return self._encoder.ping()


class BrokenParser(OpenAIChat):
    """A dialect that cannot read."""

    def parse(self, body: Fields) -> Prompt:
        """Fail."""
        raise LookupError(SECRET)


class BrokenEncoder(AnthropicMessages):
    """A dialect that can say one word."""

    words = 1

    def encoder(self, turn: Turn, *, stream: bool) -> Encoder:
        """Make an encoder that fails."""
        return cast("Encoder", Stumbling(super().encoder(turn, stream=stream), self.words))


class SpeechlessEncoder(BrokenEncoder):
    """A dialect that cannot say a word."""

    words = 0


class BrokenModels(OpenAIChat):
    """A dialect that cannot list."""

    def models(self, models: Any) -> bytes:
        """Fail."""
        raise LookupError(SECRET)


class BugTests(HouseTestCase):
    """A house in which something is broken."""

    def broken(self, *dialects: Dialect) -> MemoryDaemon:
        """A daemon that speaks other dialects than its own."""
        daemon = self.daemon()
        daemon.house.dialects = dialects
        daemon.app = App(daemon.house)
        daemon.site = ProxySite(
            daemon.app.resource(), daemon.house.config, daemon.app.refusal, daemon.app.objection, daemon.clock
        )
        return daemon

    def assertLoggedOnce(self, kind: type[Exception] = LookupError) -> None:  # noqa: N802 - as trial's own
        """The bug is in the log, once, with its traceback."""
        self.assertEqual([failure.type for failure in self.flushLoggedErrors()], [kind])

    def test_parser(self) -> None:
        """A bug before the first byte is an opaque 500 in the dialect, not to be tried again."""
        daemon = self.broken(BrokenParser(), AnthropicMessages())

        answer = daemon.connect().post(CHAT, stream=True).answer

        self.assertEqual((answer.status, answer.headers["x-should-retry"]), (500, "false"))
        self.assertEqual(answer.error["message"], "The proxy failed; its log says more.")
        self.assertEqual(answer.headers["access-control-allow-origin"], "*")
        self.assertIn("-> 500 internal", daemon.lines[0])
        self.assertLoggedOnce()

    def test_place_is_given_back(self) -> None:
        """A bug leaves nothing behind: the next request is served."""
        daemon = self.broken(BrokenParser(), AnthropicMessages())
        client = daemon.connect().post(CHAT)

        client.post(MESSAGES)

        self.assertEqual([answer.status for answer in client.answers], [500, 200])
        self.assertEqual(daemon.house.admission.present, 0)
        self.assertLoggedOnce()

    def test_encoder_at_the_first_word(self) -> None:
        """A bug in the translation before the first byte is an opaque 500."""
        daemon = self.broken(SpeechlessEncoder())

        answer = daemon.connect().post(MESSAGES, stream=True).answer

        self.assertEqual((answer.status, answer.error["type"], daemon.tries), (500, "api_error", 1))
        self.assertNotIn(SECRET.encode(), answer.body)
        self.assertLoggedOnce()

    def test_encoder_within_the_text(self) -> None:
        """A bug after the first byte is an error frame, and no page of HTML; the upstream is hung up on."""
        daemon = self.broken(BrokenEncoder())
        client = daemon.connect().post(MESSAGES, "sim/slow", stream=True)

        daemon.wait(1, 0.2)

        error = read_messages(client.answer.body).error
        self.assertEqual((client.answer.status, client.answer.complete), (200, True))
        self.assertEqual((error and error["type"], daemon.simulator.closed_early), ("api_error", 1))
        self.assertNotIn(b"<html", client.answer.body)
        self.assertNotIn(SECRET.encode(), client.answer.body)
        self.assertLoggedOnce()

    def test_document(self) -> None:
        """A bug in the making of a document is an opaque 500."""
        answer = self.broken(BrokenEncoder()).connect().post(MESSAGES).answer

        self.assertEqual((answer.status, answer.error["type"]), (500, "api_error"))
        self.assertLoggedOnce()

    def test_route(self) -> None:
        """A bug of any other route is an opaque 500 too."""
        daemon = self.broken(BrokenModels())

        answer = daemon.connect().ask("GET", "/v1/models").answer

        self.assertEqual((answer.status, answer.headers["content-type"]), (500, "application/json"))
        self.assertNotIn(SECRET.encode(), answer.body)
        self.assertLoggedOnce()

    def test_no_timer_is_left(self) -> None:
        """After a bug no timer is left."""
        daemon = self.broken(BrokenEncoder())
        client = daemon.connect().post(MESSAGES, stream=True)

        client.leave()

        self.assertEqual(daemon.clock.getDelayedCalls(), [])
        self.assertLoggedOnce()
