"""Tests of Responses over a WebSocket: what a message asks for, and how a failure is said."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.dialects.openai_responses.dialogue import ResponsesDialogue
from ccproxy.errors import Kind, ProxyError

CREATE = {"type": "response.create", "model": "sim/text", "input": "hello"}


class CallTests(SynchronousTestCase):
    """What a message asks for."""

    def call(self, **fields: object) -> tuple[dict[str, object], bool]:
        """The request of a message, and whether it is to be answered without content."""
        call = ResponsesDialogue().call(json.dumps({**CREATE, **fields}).encode())
        assert call is not None
        return call.body.decoded(), call.silent

    def refused(self, message: bytes) -> ProxyError:
        """Why a message is none."""
        error: ProxyError = self.assertRaises(ProxyError, ResponsesDialogue().call, message)
        return error

    def test_create(self) -> None:
        """It is the body of a request that is answered with a stream, and of the transport there is only the message's type in it."""
        asked, silent = self.call(store=False, stream=False, stream_options={}, background=True)

        self.assertEqual(
            asked, {"type": "response.create", "model": "sim/text", "input": "hello", "store": False, "stream": True}
        )
        self.assertFalse(silent)

    def test_silent(self) -> None:
        """``generate: false`` wants an answer without content."""
        self.assertEqual([self.call(generate=generate)[1] for generate in (False, True, None)], [True, False, False])
        self.assertNotIn("generate", self.call(generate=False)[0])

    def test_processed(self) -> None:
        """That an answer was read asks for nothing."""
        self.assertIsNone(ResponsesDialogue().call(b'{"type": "response.processed", "response_id": "resp_1"}'))

    def test_wrong(self) -> None:
        """Anything else is wrong, and the error says where."""
        self.assertEqual(self.refused(b'{"type": "response.append"}').field, "type")
        self.assertEqual(self.refused(b'{"input": "hello"}').field, "type")
        self.assertEqual(self.refused(b'{"type": "response.create", "generate": 1}').field, "generate")
        self.assertIn("not valid JSON", self.refused(b"{").message)
        self.assertLess(len(self.refused(b'{"type": "%b"}' % (b"x" * 1000)).message), 200)


class RefusalTests(SynchronousTestCase):
    """How a failure is said."""

    def test_refusal(self) -> None:
        """It is an ``error`` event: the status, and the error as the body of a response has it."""
        error = ProxyError(Kind.RATE_LIMITED, "Slowly.", retry_after=3)
        said = json.loads(ResponsesDialogue().refusal(error))

        self.assertEqual((said["type"], said["status"]), ("error", 429))
        self.assertEqual(said["error"]["code"], "rate_limit_exceeded")
        self.assertEqual(sorted(said), ["error", "status", "type"])

    def test_code(self) -> None:
        """Its code is never null."""
        for kind in Kind:
            said = json.loads(ResponsesDialogue().refusal(ProxyError(kind, "No.")))
            self.assertIsInstance(said["error"]["code"], str)

    def test_expiry(self) -> None:
        """A connection that is too old ends with the code at which clients connect anew."""
        said = json.loads(ResponsesDialogue().expiry(3600))

        self.assertEqual((said["type"], said["error"]["code"]), ("error", "websocket_connection_limit_reached"))
        self.assertIn("(60 minutes)", said["error"]["message"])
