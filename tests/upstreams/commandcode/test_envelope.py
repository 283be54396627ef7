"""Tests of the request as it travels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from attrs import evolve
from hypothesis import HealthCheck, given, settings
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.codecs import Identity
from ccproxy.errors import Kind, ProxyError
from ccproxy.keys import Key
from ccproxy.prompt import Effort, Message, Note, NoteCode, Prompt, Role, Text, Tool, ToolCall
from ccproxy.simulator import pairing, validation
from ccproxy.simulator.asked import asked
from ccproxy.upstreams.commandcode.envelope import Envelope
from tests.upstreams.commandcode.conversations import conversations

SESSION = "0b8f6a52-6c1e-4d55-9c1a-5d6f0f3f7a10"
IDENTITY = Identity(
    key=Key("user_test_key"),
    session=SESSION,
    version="1.66.0",
    trace_id="0af7651916cd43dd8448eb211c80319c",
    span_id="b7ad6b7169203331",
    date="2026-10-01",
)
ENVELOPE = Envelope("https://api.example.com/", "cc-proxy", "linux")
HELLO = Message(Role.USER, (Text("hello"),))
PROMPT = Prompt("nobody/nothing", (HELLO,))


def body_of(prompt: Prompt) -> Any:
    """The body of a prompt's request, read."""
    return json.loads(ENVELOPE.generate(prompt, IDENTITY).body)


class BodyTests(SynchronousTestCase):
    """The envelope."""

    def test_bytes(self) -> None:
        """It holds neutral surroundings, the session, and the params, in the order of the upstream's own client."""
        request = ENVELOPE.generate(PROMPT, IDENTITY)

        expected = (
            b'{"config":{"workingDir":"/workspace","date":"2026-10-01","environment":"linux","structure":[],'
            b'"isGitRepo":false,"currentBranch":"","mainBranch":"","gitStatus":"","recentCommits":[]},'
            b'"memory":null,"taste":null,"skills":null,"permissionMode":"standard",'
            b'"threadId":"0b8f6a52-6c1e-4d55-9c1a-5d6f0f3f7a10",'
            b'"params":{"model":"nobody/nothing","messages":[{"role":"user","content":[{"type":"text","text":"hello"}]}],'
            b'"tools":[],"system":" ","max_tokens":64000,"stream":true}}'
        )
        self.assertEqual((request.method, request.url), ("POST", "https://api.example.com/alpha/generate"))
        self.assertEqual(request.body, expected)

    def test_notes(self) -> None:
        """The request has its own notes, not those of the prompt again."""
        prompt = evolve(PROMPT, max_tokens=10**6, notes=(Note(NoteCode.IGNORED, ("x",)),))

        request = ENVELOPE.generate(prompt, IDENTITY)

        self.assertEqual(request.notes, (Note(NoteCode.MAX_TOKENS_CLAMPED, ("max_tokens",)),))

    def test_unpaired_surrogates(self) -> None:
        """Half a character goes up as a replacement character."""
        prompt = evolve(PROMPT, messages=(Message(Role.USER, (Text("a\ud83d"),)),))

        self.assertEqual(body_of(prompt)["params"]["messages"][0]["content"][0]["text"], "a\ufffd")

    def test_deep_nesting(self) -> None:
        """Arguments and schemas that are nested without end cannot bring anything down."""
        deep: dict[str, object] = {}
        for _ in range(100_000):
            deep = {"type": deep}
        call = ToolCall("a", "read", '{"x":' * 5_000 + "1" + "}" * 5_000)

        error = self.assertRaises(
            ProxyError, ENVELOPE.generate, evolve(PROMPT, tools=(Tool("read", None, deep),)), IDENTITY
        )
        while deep:
            deep = deep.pop("type")  # type: ignore[assignment]  # taken apart, as its destruction would recurse

        self.assertIs(error.kind, Kind.INVALID_REQUEST)
        self.assertTrue(body_of(evolve(PROMPT, messages=(Message(Role.ASSISTANT, (call,)),))))


class HeadersTests(SynchronousTestCase):
    """The headers."""

    def test_all(self) -> None:
        """They are what the upstream needs and nothing else."""
        request = ENVELOPE.generate(PROMPT, IDENTITY)

        self.assertEqual(
            request.headers,
            (
                ("Authorization", "Bearer user_test_key"),
                ("Content-Type", "application/json"),
                ("Accept-Encoding", "identity"),
                ("x-command-code-version", "1.66.0"),
                ("x-cli-environment", "production"),
                ("x-project-slug", "cc-proxy"),
                ("x-session-id", SESSION),
                ("x-taste-learning", "false"),
                ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ),
        )

    def test_optional(self) -> None:
        """A user agent and zero data retention are sent when they are set."""
        envelope = evolve(ENVELOPE, user_agent="example/1.0", zero_data_retention=True)

        headers = envelope.generate(PROMPT, IDENTITY).headers

        self.assertEqual(headers[-2:], (("x-cmd-zdr", "1"), ("User-Agent", "example/1.0")))

    def test_zero_data_retention_of_the_caller(self) -> None:
        """A caller can ask for zero data retention too."""
        headers = ENVELOPE.generate(PROMPT, evolve(IDENTITY, zero_data_retention=True)).headers

        self.assertIn(("x-cmd-zdr", "1"), headers)

    def test_key_is_hidden(self) -> None:
        """A request that is shown does not show the key or the conversation."""
        shown = repr(ENVELOPE.generate(PROMPT, IDENTITY))

        self.assertNotIn("user_test_key", shown)
        self.assertNotIn("hello", shown)

    def test_injection(self) -> None:
        """No value can bring a header of its own, and none is repeated in the complaint."""
        bad = "1.0\r\nx-evil: 1"

        identities = (
            evolve(IDENTITY, session=bad),
            evolve(IDENTITY, version=bad),
            evolve(IDENTITY, trace_id=bad),
            evolve(IDENTITY, span_id=bad),
            evolve(IDENTITY, key=Key(bad)),
        )

        for identity in identities:
            error = self.assertRaises(ValueError, ENVELOPE.generate, PROMPT, identity)
            self.assertNotIn("evil", str(error))
        for name in ("project_slug", "user_agent"):
            self.assertRaises(ValueError, evolve, ENVELOPE, **{name: bad})

    def test_models(self) -> None:
        """The list of models is asked for without a key."""
        request = evolve(ENVELOPE, user_agent="example/1.0").models()

        self.assertEqual((request.method, request.url), ("GET", "https://api.example.com/provider/v1/models"))
        self.assertEqual(request.headers, (("Accept-Encoding", "identity"), ("User-Agent", "example/1.0")))
        self.assertEqual(request.body, b"")


class TakenTests(SynchronousTestCase):
    """Requests before an independent judge of what the upstream takes."""

    def complaint(self, prompt: Prompt) -> object:
        """What the simulated upstream has against a prompt's request."""
        request = ENVELOPE.generate(prompt, IDENTITY)
        headers = {name.lower(): value for name, value in request.headers}
        body = json.loads(request.body)
        return (
            validation.refusal_of_headers(headers)
            or validation.refusal_of_body(headers, body)
            or pairing.complaint(asked(body).messages)
        )

    def test_settings(self) -> None:
        """A prompt with everything set is taken."""
        prompt = evolve(
            PROMPT,
            tools=(Tool("read", None, {}),),
            max_tokens=10**9,
            temperature=1.5,
            top_p=0.5,
            effort=Effort.MAX,
            parallel_tool_calls=True,
        )

        self.assertIsNone(self.complaint(prompt))

    @given(conversations())
    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_any_conversation(self, messages: Sequence[Message]) -> None:
        """Any conversation is taken."""
        self.assertIsNone(self.complaint(evolve(PROMPT, messages=(HELLO, *messages))))

    @given(conversations())
    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_same_bytes(self, messages: Sequence[Message]) -> None:
        """What went up is, byte for byte, the beginning of what goes up a turn later."""
        asked_before = (HELLO, *messages)
        asked_now = (*asked_before, Message(Role.ASSISTANT, (Text("answer"),)), Message(Role.USER, (Text("more"),)))

        before = ENVELOPE.generate(evolve(PROMPT, messages=asked_before), IDENTITY).body
        now = ENVELOPE.generate(evolve(PROMPT, messages=asked_now), IDENTITY).body

        conversation, end, _ = before.partition(b'],"tools":[],"system":')
        self.assertTrue(end)
        self.assertTrue(now.startswith(conversation))
