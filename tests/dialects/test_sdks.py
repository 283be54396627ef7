"""This module is the vendors' own clients reading what the dialects write, without a network in between."""

from __future__ import annotations

import importlib
from typing import Any

import anthropic
import openai
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.codecs import Turn
from ccproxy.dialects.anthropic_messages.response import MessageDocument, MessageStream
from ccproxy.dialects.openai_chat.response import ChatDocument, ChatStream
from ccproxy.dialects.openai_completions.response import CompletionDocument, CompletionStream
from ccproxy.dialects.openai_responses.document import ResponseDocument
from ccproxy.dialects.openai_responses.response import ResponseStream
from ccproxy.errors import Kind, ProxyError
from ccproxy.events import Event, Failed, Finished, FinishReason, ReasoningDelta, TextDelta, Usage
from tests.dialects.openai_responses.answering import FORMED, SEALED, SUMMARY, call
from tests.dialects.turns import TURN, encoded, said, turns
from tests.unmeasured import Unmeasured

ASKED: list[Any] = [{"role": "user", "content": "hello"}]
FAILED: list[Event] = [TextDelta("a"), Failed(ProxyError(Kind.UPSTREAM, "Gone."))]
KNOWN: list[Event] = [ReasoningDelta("hm"), TextDelta("a"), Finished(FinishReason.STOP, Usage(10, 20, cache_read=8))]


class _Wire:
    """A transport that answers every request with the same body."""

    def __init__(self, client_type: type[Any]) -> None:
        # The SDKs changed their HTTP library between versions; both have the same transport for tests.
        self._http = importlib.import_module(client_type.__mro__[1].__module__)
        self._client_type = client_type
        self._body = b""
        self._content_type = ""

    def carry(self, body: bytes, content_type: str) -> None:
        """Say what to answer from now on."""
        self._body, self._content_type = body, content_type

    def client(self) -> Any:
        """An HTTP client on this wire."""
        return self._client_type(transport=self._http.MockTransport(self._answer))

    def _answer(self, request: object) -> object:
        return self._http.Response(200, headers={"content-type": self._content_type}, content=self._body)


class AnthropicTests(Unmeasured):
    """Anthropic's SDK."""

    def setUp(self) -> None:
        """Put a client on a wire that leads nowhere."""
        self.wire = _Wire(anthropic.DefaultHttpxClient)
        self.client = anthropic.Anthropic(api_key="user_test_key", http_client=self.wire.client(), max_retries=0)

    def accumulated(self, events: list[Event]) -> Any:
        """The message that the SDK makes of the stream of some events."""
        self.wire.carry(encoded(MessageStream(TURN), events), MessageStream.content_type)
        with self.client.messages.stream(model="m", max_tokens=9, messages=ASKED) as stream:
            return stream.get_final_message()

    def created(self, events: list[Event]) -> Any:
        """The message that the SDK makes of the document of some events."""
        self.wire.carry(encoded(MessageDocument(TURN), events), MessageDocument.content_type)
        return self.client.messages.create(model="m", max_tokens=9, messages=ASKED)

    @settings(deadline=None, max_examples=25)
    @given(turns())
    def test_sdk_makes_the_same_of_stream_and_document(self, events: list[Event]) -> None:
        """Whatever a turn says, the SDK accumulates the stream to the content of the document."""
        streamed, created = self.accumulated(events), self.created(events)

        self.assertEqual(
            [block.model_dump(exclude={"parsed_output"}) for block in streamed.content],
            [block.model_dump() for block in created.content],
        )
        self.assertEqual(streamed.stop_reason, created.stop_reason)

    def test_sdk_reads_usage(self) -> None:
        """The SDK sees the tokens of the end, not the zeros of the start."""
        for message in (self.accumulated(KNOWN), self.created(KNOWN)):
            usage = message.usage
            self.assertEqual((usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens), (2, 20, 8))

    def test_sdk_raises_a_failure(self) -> None:
        """A stream that fails is an exception with the words of the failure."""
        error = self.assertRaises(anthropic.APIError, self.accumulated, FAILED)

        self.assertIn("Gone.", str(error))


class OpenAITests(Unmeasured):
    """OpenAI's SDK."""

    def setUp(self) -> None:
        """Put a client on a wire that leads nowhere."""
        self.wire = _Wire(openai.DefaultHttpxClient)
        self.client = openai.OpenAI(api_key="user_test_key", http_client=self.wire.client(), max_retries=0)

    def accumulated(self, events: list[Event]) -> Any:
        """The completion that the SDK makes of the stream of some events."""
        self.wire.carry(encoded(ChatStream(TURN), events), ChatStream.content_type)
        with self.client.chat.completions.stream(model="m", messages=ASKED) as stream:
            stream.until_done()
            return stream.current_completion_snapshot

    def created(self, events: list[Event]) -> Any:
        """The completion that the SDK makes of the document of some events."""
        self.wire.carry(encoded(ChatDocument(TURN), events), ChatDocument.content_type)
        return self.client.chat.completions.create(model="m", messages=ASKED)

    @settings(deadline=None, max_examples=25)
    @given(turns())
    def test_sdk_makes_the_same_of_stream_and_document(self, events: list[Event]) -> None:
        """Whatever a turn says, the SDK accumulates the stream to the message of the document."""
        streamed, created = self.accumulated(events).choices[0], self.created(events).choices[0]

        self.assertEqual(streamed.message.content or "", said(events).text)
        self.assertEqual(created.message.content or "", said(events).text)
        self.assertEqual(_calls(streamed.message), _calls(created.message))
        self.assertEqual(streamed.finish_reason, created.finish_reason)

    def test_sdk_reads_usage(self) -> None:
        """The SDK sees usage and cached tokens."""
        for completion in (self.accumulated(KNOWN), self.created(KNOWN)):
            usage = completion.usage
            self.assertEqual((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (10, 20, 30))
            self.assertEqual(usage.prompt_tokens_details.cached_tokens, 8)

    def test_sdk_raises_a_failure(self) -> None:
        """A stream that fails is an exception with the words of the failure."""
        error = self.assertRaises(openai.APIError, self.accumulated, FAILED)

        self.assertIn("Gone.", str(error))

    @settings(deadline=None, max_examples=25)
    @given(turns())
    def test_sdk_reads_legacy_answers(self, events: list[Event]) -> None:
        """Whatever a turn says, the SDK reads its text from a legacy stream and from a legacy document."""
        completions = self.client.completions
        self.wire.carry(encoded(CompletionStream(TURN), events), CompletionStream.content_type)
        chunks = list(completions.create(model="m", prompt="hello", stream=True))
        self.wire.carry(encoded(CompletionDocument(TURN), events), CompletionDocument.content_type)
        created = completions.create(model="m", prompt="hello")

        self.assertEqual("".join(chunk.choices[0].text for chunk in chunks), said(events).text)
        self.assertEqual(created.choices[0].text, said(events).text)
        self.assertEqual(chunks[-1].choices[0].finish_reason, created.choices[0].finish_reason)

    def test_sdk_raises_a_legacy_failure(self) -> None:
        """A legacy stream that fails is an exception with the words of the failure."""
        self.wire.carry(encoded(CompletionStream(TURN), FAILED), CompletionStream.content_type)

        error = self.assertRaises(
            openai.APIError, list, self.client.completions.create(model="m", prompt="hello", stream=True)
        )

        self.assertIn("Gone.", str(error))


def _calls(message: Any) -> list[tuple[str, str, str]]:
    return [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()]


class OpenAIResponsesTests(Unmeasured):
    """OpenAI's SDK on Responses."""

    def setUp(self) -> None:
        """Put a client on a wire that leads nowhere."""
        self.wire = _Wire(openai.DefaultHttpxClient)
        self.client = openai.OpenAI(api_key="user_test_key", http_client=self.wire.client(), max_retries=0)

    def events(self, turn: Turn, events: list[Event], *, pings: int = 0) -> list[Any]:
        """The events that the SDK makes of the stream of some events, begun with some pings."""
        encoder = ResponseStream(turn)
        before = b"".join(encoder.ping() for _ in range(pings))
        self.wire.carry(before + encoded(encoder, events), ResponseStream.content_type)
        with self.client.responses.stream(model="m", input="hello") as stream:
            return list(stream)

    def created(self, turn: Turn, events: list[Event]) -> Any:
        """The response that the SDK makes of the document of some events."""
        self.wire.carry(encoded(ResponseDocument(turn), events), ResponseDocument.content_type)
        return self.client.responses.create(model="m", input="hello")

    @settings(deadline=None, max_examples=25)
    @given(turns(), st.sampled_from([TURN, SEALED, SUMMARY, FORMED]))
    def test_sdk_makes_the_same_of_stream_and_document(self, events: list[Event], turn: Turn) -> None:
        """Whatever a turn says, and however long the client waits for it, the SDK's last response is that of the document."""
        *_, last = self.events(turn, events, pings=12)

        created = self.created(turn, events)
        left_out: Any = {"output": {"__all__": {"content": {"__all__": {"parsed"}}, "parsed_arguments": True}}}
        shown = [item.model_dump(exclude_unset=True) for item in created.output]
        streamed = last.response.model_dump(exclude_unset=True, exclude=left_out)["output"]
        self.assertEqual(streamed, shown)
        self.assertEqual((last.response.status, last.response.usage), (created.status, created.usage))
        self.assertEqual(created.output_text, said(events).text)

    def test_sdk_reads_custom_calls(self) -> None:
        """The SDK sees the text of a custom tool, and the action of the local shell."""
        called = [*call("patch", '{"input":"p"}', call_id="a"), *call("shell", '{"command":["ls"]}', call_id="b")]

        *_, last = self.events(FORMED, [*called, Finished(FinishReason.TOOL_CALLS)])

        custom, shell = last.response.output
        self.assertEqual((custom.input, shell.action.command), ("p", ["ls"]))

    def test_sdk_reads_a_failure(self) -> None:
        """A stream that fails ends with the failed response."""
        *_, last = self.events(TURN, FAILED)

        self.assertEqual((last.type, last.response.error.message), ("response.failed", "Gone."))
