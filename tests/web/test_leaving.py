"""Tests of clients that leave, or stop reading: nobody pays for tokens that nobody reads."""

from __future__ import annotations

from tests.web.agents import Mute
from tests.web.house import CHAT, MESSAGES, SPEECHES, Client, HouseTestCase, MemoryDaemon


class LeavingTests(HouseTestCase):
    """A client that leaves, in every phase of its request."""

    def assertLeft(self, daemon: MemoryDaemon, client: Client, tries: int) -> None:  # noqa: N802 - as trial's own
        """After the client has left: nothing is written, nothing runs, and one line says so."""
        before = client.received
        client.leave()
        self.assertEqual((daemon.simulator.open_streams, len(daemon.house.live)), (0, 0))
        self.assertEqual(daemon.clock.getDelayedCalls(), [])
        self.assertEqual(client.received, before)
        self.assertEqual([line.split(" -> ")[1].split(" in ")[0] for line in daemon.lines], ["499 cancelled"])
        self.assertIn(f"tries {tries},", daemon.lines[0])

    def test_within_the_header(self) -> None:
        """A client that leaves within its header leaves nothing behind."""
        daemon = self.daemon()

        daemon.connect().send(b"POST /v1/messages HTTP/1.1\r\nhost:").leave()

        self.assertEqual((daemon.clock.getDelayedCalls(), daemon.lines), ([], []))

    def test_within_the_body(self) -> None:
        """A client that leaves within its body leaves nothing behind."""
        daemon = self.daemon()

        daemon.connect().send(b"POST /v1/messages HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{").leave()

        self.assertEqual((daemon.clock.getDelayedCalls(), daemon.lines), ([], []))

    def test_dialing(self) -> None:
        """Before the upstream has answered at all, the request to it is given up."""
        for stream in (False, True):
            agent = Mute()
            daemon = self.daemon(agent)
            self.assertLeft(daemon, daemon.connect().post(CHAT, stream=stream), 1)
            self.assertEqual(agent.given_up, 1)

    def test_opening(self) -> None:
        """Between the upstream's headers and its first word, the upstream is hung up on."""
        for speech in SPEECHES:
            for stream in (False, True):
                daemon = self.daemon()
                self.assertLeft(daemon, daemon.connect().post(speech, "sim/silent", stream=stream), 1)
                self.assertEqual(daemon.simulator.closed_early, 1)

    def test_after_pings(self) -> None:
        """After pings and before the first word, the upstream is hung up on."""
        daemon = self.daemon()
        client = daemon.connect().post(MESSAGES, "sim/silent", stream=True)
        daemon.wait(30)

        self.assertLeft(daemon, client, 1)
        self.assertEqual(daemon.simulator.closed_early, 1)

    def test_streaming(self) -> None:
        """Within the text, the upstream is hung up on."""
        for speech in SPEECHES:
            for stream in (False, True):
                daemon = self.daemon()
                client = daemon.connect().post(speech, "sim/slow", stream=stream)
                daemon.advance(0.2)
                self.assertLeft(daemon, client, 1)
                self.assertEqual(daemon.simulator.closed_early, 1)

    def test_handler_first(self) -> None:
        """It does not matter whether the producer or the handler learns of it."""
        for model in ("sim/silent", "sim/stall"):
            daemon = self.daemon()
            daemon.connect().post(CHAT, model, stream=True).leave(tell_producer=False)
            self.assertEqual((daemon.simulator.open_streams, daemon.simulator.closed_early), (0, 1))
            self.assertIn("-> 499 cancelled", daemon.lines[0])

    def test_held(self) -> None:
        """A client that does not read and then leaves is like any other."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/slow", stream=True)
        daemon.advance(0.2)
        client.stop_reading()

        self.assertLeft(daemon, client, 1)
        self.assertEqual(daemon.simulator.closed_early, 1)

    def test_between_tries(self) -> None:
        """In the pause before another try, there is no other try."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/http-503")

        self.assertLeft(daemon, client, 1)
        daemon.advance(10)
        self.assertEqual(daemon.tries, 1)

    def test_in_the_queue(self) -> None:
        """A client that leaves the queue is never served, and the next one takes its turn."""
        daemon = self.daemon(key_concurrency=1)
        first = daemon.connect().post(CHAT, "sim/silent")
        waiting, next_one = daemon.connect().post(CHAT), daemon.connect().post(CHAT)

        waiting.leave()
        first.leave()

        daemon.advance(0)
        self.assertEqual((waiting.received, next_one.answer.status, daemon.tries), (b"", 200, 2))

    def test_after_the_end(self) -> None:
        """A client that leaves after its answer was served."""
        daemon = self.daemon()

        daemon.connect().post(CHAT, stream=True).leave()

        self.assertIn("-> 200 ok", daemon.lines[0])
        self.assertEqual(daemon.simulator.closed_early, 0)

    def test_with_a_request_in_line(self) -> None:
        """A pipelined request of a client that left is not served."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/silent").post(CHAT)

        self.assertLeft(daemon, client, 1)
        self.assertEqual(daemon.tries, 1)


class HeldTests(HouseTestCase):
    """A client that does not read."""

    def test_upstream_waits(self) -> None:
        """While the client does not read, the silence of the upstream is not its fault."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/stall", stream=True)
        client.stop_reading()

        daemon.wait(100)

        self.assertEqual((daemon.simulator.open_streams, client.answer.complete), (1, False))

    def test_reads_on(self) -> None:
        """When it reads on, silence counts from then."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/stall", stream=True)
        client.stop_reading()
        daemon.wait(100)

        client.read_on()
        daemon.wait(29)
        still = client.answer.complete
        daemon.wait(1)

        self.assertEqual((still, client.answer.complete), (False, True))
        self.assertIn(b"silent for 30 seconds", client.answer.body)

    def test_given_up(self) -> None:
        """A client that does not read for five minutes is given up, and the upstream hung up on."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/stall", stream=True)
        client.stop_reading()

        daemon.wait(299)
        still = client.connected
        daemon.wait(1)

        self.assertEqual((still, client.connected, client.wire.aborted), (True, False, True))
        self.assertEqual((daemon.simulator.open_streams, client.answer.complete), (0, False))
        self.assertIn("-> 499 stalled", daemon.lines[0])
        self.assertEqual(daemon.clock.getDelayedCalls(), [])

    def test_finishes(self) -> None:
        """What the upstream finishes while the client does not read is whole when it does."""
        daemon = self.daemon()
        client = daemon.connect().post(CHAT, "sim/slow", stream=True)
        daemon.advance(0.2)
        client.stop_reading()

        daemon.wait(2, 0.2)
        client.read_on()

        self.assertTrue(client.answer.complete)
        self.assertIn(b"[DONE]", client.answer.body)
