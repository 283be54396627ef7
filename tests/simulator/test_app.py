"""Tests of the simulated service over in-memory HTTP."""

import json
from pathlib import Path
from typing import Any, cast

from treq.testing import StubTreq
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.simulator.app import BODY_LIMIT, Simulator
from ccproxy.simulator.models import CATALOGUE
from ccproxy.simulator.scenarios import NAMES
from tests.simulator.samples import HEADERS, assistant, body, call, user

GENERATE = "http://127.0.0.1/alpha/generate"
TRANSCRIPTS = Path(__file__).parent.parent / "transcripts"


class Reader(Protocol):
    """A client that keeps what it read."""

    def __init__(self) -> None:
        self.data = b""
        self.reason: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        """Keep it."""
        self.data += data

    def connectionLost(self, reason: Failure = Failure(Exception())) -> None:  # noqa: B008 -- the interface's default
        """Keep the reason."""
        self.reason = reason


class AppTests(SynchronousTestCase):
    """Requests and what they get."""

    def setUp(self) -> None:
        """A simulator, and a client of it."""
        self.clock = Clock()
        self.simulator = Simulator(self.clock, transcripts=TRANSCRIPTS)
        self.treq: Any = StubTreq(self.simulator.resource())

    def post(self, content: object = None, headers: dict[str, str] | None = None, **params: object) -> Any:
        """The response to a turn, its body unread; ``content`` replaces the sample body."""
        data = content if isinstance(content, bytes) else json.dumps(content or body(**params)).encode()
        pending = self.treq.post(GENERATE, data=data, headers=headers or HEADERS)
        self.treq.flush()
        return self.successResultOf(pending)

    def read(self, response: Any) -> bytes:
        """The body of a response that comes to an end."""
        pending = response.content()
        self.treq.flush()
        return cast("bytes", self.successResultOf(pending))

    def watch(self, response: Any) -> Reader:
        """Start to read a body that may not end."""
        reader = Reader()
        response.original.deliverBody(reader)
        self.treq.flush()
        return reader

    def error(self, response: Any) -> dict[str, Any]:
        """The error inside a refusal."""
        return cast("dict[str, Any]", json.loads(self.read(response))["error"])

    def test_stream(self) -> None:
        """A turn is answered with records, whatever the content type says."""
        response = self.post()

        records = [json.loads(line) for line in self.read(response).splitlines()]
        self.assertEqual(response.code, 200)
        self.assertEqual(response.headers.getRawHeaders("content-type"), ["text/event-stream"])
        self.assertEqual(records[-2]["type"], "finish")

    def test_trace_id(self) -> None:
        """Each answer has a trace id of 32 hexadecimal digits."""
        response = self.post()

        (trace,) = response.headers.getRawHeaders("x-trace-id")
        self.assertRegex(trace, "^[0-9a-f]{32}$")

    def test_refused_headers(self) -> None:
        """A bad key is refused before the body is looked at."""
        response = self.post(b"{", {**HEADERS, "authorization": "Bearer nothing"})

        self.assertEqual((response.code, self.error(response)["code"]), (401, "UNAUTHORIZED"))

    def test_refused_body(self) -> None:
        """A wrong field is named."""
        response = self.post(stream=False)

        self.assertEqual(response.code, 400)
        self.assertIn('at "params.stream"', self.error(response)["message"])

    def test_no_json(self) -> None:
        """A body that is no JSON is refused."""
        response = self.post(b"{")

        self.assertEqual((response.code, self.error(response)["message"]), (400, "Malformed JSON in request body"))

    def test_deep_json(self) -> None:
        """A body that is nested too deeply is refused like any broken one."""
        response = self.post(b"[" * 100_000)

        self.assertEqual(response.code, 400)

    def test_lone_surrogate(self) -> None:
        """Half a surrogate pair comes back as its escape."""
        response = self.post(messages=[user("\ud83d")])

        self.assertIn(rb'"text":" \ud83d"', self.read(response))

    def test_large_body(self) -> None:
        """A large body is accepted."""
        response = self.post(messages=[user("x" * 1_000_000)])

        self.assertEqual(response.code, 200)

    def test_too_large_body(self) -> None:
        """A body above the limit is refused."""
        response = self.post(b" " * (BODY_LIMIT + 1))

        self.assertEqual(response.code, 413)

    def test_unknown_model(self) -> None:
        """An unknown model is refused before the stream begins."""
        response = self.post(model="nothing")

        self.assertEqual(response.code, 403)
        self.assertIn("not recognized", self.error(response)["message"])

    def test_http_refusal(self) -> None:
        """A refusal brings its headers."""
        response = self.post(model="sim/http-429")

        self.assertEqual((response.code, response.headers.getRawHeaders("retry-after")), (429, ["7"]))

    def test_pairing(self) -> None:
        """A call without a result is an error inside the stream."""
        response = self.post(messages=[user(), assistant(call("c1"))])

        start, problem = [json.loads(line) for line in self.read(response).splitlines()]
        self.assertEqual((response.code, start), (200, {"type": "start"}))
        self.assertEqual(problem["error"]["message"], "Tool result is missing for tool call c1.")
        self.assertEqual((problem["error"]["statusCode"], problem["error"]["isRetryable"]), (400, False))

    def test_transcript(self) -> None:
        """A transcript is replayed byte for byte."""
        response = self.post(model="transcript/14_unknown_events_and_framing")

        self.assertEqual(self.read(response), (TRANSCRIPTS / "14_unknown_events_and_framing.ndjson").read_bytes())

    def test_models(self) -> None:
        """The model list is public and holds the catalogue and every scenario."""
        pending = self.treq.get("http://127.0.0.1/provider/v1/models")

        listing = json.loads(self.read(self.successResultOf(pending)))
        self.assertEqual(listing["object"], "list")
        self.assertEqual([model["id"] for model in listing["data"]], [*(entry.id for entry in CATALOGUE), *NAMES])
        self.assertEqual(
            set(listing["data"][0]),
            {"id", "object", "created", "owned_by", "name", "context_length", "supported_endpoints"},
        )

    def test_unknown_route(self) -> None:
        """An unknown path gets 404 in the service's envelope."""
        pending = self.treq.get("http://127.0.0.1/v1/models")

        response = self.successResultOf(pending)
        self.assertEqual((response.code, self.error(response)["code"]), (404, "NOT_FOUND"))

    def test_wrong_method(self) -> None:
        """A wrong method gets 405 in the service's envelope."""
        pending = self.treq.get(GENERATE)

        response = self.successResultOf(pending)
        self.assertEqual((response.code, self.error(response)["code"]), (405, "METHOD_NOT_ALLOWED"))

    def test_slow(self) -> None:
        """A slow answer comes as its clock ticks."""
        reader = self.watch(self.post(model="sim/slow"))
        first = reader.data.count(b"\n")

        self.clock.advance(0.2)
        self.treq.flush()

        self.assertEqual((first, reader.data.count(b"\n")), (3, 4))
        self.assertEqual(self.simulator.open_streams, 1)

    def test_silent(self) -> None:
        """A silent answer sends its headers and nothing more."""
        response = self.post(model="sim/silent")

        reader = self.watch(response)
        self.clock.advance(10_000)
        self.treq.flush()

        self.assertEqual((response.code, reader.data, reader.reason), (200, b"", None))

    def test_finished(self) -> None:
        """A complete answer is not open any more, and nobody left early."""
        self.read(self.post())

        self.assertEqual((self.simulator.open_streams, self.simulator.closed_early), (0, 0))

    def test_hanging_up(self) -> None:
        """A client that hangs up stops the production and is counted."""
        reader = self.watch(self.post(model="sim/slow"))
        assert reader.transport is not None

        reader.transport.loseConnection()
        self.treq.flush()

        self.assertEqual((self.simulator.open_streams, self.simulator.closed_early), (0, 1))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cut(self) -> None:
        """A cut loses the connection in the middle, and is not the client's doing."""
        reader = self.watch(self.post(model="sim/cut"))

        self.clock.advance(1)
        self.treq.flush()

        self.assertIn(b"text-delta", reader.data)
        assert reader.reason is not None
        self.assertIn("ResponseFailed", repr(reader.reason))
        self.assertEqual((self.simulator.open_streams, self.simulator.closed_early), (0, 0))


class MemoryTests(SynchronousTestCase):
    """What the simulator remembers of a request."""

    def recorded(self, *posts: dict[str, str]) -> Simulator:
        """A simulator that remembers two requests, after requests with these headers."""
        simulator = Simulator(Clock(), remember=2)
        treq: Any = StubTreq(simulator.resource())
        for headers in posts:
            treq.post(GENERATE, data=json.dumps(body()).encode(), headers=headers)
        return simulator

    def test_body(self) -> None:
        """The parsed body and the headers are kept."""
        (request,) = self.recorded(HEADERS).requests

        self.assertEqual(request.body, body())
        self.assertEqual(request.headers["x-command-code-version"], "1.62.1")

    def test_no_key(self) -> None:
        """No key is kept, wherever it stood."""
        (request,) = self.recorded({**HEADERS, "x-api-key": "user_test_key", "cookie": "user_test_key"}).requests

        self.assertNotIn("user_test_key", repr(request))

    def test_same_key(self) -> None:
        """Requests with the same key can be told from those with another."""
        first, second = self.recorded(HEADERS, HEADERS).requests
        _, third = self.recorded(HEADERS, {**HEADERS, "authorization": "Bearer user_other_key"}).requests

        self.assertEqual(first.key, second.key)
        self.assertNotIn(third.key, (first.key, ""))

    def test_missing_key(self) -> None:
        """A request without a key has no digest."""
        headers = {name: value for name, value in HEADERS.items() if name != "authorization"}

        (request,) = self.recorded(headers).requests

        self.assertEqual(request.key, "")

    def test_bounded(self) -> None:
        """Only the latest requests are kept."""
        simulator = self.recorded(HEADERS, {**HEADERS, "x-n": "2"}, {**HEADERS, "x-n": "3"})

        self.assertEqual([request.headers["x-n"] for request in simulator.requests], ["2", "3"])
