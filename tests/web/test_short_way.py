"""This module is the tests of the short way to a handler: it is Klein's way, but for what it costs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.logger import formatEvent

from ccproxy.web.routes import Routes
from ccproxy.web.upgrade import can_upgrade
from tests.web.house import CHAT, KEY, MESSAGES, SPEECHES, Client, HouseTestCase, MemoryDaemon

_UPSTREAM_ID = re.compile("[0-9a-f]{32}")
_OTHERWISE = {"date": "", "x-ccproxy-upstream-trace": ""}

KEYS = {"authorization": f"Bearer {KEY}"}
MODELS = (
    "sim/text",
    "sim/tool",
    "sim/http-500",
    "sim/http-403-upgrade",
    "sim/zero",
    "sim/error-first",
    "sim/error-mid",
    "sim/http-503",
)


class ShortWayTests(HouseTestCase):
    """The same requests on both ways."""

    def assertAlike(self, talk: Callable[[MemoryDaemon], Client]) -> None:  # noqa: N802 - as trial's own
        """Clients see the same on both ways, and the log says the same."""
        seen = []
        for short in (True, False):
            daemon = self.daemon()
            if not short:
                daemon.site.resource = Routes(daemon.app.klein, {}, daemon.app._failed)
            daemon.house.token = lambda size: "ab" * size
            client = talk(daemon)
            daemon.wait(3)
            lines = [_UPSTREAM_ID.sub("", formatEvent(event) or "") for event in daemon.events]
            answers = [
                (
                    answer.status,
                    {**answer.headers, **_OTHERWISE},
                    _UPSTREAM_ID.sub("", answer.body.decode()),
                    answer.complete,
                )
                for answer in client.answers
            ]
            seen.append((answers, client.connected, daemon.tries, lines))
        self.assertEqual(*seen)

    def test_paths(self) -> None:
        """Every path on which a dialect is asked has the short way, without anything around it, by POST, or GET where it is upgraded."""
        daemon = self.daemon()
        paths = {path for dialect in daemon.house.dialects for path in dialect.paths}
        counters = {path for dialect in daemon.house.dialects if dialect.counter for path in dialect.counter.paths}

        dialogues = [dialect.dialogue for dialect in daemon.house.dialects if dialect.dialogue and can_upgrade()]
        upgrades = {(b"GET", path.encode()) for dialogue in dialogues for path in dialogue.paths}

        posts = {(b"POST", path.encode()) for path in paths | counters}
        self.assertEqual(set(daemon.app.resource()._short), posts | upgrades)

    def test_answers(self) -> None:
        """Turns that go well and badly, as streams and as documents, in each dialect."""
        for speech in SPEECHES:
            for model in MODELS:
                for stream in (False, True):
                    with self.subTest(speech=speech.path, model=model, stream=stream):
                        self.assertAlike(
                            lambda daemon, speech=speech, model=model, stream=stream: daemon.connect().post(  # type: ignore[misc] # mypy does not infer it
                                speech, model, stream=stream
                            )
                        )

    def test_refusals(self) -> None:
        """What is refused before a turn, and what has no handler at all."""
        asked: tuple[tuple[str, str, Any, dict[str, str]], ...] = (
            ("POST", CHAT.path, b"{", KEYS),
            ("POST", CHAT.path, CHAT.body("sim/text"), {}),
            ("POST", f"{MESSAGES.path}/count_tokens", MESSAGES.body("sim/text"), KEYS),
            ("POST", f"{MESSAGES.path}/count_tokens", b"[]", KEYS),
            ("GET", CHAT.path, None, KEYS),
            ("POST", f"{CHAT.path}/", CHAT.body("sim/text"), KEYS),
            ("POST", "/nothing", CHAT.body("sim/text"), KEYS),
            ("POST", f"{CHAT.path}?q=1", CHAT.body("sim/text"), KEYS),
        )
        for method, path, body, headers in asked:
            with self.subTest(method=method, path=path):
                self.assertAlike(
                    lambda daemon, method=method, path=path, body=body, headers=headers: daemon.connect().ask(  # type: ignore[misc]
                        method, path, body, headers
                    )
                )

    def test_leaving(self) -> None:
        """A client that leaves while its answer is awaited, and one within it."""
        for model in ("sim/silent", "sim/stall"):
            with self.subTest(model=model):

                def talk(daemon: MemoryDaemon, model: str = model) -> Client:
                    client = daemon.connect().post(CHAT, model, stream=True)
                    client.leave()
                    return client

                self.assertAlike(talk)

    def test_bug_in_the_answer(self) -> None:
        """Where not even an error can be said, the connection is closed."""
        daemon = self.daemon()
        routes = daemon.app.resource()
        routes._answer = lambda request, failure: {}["nothing"]  # type: ignore[index]
        daemon.site.resource = routes

        client = daemon.connect().ask("POST", CHAT.path, b"{", KEYS)

        self.assertEqual((client.received, client.connected, len(self.flushLoggedErrors(KeyError))), (b"", False, 1))

    def test_bug(self) -> None:
        """A bug is an opaque error on both ways, and is logged once."""

        def talk(daemon: MemoryDaemon) -> Client:
            daemon.house.corrections = None  # type: ignore[assignment] # a bug of ours
            return daemon.connect().ask("POST", f"{MESSAGES.path}/count_tokens", MESSAGES.body("sim/text"), KEYS)

        self.assertAlike(talk)
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 2)
        self.assertEqual(self.flushLoggedErrors(CancelledError), [])
