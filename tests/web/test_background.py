"""Tests of answers that are made whether or not somebody waits for them."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from ccproxy.keys import Key
from ccproxy.store.memory import MemoryStore
from ccproxy.web.background import Background
from ccproxy.web.drain import Drain
from ccproxy.web.keeping import Keeping
from ccproxy.web.offload import at_once
from tests.web.house import KEY, Client
from tests.web.responses import ResponsesTestCase, events, text_of
from tests.web.test_kept import AwayStore

HEAD = b"\r\n\r\n"


class BackgroundTests(ResponsesTestCase):
    """Answers in the background."""

    def begun(self, model: str = "sim/slow", **fields: Any) -> dict[str, Any]:
        """The answer to a request for an answer in the background."""
        document: dict[str, Any] = self.ask("hello", model, background=True, **fields).answer.document
        return document

    def state(self, response: dict[str, Any]) -> str:
        """How an answer is."""
        status: str = self.get(response["id"]).document["status"]
        return status

    def streaming(self, **fields: Any) -> Client:
        """A client that asked for the stream of an answer in the background."""
        return self.ask("hello", "sim/slow", background=True, stream=True, **fields)

    def test_polled(self) -> None:
        """A client gets an answer that has only begun, and the whole one when it asks again later."""
        response = self.begun()
        early = self.state(response)
        self.house.wait(30)

        whole = self.get(response["id"]).document

        self.assertEqual((response["status"], early, whole["status"]), ("in_progress", "in_progress", "completed"))
        self.assertEqual((response["output"], response["background"]), ([], True))
        self.assertTrue(text_of(whole))
        self.assertEqual(whole["id"], response["id"])

    def test_client_leaves(self) -> None:
        """The answer is made although its client left, and its events are all there."""
        client = self.streaming()
        self.house.wait(1, 0.2)
        seen = events(client.received.partition(HEAD)[2])
        client.leave()
        self.house.wait(30)

        again = events(self.get(f"{seen[0]['response']['id']}?stream=true").body)

        self.assertEqual([event["sequence_number"] for event in again], list(range(len(again))))
        self.assertEqual(again[: len(seen)], seen)
        self.assertEqual(again[-1]["type"], "response.completed")
        self.assertEqual(self.house.tries, 1)

    def test_resumed(self) -> None:
        """A stream goes on after the last event that a client has, while it is being made."""
        client = self.streaming()
        self.house.wait(1, 0.2)
        seen = events(client.received.partition(HEAD)[2])
        client.leave()
        last = seen[-1]["sequence_number"]

        resumed = self.reading(f"{seen[0]['response']['id']}?stream=true&starting_after={last}")
        self.house.wait(30)

        rest = events(resumed.answer.body)
        self.assertEqual(rest[0]["sequence_number"], last + 1)
        self.assertEqual(rest[-1]["type"], "response.completed")
        self.assertTrue(resumed.answer.complete)

    def test_two_readers(self) -> None:
        """Any number of clients may read, each from where it likes."""
        first = self.streaming()
        self.house.wait(1, 0.2)
        name = events(first.received.partition(HEAD)[2])[0]["response"]["id"]
        second = self.reading(f"{name}?stream=true")
        self.house.wait(30)

        self.assertEqual(events(first.answer.body), events(second.answer.body))

    def test_cancelled(self) -> None:
        """A cancelled answer is not made on, and its readers come to an end."""
        client = self.streaming()
        self.house.wait(1, 0.2)
        name = events(client.received.partition(HEAD)[2])[0]["response"]["id"]

        answer = self.get(f"{name}/cancel", "POST")

        self.assertEqual((answer.status, answer.document["status"]), (200, "cancelled"))
        self.assertEqual(self.house.simulator.open_streams, 0)
        self.assertTrue(client.answer.complete)
        self.house.wait(30)
        self.assertEqual(self.state({"id": name}), "cancelled")
        self.assertEqual(self.get(f"{name}/cancel", "POST").document["status"], "cancelled")
        self.assertIn("-> 499 cancelled", " ".join(self.house.lines))

    def test_cancelled_too_late(self) -> None:
        """An answer that is whole stays so."""
        response = self.begun("sim/text")

        self.assertEqual(self.get(f"{response['id']}/cancel", "POST").document["status"], "completed")

    def test_deleted(self) -> None:
        """A deleted answer is not made on."""
        response = self.begun()

        self.get(response["id"], "DELETE")

        self.assertEqual(self.house.simulator.open_streams, 0)
        self.house.wait(30)
        self.assertEqual(self.get(response["id"]).status, 404)

    def test_failed(self) -> None:
        """An answer that failed says so when it is asked for, whenever it failed."""
        for model in ("sim/http-402", "sim/error-mid", "sim/cut"):
            response = self.begun(model)
            self.house.wait(30)

            failed = self.get(response["id"]).document

            self.assertEqual(failed["status"], "failed", model)
            self.assertTrue(failed["error"]["message"], model)

    def test_refused(self) -> None:
        """What cannot be asked is refused at once, and nothing is begun."""
        answers = [
            self.ask("hello", background=True, store=False).answer,
            self.ask([], background=True).answer,
        ]

        self.assertEqual([answer.status for answer in answers], [400, 400])
        self.assertEqual(self.house.tries, 0)

    def test_cannot_be_kept(self) -> None:
        """An answer that nobody could ever read is not begun: where nothing is kept, and while the store is away."""
        self.house = self.daemon(store_seconds=0)
        never = self.ask("hello", background=True).answer
        asked = self.house.tries
        self.house = self.daemon()
        self.house.house.keeping = Keeping(AwayStore(limit=0, seconds=60, clock=self.house.clock), at_once)
        away = self.ask("hello", background=True).answer

        self.assertEqual((never.status, never.error["param"], away.status), (400, "background", 503))
        self.assertEqual((asked, self.house.tries), (0, 0))

    def test_notes(self) -> None:
        """What was left out of the request is told with the first answer."""
        answer = self.ask("hello", background=True, tools=[{"type": "web_search"}]).answer

        self.assertEqual(answer.headers["x-ccproxy-notes"], "server-tool-dropped=1")

    def test_whole_meanwhile(self) -> None:
        """An answer that came to its end while it was being cancelled is whole."""
        response = self.begun()
        end = self.house.house.background.end

        async def late(key: Key, name: str) -> None:
            self.house.wait(30)
            await end(key, name)

        self.patch(self.house.house.background, "end", late)

        self.assertEqual(self.get(f"{response['id']}/cancel", "POST").document["status"], "completed")
        self.assertEqual(self.state(response), "completed")

    def test_reader_at_the_end_of_the_daemon(self) -> None:
        """A client that reads the stream when the daemon ends hears of the failure in the stream."""
        for _ in range(8):  # who is given up first is chance
            self.house = self.daemon()
            client = self.streaming()
            self.house.wait(1, 0.2)
            drain = Drain(self.house.site, self.house.house, 0.5, lambda: None)
            drain.startService()
            stopped: Deferred[None] = drain.stopService()
            self.house.wait(5, 0.5)

            self.successResultOf(stopped)
            self.assertEqual(events(client.answer.body)[-1]["type"], "response.failed")
            self.assertTrue(client.answer.complete)
            self.assertNotIn(b'\n{"error"', client.answer.body)

    def test_previous(self) -> None:
        """An answer can be gone on from when it is whole, and not before."""
        response = self.begun()
        early = self.ask("go on", previous_response_id=response["id"]).answer
        self.house.wait(30)
        late = self.ask("go on", previous_response_id=response["id"]).answer

        self.assertEqual((early.status, late.status), (400, 200))

    def test_too_many(self) -> None:
        """An answer for which there is no place is one that failed, and says why."""
        self.house = self.daemon(max_exchanges=1)
        self.begun()

        answer = self.ask(background=True).answer

        self.assertEqual((answer.status, answer.error["code"]), (503, "server_is_overloaded"))
        self.house.wait(30)

    def test_store_lost(self) -> None:
        """A reader is hung up on when the store cannot be reached any more; the answer is made to its end."""
        client = self.streaming()
        self.house.wait(1, 0.2)
        away = AwayStore(limit=0, seconds=60, clock=self.house.clock)

        self.patch(self.house.house.keeping, "_store", away)
        reading = self.reading(f"{events(client.received.partition(HEAD)[2])[0]['response']['id']}?stream=true")
        self.house.wait(30)

        self.assertEqual(reading.answer.status, 503)

    def test_slow_reader(self) -> None:
        """A client that does not read for too long is dropped; the answer is made to its end."""
        self.house = self.daemon(client_stall_timeout=20)
        client = self.streaming()
        self.house.wait(1, 0.2)
        name = events(client.received.partition(HEAD)[2])[0]["response"]["id"]
        client.stop_reading()

        self.house.wait(60)

        self.assertTrue(client.wire.aborted)
        self.assertEqual(self.state({"id": name}), "completed")

    def test_end_of_the_daemon(self) -> None:
        """At the end of the daemon an answer may become whole, and what does not is one that failed."""
        for grace, status in ((60.0, "completed"), (0.5, "failed")):
            self.house = self.daemon()
            response = self.begun()
            states: list[str] = []
            self.patch(self.house.house.keeping, "close", partial(self.note_state, response["id"], states))
            drain = Drain(self.house.site, self.house.house, grace, lambda: None)
            drain.startService()
            stopped: Deferred[None] = drain.stopService()
            self.house.wait(30, 0.5)
            self.successResultOf(stopped)
            self.assertEqual(states[0], status)

    def note_state(self, name: str, states: list[str]) -> None:
        """Note how an answer is in the store."""
        found = self.successResultOf(Deferred.fromCoroutine(self.house.house.keeping.find(Key(KEY), (name,))))
        states.append(json.loads(found[name])["response"]["status"])


class SharedStore(MemoryStore):
    """A store that two daemons share."""

    shared = True


class TwoProcessesTests(ResponsesTestCase):
    """An answer that one process makes and another one is asked for."""

    def setUp(self) -> None:
        """Two daemons that share a store, and an answer that the first one makes."""
        self.makes, self.other = self.daemon(), self.daemon()
        store = SharedStore(limit=0, seconds=3600, clock=self.makes.clock)
        for daemon in (self.makes, self.other):
            daemon.house.keeping = Keeping(store, at_once)
            daemon.house.background = Background(daemon.house.keeping, daemon.house.live, daemon.clock)
        self.house = self.makes
        self.name = self.ask("hello", "sim/slow", background=True).answer.document["id"]
        self.house = self.other

    def wait(self, seconds: float) -> None:
        """Let time pass for both."""
        for _ in range(round(seconds * 5)):
            self.makes.advance(0.2)
            self.other.advance(0.2)

    def test_polled(self) -> None:
        """The other one tells how it is."""
        early = self.get(self.name).document["status"]
        self.wait(30)

        self.assertEqual((early, self.get(self.name).document["status"]), ("in_progress", "completed"))

    def test_read(self) -> None:
        """The other one tells its events as they come."""
        reading = self.reading(f"{self.name}?stream=true")
        self.wait(1)
        early = len(events(reading.received.partition(HEAD)[2]))
        self.wait(30)

        told = events(reading.answer.body)
        self.assertEqual(told[-1]["type"], "response.completed")
        self.assertTrue(0 < early < len(told))

    def test_cancelled(self) -> None:
        """The other one has it cancelled, within a second or so."""
        status = self.get(f"{self.name}/cancel", "POST").document["status"]
        self.wait(2)

        self.assertEqual((status, self.makes.simulator.open_streams, self.makes.house.live), ("cancelled", 0, set()))
        self.assertEqual(self.get(self.name).document["status"], "cancelled")

    def test_deleted_meanwhile(self) -> None:
        """What the other one deleted does not come back when the answer comes to its end before its maker has looked."""

        async def blind(running: object, begun: object) -> None:
            """Do not look."""

        self.patch(self.makes.house.background, "_look", blind)
        self.get(self.name, "DELETE")
        self.wait(30)
        reading = self.reading(self.name)
        self.wait(1)

        self.assertEqual(reading.answer.status, 404)
