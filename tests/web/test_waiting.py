"""Tests of silence: what a client sees while the upstream says nothing, and when it is enough."""

from __future__ import annotations

from twisted.internet.error import ConnectionRefusedError

from tests.dialects.strict import frames, read_messages
from tests.web.agents import Failing, Mute
from tests.web.house import CHAT, MESSAGES, SPEECHES, HouseTestCase


class PingTests(HouseTestCase):
    """Signs of life."""

    def test_chat(self) -> None:
        """A waiting chat stream begins after 15 seconds with a comment, and has another one every 10."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/silent", stream=True)

        daemon.wait(14)
        early = client.received
        daemon.wait(1 + 29)

        self.assertEqual(early, b"")
        self.assertEqual([frame.comment for frame in frames(client.answer.body)], ["keep-alive"] * 3)
        self.assertEqual((client.answer.status, client.answer.complete), (200, False))
        self.assertEqual(client.answer.headers["cache-control"], "no-cache, no-transform")

    def test_messages(self) -> None:
        """A waiting Messages stream begins with ``message_start``, and then there are pings."""
        daemon = self.daemon()
        client = daemon.connect().post(MESSAGES, "sim/silent", stream=True)

        daemon.wait(44)

        self.assertEqual(
            [frame.event for frame in frames(client.answer.body)], ["message_start", "ping", "ping", "ping"]
        )

    def test_within_text(self) -> None:
        """Silence after the first word has pings too."""
        daemon = self.daemon()
        client = daemon.connect().post(MESSAGES, "sim/stall", stream=True)

        daemon.wait(29)

        self.assertEqual([frame.event for frame in frames(client.answer.body)][-2:], ["ping", "ping"])

    def test_no_pings_while_it_talks(self) -> None:
        """A stream that talks has no pings."""
        daemon = self.daemon(ping_interval=0.5)
        client = daemon.connect().post(CHAT, "sim/slow", stream=True)

        daemon.wait(2, 0.2)

        self.assertTrue(client.answer.complete)
        self.assertNotIn(b"keep-alive", client.answer.body)

    def test_off(self) -> None:
        """With both times 0 there is no sign of life."""
        daemon = self.daemon(ping_interval=0, header_delay=0)
        client = daemon.connect().post(CHAT, "sim/silent", stream=True)

        daemon.wait(800)

        self.assertEqual(client.received, b"")

    def test_documents(self) -> None:
        """Nothing of a document goes out before its end."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/silent")

        daemon.wait(800)

        self.assertEqual((client.received, client.connected), (b"", True))


class EarlyHeadersTests(HouseTestCase):
    """Streams whose headers went out before anything was known."""

    def test_failure_is_a_frame(self) -> None:
        """Once pings have sent the status, a failure before the first word is a frame."""
        for speech in SPEECHES:
            daemon = self.daemon(header_delay=0.01)
            client = daemon.connect().post(speech, "sim/http-503", stream=True)
            daemon.wait(3, 0.9)
            self.assertEqual((client.answer.status, client.answer.complete, daemon.tries), (200, True, 3))
            self.assertIn(b"temporarily overloaded", client.answer.body)
            self.assertNotIn(b"[DONE]", client.answer.body)
            self.assertIn("-> 503 overloaded", daemon.lines[0])

    def test_try_again(self) -> None:
        """After early headers the upstream is tried again, and the message starts once."""
        agent = Failing(2, ConnectionRefusedError())
        daemon = agent.daemon = self.daemon(agent, header_delay=0.01)
        client = daemon.connect().post(MESSAGES, stream=True)

        daemon.wait(3, 0.9)

        reading = read_messages(client.answer.body)
        self.assertEqual((agent.asked, daemon.tries), (3, 1))
        self.assertEqual((reading.pings, reading.stop_reason, reading.error), (1, "end_turn", None))

    def test_answer_after_pings(self) -> None:
        """An answer that comes after pings is a whole one."""
        daemon = self.daemon(header_delay=0.1)
        client = daemon.connect().post(MESSAGES, "sim/slow", stream=True)

        daemon.wait(3, 0.1)

        reading = read_messages(client.answer.body)
        self.assertEqual((reading.pings, reading.stop_reason), (1, "end_turn"))


class SilenceTests(HouseTestCase):
    """When silence is enough."""

    def test_stream_within_text(self) -> None:
        """A stream that falls silent inside its text ends with an error frame after 30 seconds."""
        for speech in SPEECHES:
            daemon = self.daemon()
            client = daemon.connect().post(speech, "sim/stall", stream=True)
            daemon.wait(29)
            still = client.answer.complete
            daemon.wait(1)
            self.assertEqual((still, client.answer.complete), (False, True))
            self.assertIn(b"silent for 30 seconds inside its text", client.answer.body)
            self.assertEqual((daemon.simulator.open_streams, daemon.simulator.closed_early), (0, 1))

    def test_call_behind_an_open_text(self) -> None:
        """Behind an open text a model that has tools may be writing a call: it has as long as one that thinks."""
        for speech in SPEECHES:
            daemon = self.daemon()
            client = daemon.connect().post(speech, "sim/stall", stream=True, tools=[speech.tool("write_file")])

            daemon.wait(120, 10)

            self.assertEqual((client.answer.complete, daemon.simulator.open_streams), (False, 1))

    def test_document_within_text(self) -> None:
        """A document that falls silent inside its text is a 504 after 90 seconds."""
        for speech in SPEECHES:
            daemon = self.daemon()
            client = daemon.connect().post(speech, "sim/stall")
            daemon.wait(89)
            still = client.received
            daemon.wait(1)
            self.assertEqual((still, client.answer.status, client.answer.headers["retry-after"]), (b"", 504, "1"))
            self.assertEqual((daemon.simulator.closed_early, daemon.tries), (1, 1))

    def test_stream_before_the_first_word(self) -> None:
        """A model may think for 15 minutes; then the stream ends with an error frame."""
        daemon = self.daemon()
        client = daemon.connect().post(MESSAGES, "sim/silent", stream=True)

        daemon.wait(899)
        still = client.answer.complete
        daemon.wait(1)

        error = read_messages(client.answer.body).error
        self.assertEqual((still, error and error["type"]), (False, "overloaded_error"))
        self.assertIn("silent for 900 seconds", str(error))

    def test_document_before_the_first_word(self) -> None:
        """A document that never begins is a 504 after 15 minutes."""
        daemon = self.daemon()
        client = daemon.connect().post(MESSAGES, "sim/silent")

        daemon.wait(900)

        self.assertEqual((client.answer.status, client.answer.error["type"]), (504, "timeout_error"))

    def test_no_response(self) -> None:
        """An upstream that takes the request and never answers is a 504, once, and is hung up on."""
        agent = Mute()
        daemon = self.daemon(agent, silence_timeout=60)
        client = daemon.connect().post(CHAT)

        daemon.wait(61)

        self.assertEqual((client.answer.status, agent.given_up), (504, 1))
        self.assertIn("did not answer within 60 seconds", client.answer.error["message"])

    def test_no_timer_is_left(self) -> None:
        """After a silence that was enough, nothing is left to wait for but the client's next request."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/stall", stream=True)

        daemon.wait(31)
        client.leave()

        self.assertEqual(daemon.clock.getDelayedCalls(), [])
