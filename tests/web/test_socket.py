"""Tests of WebSockets: the upgrade, messages in order, clients that leave or misbehave, and the end of a connection."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError as Refused
from twisted.web.iweb import IAgent

from ccproxy.web import upgrade
from ccproxy.web.drain import Drain
from tests.web.agents import Failing, Mute
from tests.web.dialogues import (
    ACCEPTED,
    BINARY,
    CLOSE,
    PATH,
    PING,
    PONG,
    TEXT,
    Caller,
    Frame,
    SpokenDaemon,
    SpokenMemory,
    framed,
    head,
)
from tests.web.house import CHAT, KEY, MESSAGES, HouseTestCase

_SOCKET = {"upgrade": "websocket", "connection": "keep-alive, Upgrade"}


class DialogueTestCase(HouseTestCase):
    """A test with a daemon that speaks over WebSockets."""

    def daemon(self, agent: IAgent | None = None, **settings: Any) -> SpokenDaemon:
        """A daemon that leaves nothing behind."""
        daemon = SpokenDaemon(agent, **settings)
        self.watch(daemon)
        return daemon

    def assertClosed(self, caller: Caller, code: int) -> None:  # noqa: N802 - as trial's own
        """The server closed with this code, and the connection ends when the client has answered."""
        assert caller.farewell is not None
        self.assertEqual((caller.farewell.code, caller.frames[-1].opcode), (code, CLOSE))
        caller.send(framed(caller.farewell.payload[:2], CLOSE))
        self.assertFalse(caller.connected)

    def asked_over(self, daemon: SpokenDaemon, model: str = "sim/text", **fields: object) -> Caller:
        """A new connection, and a turn on it."""
        return daemon.call().turn(model, **fields)


class UpgradeTests(DialogueTestCase):
    """The request for a WebSocket."""

    def test_accepted(self) -> None:
        """It is accepted as RFC 6455 has it, with no extension that was offered."""
        caller = self.daemon().call(sec_websocket_extensions="permessage-deflate; client_max_window_bits")

        (answer,) = caller.answers
        self.assertEqual((answer.status, answer.headers["sec-websocket-accept"]), (101, ACCEPTED))
        self.assertEqual(answer.headers["server"], "ccproxy")
        self.assertNotIn("sec-websocket-extensions", answer.headers)

    def test_elsewhere(self) -> None:
        """On a path that has no socket it is a 426 in the dialect of the path, and the connection stays."""
        daemon = HouseTestCase.daemon(self)
        for speech in (CHAT, MESSAGES):
            client = daemon.connect().ask("GET", speech.path, headers=_SOCKET)
            self.assertEqual((client.answer.status, client.answer.headers["x-should-retry"]), (426, "false"))
            self.assertEqual(client.answer.headers["upgrade"], "HTTP/1.1")
            self.assertEqual(client.answer.error["type"], "invalid_request_error")
            self.assertIn(f"no WebSocket at {speech.path}", client.answer.error["message"])
            self.assertEqual(client.post(speech).answers[1].status, 200)

    def test_without_autobahn(self) -> None:
        """Where Autobahn is not installed no path has a socket."""
        self.patch(upgrade, "find_spec", lambda name: None)
        daemon = self.daemon()

        answer = daemon.connect().ask("GET", PATH, headers=_SOCKET).answer

        self.assertEqual((answer.status, answer.error["code"]), (426, "upgrade_required"))

    def test_no_upgrade(self) -> None:
        """A GET that asks for no upgrade is a 405 there as anywhere."""
        daemon = self.daemon()
        for headers in ({}, {"upgrade": "h2c", "connection": "upgrade"}, {"upgrade": "websocket"}):
            answer = daemon.connect().ask("GET", PATH, headers=headers).answer
            self.assertEqual((answer.status, answer.headers["allow"]), (405, "POST"))

    def test_key(self) -> None:
        """Without a key that the upstream could know it is a 401, before the handshake."""
        for authorization in ("", "Bearer sk-foreign"):
            answer = self.daemon().call(authorization=authorization).answer
            self.assertEqual((answer.status, answer.error["code"]), (401, "invalid_api_key"))

    def test_version(self) -> None:
        """Of another version it is a 426 that names ours."""
        answer = self.daemon().call(sec_websocket_version="8").answer

        self.assertEqual((answer.status, answer.headers["sec-websocket-version"]), (426, "13"))

    def test_nonce(self) -> None:
        """Without a nonce, or with a bad one, it is a 400."""
        for nonce in ("", "short", "dGhlIHNhbXBsZSBub25jZQ=!"):
            self.assertEqual(self.daemon().call(sec_websocket_key=nonce).answer.status, 400)

    def test_body(self) -> None:
        """With a body it is a 400: what would be its first frame?"""
        answer = self.daemon().call(content_length="0").answer
        refused = self.daemon().call(transfer_encoding="chunked")
        refused.send(b"0\r\n\r\n")

        self.assertEqual((answer.status, refused.answer.status), (101, 400))

    def test_after_a_request(self) -> None:
        """A connection can be upgraded after it served requests, and what came with the upgrade is not lost."""
        daemon = self.daemon()
        caller = Caller(daemon)
        daemon.adopt(caller)
        caller.ask("GET", "/health")

        caller.send(head() + framed(b'{"type": "nonsense"}'))

        self.assertIn(b"no such message", caller.received)

    def test_secrets(self) -> None:
        """What reads the frames never sees the caller's key, or anything else of the client's request but the nonce."""
        caller = self.daemon().call(x_private="something")

        known = str(vars(caller.wire.protocol))
        self.assertIn("dGhlIHNhbXBsZSBub25jZQ==", known)
        self.assertNotIn(KEY, known)
        self.assertNotIn("something", known)

    def test_count(self) -> None:
        """It counts as one connection until it is closed, and those too many are turned away."""
        daemon = self.daemon(max_connections=2)
        callers = [daemon.call(), daemon.call()]

        surplus = daemon.connect()
        self.assertEqual((len(daemon.site.channels), surplus.wire.aborted), (2, True))

        callers[0].leave()
        self.assertEqual((len(daemon.site.channels), daemon.connect().ask("GET", "/health").answer.status), (1, 200))


class MessageTests(DialogueTestCase):
    """Messages and their answers."""

    def test_turn(self) -> None:
        """The frames of a stream are messages, one each, and the connection stays for the next turn."""
        caller = self.asked_over(self.daemon())

        self.assertEqual((caller.said, caller.turns), ("Hello from the simulator! You said: hello", 1))
        self.assertEqual({frame.opcode for frame in caller.frames}, {TEXT})
        self.assertEqual(caller.turn().turns, 2)

    def test_log(self) -> None:
        """Each turn leaves a line."""
        daemon = self.daemon()
        caller = self.asked_over(daemon).turn("sim/http-403")

        self.assertEqual(
            [line.split(" in ")[0].split(" ", 1)[1] for line in daemon.lines],
            ["spoken sim/text -> 200 ok", "spoken sim/http-403 -> 403 permission"],
        )
        self.assertEqual(caller.last["status"], 403)

    def test_order(self) -> None:
        """What is sent while an answer is under way has its turn after it."""
        daemon = self.daemon()
        caller = self.asked_over(daemon, "sim/slow").turn("sim/text").say({"type": "nonsense"})
        before = (daemon.tries, len(daemon.house.live))

        daemon.wait(3, 0.2)

        self.assertEqual(before, (1, 1))
        self.assertEqual((caller.turns, caller.last["status"], daemon.tries), (2, 400, 2))

    def test_crowd(self) -> None:
        """When too many messages wait, the connection closes after the answer that is under way."""
        daemon = self.daemon()
        caller = self.asked_over(daemon, "sim/slow")
        for _ in range(9):
            caller.turn()

        self.assertIsNone(caller.farewell)
        daemon.wait(3, 0.2)

        self.assertEqual((caller.turns, daemon.tries), (1, 1))
        self.assertClosed(caller, 1008)

    def test_size_of_crowd(self) -> None:
        """What waits may be as large as one body."""
        daemon = self.daemon(max_body_bytes=1000)
        caller = self.asked_over(daemon, "sim/slow").turn(note="x" * 500).turn(note="x" * 500)

        daemon.wait(3, 0.2)

        self.assertClosed(caller, 1008)

    def test_nothing_asked(self) -> None:
        """A message that asks for nothing has no answer."""
        daemon = self.daemon()

        caller = daemon.call().say({"type": "read"})

        self.assertEqual((caller.frames, daemon.tries), ([], 0))
        self.assertEqual(caller.turn().turns, 1)

    def test_silent(self) -> None:
        """An answer without content is made without the upstream, of a request that would be served."""
        daemon = self.daemon()

        caller = daemon.call().turn(silent=True)

        self.assertEqual((caller.turns, caller.said, daemon.tries), (1, "", 0))
        self.assertIn("spoken sim/text -> 200 ok", daemon.lines[0])
        self.assertEqual(caller.turn(silent=True, messages=1).last["status"], 400)

    def test_wrong(self) -> None:
        """What is no message is answered with an error, and the connection stays."""
        caller = self.daemon().call()
        for wrong in (b"{", b"[]", b"", b'{"type": 7}', b'{"type": "nonsense"}', b'{"type": "ask", "model": 3}'):
            self.assertEqual(caller.send(framed(wrong)).last["status"], 400)

        self.assertEqual((len(caller.messages), caller.turn().turns), (6, 1))

    def test_binary(self) -> None:
        """So is a binary message."""
        caller = self.daemon().call()

        caller.send(framed(b'{"type": "read"}', BINARY))

        self.assertEqual((caller.last["status"], caller.turn().turns), (400, 1))

    def test_fragments(self) -> None:
        """A message may come in fragments, with a ping between them, cut anywhere."""
        caller = self.daemon().call()
        message = b'{"type": "ask", "model": "sim/text", "messages": [{"role": "user", "content": "\xc3\xbc"}]}'
        sent = framed(message[:80], fin=False) + framed(b"", 0, fin=False) + framed(b"hey", PING)
        sent += framed(message[80:], 0)

        for byte in sent:
            caller.send(bytes([byte]))

        self.assertEqual(caller.frames[0], Frame(PONG, b"hey"))
        self.assertTrue(caller.said.endswith("\u00fc"))

    def test_bug(self) -> None:
        """A bug of ours is logged, told as one, and the connection stays."""
        daemon = self.daemon()
        caller = daemon.call()
        self.patch(daemon.house, "sessions", None)

        caller.turn()

        self.assertEqual(caller.last["status"], 500)
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)


class FailureTests(DialogueTestCase):
    """Turns that fail."""

    def test_before(self) -> None:
        """A failure before anything was said is one message with its status, and the connection stays."""
        daemon = self.daemon()
        caller = self.asked_over(daemon, "sim/http-402")

        self.assertEqual([message["status"] for message in caller.messages], [402])
        self.assertEqual(caller.turn().turns, 1)

    def test_unreachable(self) -> None:
        """So is an upstream that cannot be reached."""
        daemon = self.daemon(Failing(9, Refused()))

        caller = self.asked_over(daemon)
        daemon.wait(30)

        self.assertEqual([message["status"] for message in caller.messages], [502])

    def test_within(self) -> None:
        """A failure after something was said is in the stream, and the connection stays."""
        daemon = self.daemon()
        caller = self.asked_over(daemon, "sim/cut")
        daemon.wait(3)

        self.assertIn("error", caller.last)
        self.assertNotIn("status", caller.last)
        self.assertEqual((caller.turns, caller.turn().turns), (0, 1))


class MemoryTests(DialogueTestCase):
    """What a connection remembers of its latest answer."""

    def name(self, caller: Caller) -> str:
        """That of the latest answer."""
        return str([message for message in caller.messages if "id" in message][-1]["id"])

    def test_latest(self) -> None:
        """A message can go on from the latest answer, although it is kept nowhere else."""
        daemon = self.daemon()
        caller = self.asked_over(daemon)

        caller.turn("sim/echo", previous=self.name(caller))

        self.assertEqual(caller.turns, 2)
        self.assertIn("remembered", str(daemon.simulator.requests[-1].body))

    def test_silent(self) -> None:
        """Also from one without content."""
        daemon = self.daemon()
        caller = daemon.call().turn(silent=True)

        caller.turn(previous=self.name(caller))

        self.assertEqual((caller.turns, daemon.tries), (2, 1))

    def test_earlier(self) -> None:
        """An earlier answer is remembered no more."""
        caller = self.asked_over(self.daemon())
        first = self.name(caller)
        caller.turn()

        self.assertEqual(caller.turn(previous=first).last["status"], 400)

    def test_other_connection(self) -> None:
        """Nor is one of another connection."""
        daemon = self.daemon()
        name = self.name(self.asked_over(daemon))

        self.assertEqual(self.asked_over(daemon, previous=name).last["status"], 400)

    def test_failed(self) -> None:
        """An answer from which a turn went on that failed is forgotten; one that failed without it changes nothing."""
        daemon = self.daemon()
        for model in ("sim/http-403", "sim/cut"):
            caller = self.asked_over(daemon)
            name = self.name(caller)
            caller.turn(model)
            daemon.wait(3)
            self.assertEqual(caller.turn(previous=name).turns, 2)

            name = self.name(caller)
            caller.turn(model, previous=name)
            daemon.wait(3)
            self.assertEqual(caller.turn(previous=name).last["error"], "previous: not remembered")

    def test_large(self) -> None:
        """What is larger than a body may be is not remembered."""
        daemon = self.daemon(max_body_bytes=200)
        caller = self.asked_over(daemon)
        small = caller.turn(previous=self.name(caller)).turns
        self.patch(SpokenMemory, "remembered", b"x" * 201)
        caller.turn()

        self.assertEqual(caller.turn(previous=self.name(caller)).last["status"], 400)
        self.assertEqual((small, caller.turns), (2, 3))


class LeavingTests(DialogueTestCase):
    """Clients that leave, or do not read."""

    def assertNothingLeft(self, daemon: SpokenDaemon) -> None:  # noqa: N802 - as trial's own
        """Nothing runs any more, and the upstream was hung up on."""
        self.assertEqual((daemon.simulator.open_streams, daemon.house.live, daemon.site.channels), (0, set(), set()))
        self.assertEqual(daemon.clock.getDelayedCalls(), [])

    def test_cut(self) -> None:
        """When the connection is lost the upstream is hung up on, in every phase of a turn."""
        for tell_producer in (False, True):
            for model, seconds in (("sim/silent", 0), ("sim/stall", 0), ("sim/http-503", 0), ("sim/slow", 0.2)):
                daemon = self.daemon()
                caller = self.asked_over(daemon, model).turn()
                daemon.advance(seconds)

                caller.leave(tell_producer=tell_producer)

                self.assertNothingLeft(daemon)
                self.assertEqual((daemon.tries, len(daemon.lines)), (1, 1))
                self.assertIn("-> 499 cancelled", daemon.lines[0])

    def test_dialing(self) -> None:
        """Also before the upstream has answered at all."""
        agent = Mute()
        daemon = self.daemon(agent)

        self.asked_over(daemon).leave()

        self.assertNothingLeft(daemon)
        self.assertEqual(agent.given_up, 1)

    def test_within_a_message(self) -> None:
        """A client that leaves within a message, or within a frame, leaves nothing behind."""
        for sent in (framed(b"{", fin=False), framed(b"{}")[:4], b"\x81"):
            daemon = self.daemon()
            daemon.call().send(sent).leave()
            self.assertNothingLeft(daemon)

    def test_farewell(self) -> None:
        """A client that says farewell has it answered, and its turn is given up."""
        daemon = self.daemon()
        caller = self.asked_over(daemon, "sim/stall")

        caller.send(framed(b"\x03\xe8", CLOSE))

        self.assertClosed(caller, 1000)
        self.assertNothingLeft(daemon)

    def test_slow_reader(self) -> None:
        """While a client does not read, the upstream is held and nothing more is read of the client."""
        daemon = self.daemon()
        caller = self.asked_over(daemon, "sim/slow")
        daemon.advance(0.2)
        before = len(caller.received)
        caller.stop_reading()
        self.assertEqual(caller.wire.producerState, "paused")

        caller.read_on()
        daemon.wait(3, 0.2)

        self.assertEqual((caller.turns, caller.wire.producerState), (1, "producing"))
        self.assertGreater(len(caller.received), before)

    def test_stalled(self) -> None:
        """A client that does not read for five minutes is given up, with a turn under way and without."""
        for model in ("sim/stall", "sim/text"):
            daemon = self.daemon()
            caller = self.asked_over(daemon, model)
            caller.stop_reading()

            daemon.wait(299)
            still = caller.connected
            daemon.wait(12)

            self.assertEqual((still, caller.connected, caller.wire.aborted), (True, False, True))
            self.assertNothingLeft(daemon)
        self.assertIn("-> 200 ok", daemon.lines[0])

    def test_stalled_turn(self) -> None:
        """The log tells a client that did not read from one that left."""
        daemon = self.daemon()
        self.asked_over(daemon, "sim/stall").stop_reading()

        daemon.wait(301)

        self.assertIn("-> 499 stalled", daemon.lines[0])

    def test_full_before_the_answer(self) -> None:
        """A client that does not read when its answer begins holds the upstream from the first word on."""
        daemon = self.daemon()
        caller = daemon.call()
        caller.stop_reading()

        caller.turn("sim/stall")
        daemon.wait(100)
        held = daemon.simulator.open_streams
        caller.read_on()
        daemon.wait(31)

        self.assertEqual((held, daemon.simulator.open_streams), (1, 0))
        self.assertIn("silent for 30 seconds", str(caller.last))


class LimitTests(DialogueTestCase):
    """What a client may not do, and how long a connection lives."""

    def test_too_large(self) -> None:
        """A message that is larger than a body may be is refused when its length is known, and the connection closes."""
        for frames in (
            [framed(b"x" * 1001)[:10]],
            [framed(b"x" * 600, fin=False), framed(b"x" * 401, 0)[:8]],
        ):
            daemon = self.daemon(max_body_bytes=1000)
            caller = daemon.call()
            for frame in frames:
                caller.send(frame)
            self.assertEqual(caller.last["status"], 413)
            self.assertEqual(caller.frames[-1].code, 1009)

            caller.send(b"x" * 1001)
            daemon.advance(2)
            self.assertFalse(caller.connected)

    def test_violation(self) -> None:
        """After a frame that may not be nothing is asked any more, and what is under way ends: nobody could read it."""
        daemon = self.daemon()
        caller = daemon.call().turn("sim/slow")
        for _ in range(3):
            caller.turn("sim/text")
        daemon.wait(1, 0.2)

        caller.send(b"\xff\xff")

        self.assertEqual(caller.frames[-1].code, 1002)
        daemon.wait(5, 0.5)
        self.assertEqual((daemon.tries, daemon.simulator.open_streams, daemon.house.live), (1, 0, set()))

    def test_late_while_held(self) -> None:
        """A message is not late while we do not read it, because its client does not read us."""
        daemon = self.daemon(client_stall_timeout=300)
        caller = daemon.call()
        caller.send(framed(b"x" * 5000)[:100])
        caller.stop_reading()

        daemon.wait(120)

        self.assertTrue(caller.connected)
        self.assertIsNone(caller.farewell)

    def test_largest(self) -> None:
        """One that is just as large is served, whatever is sent is."""
        message = b'{"type": "ask", "model": "sim/text", "messages": [{"role": "user", "content": "hello"}]}'
        caller = self.daemon(max_body_bytes=200).call()

        caller.send(framed(message.ljust(200)))

        self.assertEqual(caller.turns, 1)

    def test_no_websocket(self) -> None:
        """What is no WebSocket, or no text, closes the connection with the code for it."""
        for sent, code in (
            (b"\x81\x02{}", 1002),  # not masked
            (b"\xc1\x80\x00\x00\x00\x00", 1002),  # compressed, which was not agreed on
            (framed(b"{}", 0), 1002),  # the rest of nothing
            (framed(b"\xff"), 1007),
            (framed(b"x" * 126, PING), 1002),
        ):
            daemon = self.daemon()
            caller = daemon.call().send(sent)
            assert caller.farewell is not None
            self.assertEqual(caller.farewell.code, code)
            daemon.advance(2)
            self.assertEqual((caller.connected, daemon.events), (False, []))

    def test_late(self) -> None:
        """A message that begins and does not go on is refused after a while."""
        daemon = self.daemon()
        caller = daemon.call().send(framed(b"{", fin=False))

        for _ in range(45):
            daemon.advance(1)
            caller.send(framed(b"", PONG))

        self.assertEqual((caller.last["status"], caller.frames[-1].code), (408, 1008))

    def test_progress(self) -> None:
        """One that goes on is not."""
        daemon = self.daemon()
        caller = daemon.call().send(framed(b'{"type": "read", "a": "', fin=False))
        for _ in range(100):
            daemon.advance(1)
            caller.send(framed(b"x" * 200, 0, fin=False))

        caller.send(framed(b'"}', 0)).turn()

        self.assertEqual(caller.turns, 1)

    def test_pings(self) -> None:
        """A client is pinged every ten seconds, also while it waits, and not when that is switched off."""
        daemon = self.daemon()
        caller, waiting = daemon.call(), self.asked_over(daemon, "sim/silent")
        daemon.wait(35)
        quiet = self.daemon(ping_interval=0).call()

        self.assertEqual([frame.opcode for frame in caller.frames], [PING] * 3)
        self.assertEqual([frame.opcode for frame in waiting.frames], [PING] * 3)
        self.assertEqual(quiet.frames, [])

    def test_dead(self) -> None:
        """A client that is not heard any more, not even its pongs, is closed; one that has a turn under way is not."""
        daemon = self.daemon(client_body_timeout=0)
        dead, alive, waiting = daemon.call(), daemon.call(), self.asked_over(daemon, "sim/silent")
        for _ in range(9):
            daemon.wait(10)
            alive.send(framed(b"", PONG))
        daemon.wait(4)

        self.assertEqual([caller.connected for caller in (dead, alive, waiting)], [False, True, True])
        assert dead.farewell is not None
        self.assertEqual(dead.farewell.code, 1001)

    def test_life(self) -> None:
        """After an hour the client is told to connect anew, and the connection closes."""
        daemon = self.daemon(client_idle_timeout=0)
        caller = daemon.call()
        daemon.wait(3599, 59)
        before = caller.farewell
        daemon.wait(120, 60)

        self.assertIsNone(before)
        self.assertEqual(caller.last, {"open for": 3600})
        assert caller.farewell is not None
        self.assertEqual(caller.farewell.code, 1000)

    def test_life_with_a_turn(self) -> None:
        """An answer that is under way then comes to its end before."""
        daemon = self.daemon(client_idle_timeout=0, ping_interval=0)
        caller = daemon.call()
        daemon.wait(3599, 59)
        caller.turn("sim/slow")
        daemon.advance(0.2)
        daemon.wait(10, 0.2)
        daemon.advance(60)

        self.assertEqual((caller.turns, caller.messages[-2:]), (1, ["[DONE]", {"open for": 3600}]))


class DrainTests(DialogueTestCase):
    """The end of the daemon."""

    def stopping(self, daemon: SpokenDaemon, grace: float = 25) -> Deferred[None]:
        """The end of the service."""
        drain = Drain(daemon.site, daemon.house, grace, lambda: None)
        drain.startService()
        stopped = drain.stopService()
        daemon.settle()
        return stopped

    def test_idle(self) -> None:
        """A connection on which nothing is under way closes at once, in words; one that does not answer is dropped."""
        daemon = self.daemon()
        polite, rude = daemon.call(), daemon.call()

        stopped = self.stopping(daemon)
        for caller in (polite, rude):
            assert caller.farewell is not None
            self.assertEqual(caller.farewell.code, 1001)
        polite.send(framed(b"\x03\xe9", CLOSE))
        self.assertEqual((polite.connected, rude.connected), (False, True))
        daemon.advance(2)

        self.successResultOf(stopped)
        self.assertTrue(rude.wire.aborted)

    def test_under_way(self) -> None:
        """An answer that is under way comes to its end; what waits behind it is not begun."""
        daemon = self.daemon()
        caller = self.asked_over(daemon, "sim/slow").turn()

        stopped = self.stopping(daemon)
        self.assertIsNone(caller.farewell)
        daemon.wait(3, 0.2)

        self.assertEqual((caller.turns, daemon.tries), (1, 1))
        self.assertClosed(caller, 1001)
        self.successResultOf(stopped)

    def test_grace(self) -> None:
        """After the grace it is told that it was given up, and the connection closes."""
        for model, key in (("sim/stall", "error"), ("sim/silent", "status")):
            daemon = self.daemon()
            caller = self.asked_over(daemon, model)

            stopped = self.stopping(daemon, grace=5)
            daemon.wait(10)

            self.assertIn("shutting down", str(caller.last))
            self.assertIn(key, caller.last)
            self.assertClosed(caller, 1001)
            self.successResultOf(stopped)

    def test_meanwhile(self) -> None:
        """Nobody is upgraded any more."""
        daemon = self.daemon()
        waiting = self.asked_over(daemon, "sim/slow")
        late = Caller(daemon)
        daemon.adopt(late)
        late.send(b"GET")
        self.stopping(daemon)

        late.send(head()[3:])

        self.assertEqual((late.answer.status, late.answer.headers["x-should-retry"]), (503, "true"))
        daemon.wait(4, 0.2)
        self.assertEqual(waiting.turns, 1)
