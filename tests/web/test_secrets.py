"""Tests of what must not get out: keys and message text, in logs and in errors."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from typing import Any, cast

from twisted.internet.defer import Deferred, succeed
from twisted.logger import formatEvent
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from ccproxy.logs import observer
from ccproxy.simulator.scenarios import NAMES
from tests.web.house import CHAT, MESSAGES, SPEECHES, Answer, HouseTestCase, MemoryDaemon

CANARY_KEY = "user_canary_key_that_nobody_may_see"
CANARY_TEXT = "the canary sings at midnight"
TOOL_TEXT = "a canary in a schema"


@implementer(IAgent)
class Echoing:
    """An agent whose upstream refuses everything with a page that repeats what it was sent, key included."""

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Answer with status 400 and an error message that holds the key."""
        return succeed(cast("IResponse", _Refusal()))


class _Refusal:
    """A response of status 400; only what the client asks of it."""

    code = 400
    headers = Headers({"x-trace-id": ["trace"]})
    request = None

    def deliverBody(self, protocol: Any) -> None:
        """Deliver the message at once."""
        protocol.makeConnection(None)
        protocol.dataReceived(f'{{"error": {{"message": "bad key {CANARY_KEY} (Bearer {CANARY_KEY})"}}}}'.encode())
        protocol.connectionLost(None)


class SecretsTests(HouseTestCase):
    """A key and a sentence that nobody may find."""

    def setUp(self) -> None:
        """Log all there is, in both formats, as the daemon does."""
        self.logged = {form: StringIO() for form in ("text", "json")}
        self.observers = [
            observer(log_format=form, level="debug", path="", stream=stream) for form, stream in self.logged.items()
        ]

    def turns(self, daemon: MemoryDaemon, model: str) -> Iterator[Answer]:
        """The answers to a turn that holds the sentence in every place, in each dialect and mode."""
        for speech in SPEECHES:
            tool = speech.tool("look")
            tool.get("function", tool)["description"] = TOOL_TEXT
            system = {"system": CANARY_TEXT} if speech is MESSAGES else {}
            messages = [{"role": "user", "content": CANARY_TEXT}]
            for stream in (False, True):
                body = speech.body(model, stream=stream, messages=messages, tools=[tool], **system, odd=CANARY_TEXT)
                client = daemon.connect().ask("POST", f"{speech.path}?q=canary", body, {"x-api-key": CANARY_KEY})
                daemon.wait(35)
                client.leave()
                yield from client.answers

    def assertUnseen(self, daemon: MemoryDaemon) -> None:  # noqa: N802 - as trial's own
        """No log event holds a secret: not its fields, not its text, not a formatted line."""
        for event in daemon.events:
            for log in self.observers:
                log(event)
            shown = f"{event} {formatEvent(event)}"
            if "log_failure" in event:
                shown += event["log_failure"].getTraceback()
            self.assertNotIn("canary", shown)
        for stream in self.logged.values():
            self.assertNotIn("canary", stream.getvalue())

    def test_logs(self) -> None:
        """Whatever becomes of a turn, no log event holds the key or a word of it."""
        for model in (*NAMES, "transcript/27_broken_json_line"):
            if not model.startswith("sim/flood"):
                daemon = self.daemon(log_level="debug")
                for _ in self.turns(daemon, model):
                    pass
                self.assertGreaterEqual(len(daemon.lines), 4)
                self.assertUnseen(daemon)

    def test_errors(self) -> None:
        """No refusal repeats the key or what was asked."""
        for model in NAMES:
            if model.startswith("sim/http"):
                for answer in self.turns(self.daemon(log_level="debug"), model):
                    self.assertGreaterEqual(answer.status, 400)
                    self.assertNotIn(b"canary", answer.body)

    def test_refused_here(self) -> None:
        """A request that is refused here is refused without its own words."""
        for fields in (
            {"messages": CANARY_TEXT},
            {"messages": [{"role": CANARY_TEXT, "content": ""}]},
            {"tools": CANARY_TEXT},
            {"max_tokens": CANARY_TEXT},
            {"tool_choice": CANARY_TEXT},
        ):
            for speech in SPEECHES:
                daemon = self.daemon(log_level="debug")
                answer = daemon.connect().post(speech, **fields).answer
                self.assertEqual(answer.status, 400, fields)
                self.assertNotIn(b"canary", answer.body)
                self.assertUnseen(daemon)

    def test_upstream_repeats_the_key(self) -> None:
        """An upstream that repeats the key in its words is not passed on as it is."""
        daemon = self.daemon(Echoing(), log_level="debug")
        for speech in SPEECHES:
            answer = daemon.connect().ask("POST", speech.path, speech.body(), {"x-api-key": CANARY_KEY}).answer
            self.assertEqual((answer.status, answer.error["message"]), (400, "bad key user_*** (Bearer user_***)"))
        self.assertUnseen(daemon)

    def test_foreign_key(self) -> None:
        """The key of another service is not logged either."""
        daemon = self.daemon(log_level="debug")

        daemon.connect().ask("POST", CHAT.path, CHAT.body(), {"authorization": "Bearer sk-canary-of-another-service"})

        self.assertUnseen(daemon)

    def test_model_name(self) -> None:
        """A key that was pasted as a model's name is masked in the log."""
        daemon = self.daemon(log_level="debug")

        daemon.connect().post(CHAT, CANARY_KEY)

        (line,) = [event for event in daemon.events if "outcome" in event]
        for log in self.observers:
            log(line)
        for stream in self.logged.values():
            self.assertIn("user_***", stream.getvalue())
            self.assertNotIn("canary", stream.getvalue())

    def test_debug_line(self) -> None:
        """The line of a response is without the query."""
        daemon = self.daemon(log_level="debug")

        daemon.connect().ask("GET", "/health?key=canary")

        self.assertIn("GET /health -> 200", [formatEvent(event) for event in daemon.events])
        self.assertUnseen(daemon)

    def test_many_lines(self) -> None:
        """What a stranger puts into a model's name or a path starts no line of its own."""
        daemon = self.daemon(log_level="debug")
        daemon.connect().post(CHAT, "sim/text\nforged line")
        daemon.connect().ask("GET", b"/nothing%0aforged")

        for event in daemon.events:
            self.observers[0](event)

        self.assertNotIn("\nforged", self.logged["text"].getvalue())
