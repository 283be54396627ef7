"""Tests of the upstream as a whole."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.codecs import Identity, Upstream
from ccproxy.errors import Kind
from ccproxy.events import Finished, FinishReason, TextDelta
from ccproxy.keys import Key
from ccproxy.prompt import Message, Prompt, Role, Text
from ccproxy.upstreams.commandcode.models import fallback
from ccproxy.upstreams.commandcode.upstream import CommandCode

ANSWER = b"""{"type":"text-delta","id":"txt-0","text":"Hi"}
{"type":"finish","finishReason":"stop"}
"""


class CommandCodeTests(SynchronousTestCase):
    """Everything that the rest of the house asks of an upstream."""

    upstream: Upstream = CommandCode(
        api_base="https://api.example.com",
        project_slug="cc-proxy",
        user_agent="example/1.0",
        environment="linux",
        zero_data_retention=True,
        line_limit=100,
    )

    def test_credential(self) -> None:
        """It finds the caller's key."""
        self.assertEqual(self.upstream.credential({"x-api-key": "user_test_key"}), Key("user_test_key"))

    def test_generate(self) -> None:
        """It asks with the settings that it was made with."""
        prompt = Prompt("nobody/nothing", (Message(Role.USER, (Text("hello"),)),))
        identity = Identity(Key("user_test_key"), "session", "1.0.0", "0" * 32, "1" * 16, "2026-10-01")

        request = self.upstream.generate(prompt, identity)

        headers = dict(request.headers)
        self.assertEqual(request.url, "https://api.example.com/alpha/generate")
        self.assertEqual(json.loads(request.body)["config"]["environment"], "linux")
        self.assertEqual(
            [headers[name] for name in ("x-project-slug", "User-Agent", "x-cmd-zdr")], ["cc-proxy", "example/1.0", "1"]
        )

    def test_decoder(self) -> None:
        """It decodes answers, each with a decoder of its own."""
        events = list(self.upstream.decoder().feed(ANSWER))

        self.assertIn(TextDelta("Hi"), events)
        assert isinstance(events[-1], Finished)
        self.assertIs(events[-1].reason, FinishReason.STOP)

    def test_line_limit(self) -> None:
        """The limit of a line reaches the decoder."""
        line = b'{"type":"text-delta","id":"txt-0","text":"%b"}\n' % (b"x" * 100)

        self.assertNotIn(TextDelta("x" * 100), list(self.upstream.decoder().feed(line)))

    def test_diagnose(self) -> None:
        """It names the cause of a refusal."""
        self.assertIs(self.upstream.diagnose(402, {}, b"").kind, Kind.CREDIT)

    def test_models(self) -> None:
        """It asks for the list of models, reads it, and has one of its own."""
        request = self.upstream.models_request()
        (model,) = self.upstream.parse_models(b'{"data":[{"id":"a"}]}')

        self.assertEqual(request.url, "https://api.example.com/provider/v1/models")
        self.assertEqual(model.id, "a")
        self.assertEqual(self.upstream.fallback_models(), fallback())
