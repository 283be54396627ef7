"""This module is the tests of the Responses dialect as a whole: which request leads to which answer, and what is kept of it."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.codecs import Encoder, Model, Turn
from ccproxy.dialects.openai_chat.dialect import OpenAIChat
from ccproxy.dialects.openai_responses.compaction import CompactionDocument, CompactionStream
from ccproxy.dialects.openai_responses.dialect import OpenAIResponses, ResponsesCompact
from ccproxy.dialects.openai_responses.dialogue import ResponsesDialogue
from ccproxy.dialects.openai_responses.document import ResponseDocument
from ccproxy.dialects.openai_responses.memory import ResponseMemory
from ccproxy.dialects.openai_responses.output import kept_of
from ccproxy.dialects.openai_responses.response import ResponseStream
from ccproxy.errors import Kind, ProxyError
from ccproxy.events import TextDelta
from ccproxy.fields import Fields
from ccproxy.prompt import Prompt
from tests.dialects.openai_responses.answering import STOP
from tests.dialects.turns import encoded

RESPONSES, COMPACT = OpenAIResponses(), ResponsesCompact()
TRIGGER = [{"role": "user", "content": "Hi"}, {"type": "compaction_trigger"}]


def parsed(dialect: OpenAIResponses = RESPONSES, **fields: Any) -> Prompt:
    """What a dialect reads of a request."""
    return dialect.parse(Fields({"model": "m", "input": "hello", **fields}, ""))


def encoder(dialect: OpenAIResponses = RESPONSES, **fields: Any) -> Encoder:
    """The encoder of the answer to a request."""
    prompt = parsed(dialect, **fields)
    return dialect.encoder(Turn("7f3a", 1_700_000_000, "m", prompt.view), stream=prompt.stream)


class RequestTests(SynchronousTestCase):
    """What a request leads to."""

    def test_encoders(self) -> None:
        """A request is answered in the mode that it asks for, and with a sum where it asks for one."""
        self.assertIsInstance(encoder(), ResponseDocument)
        self.assertIsInstance(encoder(stream=True), ResponseStream)
        self.assertIsInstance(encoder(input=TRIGGER), CompactionDocument)
        self.assertIsInstance(encoder(input=TRIGGER, stream=True), CompactionStream)

    def test_trigger(self) -> None:
        """A request for a sum asks the model for one, and offers no tools."""
        tools = [{"type": "function", "name": "look"}]

        asked, summed = parsed(tools=tools), parsed(tools=tools, input=TRIGGER)

        self.assertEqual((len(asked.tools), len(asked.messages)), (1, 1))
        self.assertEqual((len(summed.tools), len(summed.messages)), (0, 2))

    def test_compact(self) -> None:
        """On its own path any request is one for a sum, which comes in one piece."""
        for fields in ({}, {"stream": True}, {"input": TRIGGER}, {"background": True}):
            prompt = parsed(COMPACT, **fields)

            self.assertEqual((prompt.stream, prompt.view.detached, len(prompt.messages)), (False, False, 2))
            answer = json.loads(encoded(encoder(COMPACT, **fields), [TextDelta("a"), STOP]))
            self.assertEqual(answer["object"], "response.compaction")

    def test_background(self) -> None:
        """An answer that is made in the background is detached from its client."""
        self.assertEqual([parsed(background=value).view.detached for value in (True, False)], [True, False])

    def test_codex(self) -> None:
        """Codex is told inside the stream what it acts on only there; any other client by the status."""
        codex, other = parsed(client_metadata={"a": "b"}), parsed()

        kinds = {Kind.CONTEXT_LENGTH, Kind.CREDIT, Kind.RATE_LIMITED}
        self.assertEqual((codex.view.in_band, other.view.in_band), (kinds, set()))

    def test_view(self) -> None:
        """What is asked of the answer is known without reading the rest."""
        view = RESPONSES.view(Fields({"input": "hello", "include": ["reasoning.encrypted_content"]}, ""))

        self.assertTrue(kept_of(view).sealed)
        self.assertTrue(RESPONSES.recognises(Fields({"input": "hello"}, "")))

    def test_refusal(self) -> None:
        """Both doors refuse in the same words."""
        error = ProxyError(Kind.OVERLOADED, "Full.")

        self.assertEqual(json.loads(RESPONSES.refusal(error))["error"]["code"], "server_is_overloaded")
        self.assertEqual(COMPACT.refusal(error), RESPONSES.refusal(error))

    def test_models(self) -> None:
        """The list of models is Codex's; a single model is OpenAI's."""
        model = Model("vendor/big")

        self.assertEqual(json.loads(RESPONSES.models([model]))["models"][0]["slug"], "vendor/big")
        self.assertEqual(RESPONSES.model(model), OpenAIChat().model(model))


class MemoryTests(SynchronousTestCase):
    """What is kept of an answer, and found again."""

    def setUp(self) -> None:
        """Answer a request."""
        self.memory = ResponseMemory(RESPONSES.paths)
        answering = encoder(input="High water?")
        encoded(answering, [TextDelta("At six."), STOP])
        self.records = self.memory.records(answering)

    def test_continued(self) -> None:
        """A request that goes on from an answer means the whole conversation."""
        body = Fields({"model": "m", "input": "Sure?", "previous_response_id": "resp_7f3a"}, "")
        self.assertEqual(self.memory.wanted(body), ("resp_7f3a",))

        prompt = RESPONSES.parse(self.memory.completed(body, self.records))

        texts = [part.text for message in prompt.messages for part in message.parts]  # type: ignore[union-attr]
        self.assertEqual(texts, ["High water?", "At six.", "Sure?"])

    def test_referred(self) -> None:
        """An item can be referred to by its own name."""
        items = [{"type": "item_reference", "id": "msg_7f3a00"}, {"role": "user", "content": "Sure?"}]
        body = Fields({"model": "m", "input": items}, "")

        prompt = RESPONSES.parse(self.memory.completed(body, self.records))

        texts = [part.text for message in prompt.messages for part in message.parts]  # type: ignore[union-attr]
        self.assertEqual((self.memory.wanted(body), texts), (("msg_7f3a00",), ["At six.", "Sure?"]))

    def test_shown(self) -> None:
        """The record shows the response, its input and its parts."""
        record = self.records["resp_7f3a"]

        self.assertEqual(json.loads(self.memory.shown(record))["output"][0]["id"], "msg_7f3a00")
        self.assertEqual(len(json.loads(self.memory.inputs(record, {}))["data"]), 1)
        self.assertEqual((self.memory.is_open(record), self.memory.parts(record)), (False, ["msg_7f3a00"]))
        self.assertIsNone(self.memory.resumed(record, {}))
        self.assertRaises(ProxyError, self.memory.cancelled, record)
        self.assertTrue(json.loads(self.memory.deleted("resp_7f3a"))["deleted"])
        self.assertIs(self.memory.missing("resp_7f3a").kind, Kind.NOT_FOUND)

    def test_connection(self) -> None:
        """Of an answer in a connection the input is remembered too, also where the answer is not to be stored."""
        call = ResponsesDialogue().call(b'{"type":"response.create","model":"m","input":"High water?","store":false}')
        assert call is not None
        answering = RESPONSES.encoder(Turn("7f3a", 0, "m", RESPONSES.parse(call.body).view), stream=True)
        encoded(answering, [TextDelta("At six."), STOP])

        record = self.memory.records(answering, always=True)["resp_7f3a"]

        self.assertEqual(len(json.loads(record)["input"]), 1)
        self.assertEqual(self.memory.records(answering), {})

    def test_not_wanted(self) -> None:
        """Nothing is kept of an answer that is not to be stored, and of what another dialect wrote."""
        answering = encoder(store=False)
        encoded(answering, [TextDelta("At six."), STOP])
        chat = OpenAIChat().encoder(Turn("7f3a", 0, "m"), stream=False)

        self.assertEqual((self.memory.records(answering), self.memory.records(chat)), ({}, {}))
