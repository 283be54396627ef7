"""Tests of who may come in now: caps, and the queue of a key."""

from __future__ import annotations

from tests.web.house import CHAT, MESSAGES, SPEECHES, Client, HouseTestCase, MemoryDaemon


def ask(daemon: MemoryDaemon, key: str, model: str = "sim/text") -> Client:
    """A turn of one caller's."""
    return daemon.connect().ask("POST", CHAT.path, CHAT.body(model), {"authorization": f"Bearer {key}"})


class CapTests(HouseTestCase):
    """How many requests may be under way."""

    def test_most(self) -> None:
        """Beyond the limit of all requests there is a 503 at once, in the client's dialect, to be tried again."""
        for speech, kind in ((CHAT, "server_error"), (MESSAGES, "overloaded_error")):
            daemon = self.daemon(max_exchanges=2)
            for _ in range(2):
                daemon.connect().post(CHAT, "sim/silent")
            answer = daemon.connect().post(speech, stream=True).answer
            self.assertEqual((answer.status, answer.error["type"], daemon.tries), (503, kind, 2))
            self.assertEqual((answer.headers["retry-after"], answer.headers["x-should-retry"]), ("1", "true"))

    def test_place_is_given_back(self) -> None:
        """However a request ends, its place is free again."""
        daemon = self.daemon(max_exchanges=1, max_exchanges_per_key=1, key_concurrency=1)
        for speech in SPEECHES:
            for stream in (False, True):
                for model in ("sim/text", "sim/http-402", "sim/no-finish", "sim/error-first"):
                    self.assertNotIn(daemon.connect().post(speech, model, stream=stream).answer.status, (429, 503))
                daemon.connect().post(speech, messages=7)
                daemon.connect().post(speech, "sim/stall", stream=stream).leave()

        self.assertEqual((daemon.connect().post(CHAT).answer.status, daemon.house.admission.present), (200, 0))

    def test_most_per_key(self) -> None:
        """Beyond the limit of one key there is a 429 for that key, and nobody else."""
        daemon = self.daemon(max_exchanges_per_key=1)
        ask(daemon, "user_one", "sim/silent")

        same, other = ask(daemon, "user_one").answer, ask(daemon, "user_two").answer

        self.assertEqual((same.status, other.status), (429, 200))
        self.assertEqual((same.error["code"], same.headers["retry-after"]), ("rate_limit_exceeded", "1"))
        self.assertEqual((same.error["retry_after"], same.headers["x-should-retry"]), (1, "true"))

    def test_no_limits(self) -> None:
        """With limits of 0 any number is under way."""
        daemon = self.daemon(max_exchanges=0)

        for _ in range(30):
            daemon.connect().post(CHAT, "sim/silent")

        self.assertEqual(daemon.tries, 30)

    def test_other_routes(self) -> None:
        """The limits are for turns: health and models are served all the same."""
        daemon = self.daemon(max_exchanges=1)
        daemon.connect().post(CHAT, "sim/silent")

        statuses = [daemon.connect().ask("GET", path).answer.status for path in ("/health", "/v1/models")]

        self.assertEqual(statuses, [200, 200])


class QueueTests(HouseTestCase):
    """Requests that wait for others of their key."""

    def test_waits(self) -> None:
        """Beyond the concurrency of a key a request waits, and runs when another has ended."""
        daemon = self.daemon(key_concurrency=1)
        first, second = ask(daemon, "user_one", "sim/slow"), ask(daemon, "user_one")
        before = (daemon.tries, second.received)

        daemon.wait(2, 0.2)

        self.assertEqual(before, (1, b""))
        self.assertEqual((first.answer.status, second.answer.status, daemon.tries), (200, 200, 2))

    def test_in_order(self) -> None:
        """Those who wait take their turn in the order in which they came."""
        daemon = self.daemon(key_concurrency=1)
        clients = [ask(daemon, "user_one", model) for model in ("sim/silent", "sim/stall", "sim/silent")]

        clients[0].leave()
        daemon.advance(0)

        latest = daemon.simulator.requests[-1].body
        self.assertEqual((daemon.tries, isinstance(latest, dict) and latest["params"]["model"]), (2, "sim/stall"))

    def test_other_keys(self) -> None:
        """Nobody waits for another key."""
        daemon = self.daemon(key_concurrency=1)
        ask(daemon, "user_one", "sim/silent")

        self.assertEqual(ask(daemon, "user_two").answer.status, 200)

    def test_too_long(self) -> None:
        """Who has waited for 30 seconds is refused with a 429, and takes no place any more."""
        daemon = self.daemon(key_concurrency=1)
        ask(daemon, "user_one", "sim/silent")
        waiting = ask(daemon, "user_one")

        daemon.wait(29)
        still = waiting.received
        daemon.wait(1)

        self.assertEqual((still, waiting.answer.status, waiting.answer.headers["retry-after"]), (b"", 429, "30"))
        self.assertIn("after 30 seconds of waiting", waiting.answer.error["message"])
        self.assertEqual(daemon.house.admission.present, 1)
