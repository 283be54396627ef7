"""This module is the tests of the registry of dialects, and of what each dialect says about itself and about models."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.codecs import Dialect, Model
from ccproxy.dialects import DIALECTS
from ccproxy.events import Event, TextDelta, TextDeltas, TextEnded, TextStarted, singly
from ccproxy.fields import Fields
from tests.dialects.turns import HIDDEN, TURN, encoded, turns

KNOWN = Model(
    "vendor/big",
    "Big",
    created=1_700_000_000,
    context_length=200_000,
    max_output=64_000,
    images=True,
    efforts=("low", "high"),
    endpoints=("chat",),
)
BLIND = Model("vendor/blind", images=False, efforts=())
BARE = Model("vendor/small")


def dialect(name: str) -> Dialect:
    """The dialect of a name."""
    (only,) = (dialect for dialect in DIALECTS if dialect.name == name)
    return only


class TogetherTests(SynchronousTestCase):
    """Pieces of text that come together."""

    @settings(deadline=None)
    @given(turns(), st.data())
    def test_as_apart(self, events: list[Event], data: st.DataObject) -> None:
        """Every dialect says them as it says them apart, in a stream and in a document, whatever else the turn says."""
        joined = list(together(events, data.draw(st.lists(st.booleans(), min_size=len(events), max_size=len(events)))))
        self.assertEqual(list(singly(joined)), events)
        for dialect in DIALECTS:
            for stream in (True, False):
                for turn in (TURN, HIDDEN, evolve(TURN, model="a\u2028b")):
                    apart, at_once = dialect.encoder(turn, stream=stream), dialect.encoder(turn, stream=stream)
                    self.assertEqual(encoded(at_once, joined), encoded(apart, events), dialect.name)

    def test_empty_piece_first(self) -> None:
        """An empty piece opens no block: what follows it does not go into the block that has been closed."""
        again: list[Event] = [TextStarted(), TextDelta(""), TextDelta(""), TextDelta("b"), TextEnded()]
        events: list[Event] = [TextStarted(), TextDelta("a"), TextEnded(), *again]
        joined: list[Event] = [*events[:4], TextDeltas(["", "", "b"]), TextEnded()]
        for dialect in DIALECTS:
            apart, at_once = dialect.encoder(TURN, stream=True), dialect.encoder(TURN, stream=True)
            self.assertEqual(encoded(at_once, joined), encoded(apart, events), dialect.name)


def together(events: Iterable[Event], joins: Iterable[bool]) -> Iterator[Event]:
    """The same events, some pieces of text that follow each other joined."""
    texts: list[str] = []
    for event, joined in zip(events, joins, strict=True):
        if texts and not (joined and isinstance(event, TextDelta)):
            yield TextDeltas(texts) if len(texts) > 1 else TextDelta(texts[0])
            texts = []
        if isinstance(event, TextDelta):
            texts = [*texts, event.text]
        else:
            yield event
    if texts:
        yield TextDeltas(texts) if len(texts) > 1 else TextDelta(texts[0])


class RegistryTests(SynchronousTestCase):
    """All dialects together."""

    def test_paths(self) -> None:
        """Every path belongs to one dialect, with and without the version, and with the name of the vendor."""
        self.assertEqual(
            {path: dialect.name for dialect in DIALECTS for path in dialect.paths},
            {
                "/v1/chat/completions": "openai_chat",
                "/chat/completions": "openai_chat",
                "/openai/v1/chat/completions": "openai_chat",
                "/v1/messages": "anthropic_messages",
                "/messages": "anthropic_messages",
                "/anthropic/v1/messages": "anthropic_messages",
                "/v1/completions": "openai_completions",
                "/completions": "openai_completions",
                "/openai/v1/completions": "openai_completions",
                "/v1/responses": "openai_responses",
                "/responses": "openai_responses",
                "/openai/v1/responses": "openai_responses",
                "/v1/responses/compact": "openai_responses_compact",
                "/responses/compact": "openai_responses_compact",
                "/openai/v1/responses/compact": "openai_responses_compact",
            },
        )

    def test_headers_tell_an_anthropic_client(self) -> None:
        """On a path that dialects share, anthropic-version shows the Messages dialect; no header shows the other."""
        speaking = [dialect.name for dialect in DIALECTS if dialect.speaks({"anthropic-version": "2023-06-01"}, ())]
        silent = [dialect.name for dialect in DIALECTS if dialect.speaks({"authorization": "Bearer user_test_key"}, ())]

        self.assertEqual((speaking, silent), (["anthropic_messages"], []))

    def test_query_tells_codex(self) -> None:
        """On a path that dialects share, a client's version in the query shows Codex, which speaks Responses."""
        speaking = [dialect.name for dialect in DIALECTS if dialect.speaks({}, ["client_version"])]

        self.assertEqual(speaking, ["openai_responses"])

    def test_content_types(self) -> None:
        """A stream is an event stream and a document is JSON, in every dialect."""
        for dialect in DIALECTS:
            self.assertEqual(dialect.encoder(TURN, stream=True).content_type, "text/event-stream")
            self.assertEqual(dialect.encoder(TURN, stream=False).content_type, "application/json")

    def test_parse(self) -> None:
        """Every dialect reads its simplest request into the same question, apart from who sees the reasoning and what sums it up."""
        said = [{"role": "user", "content": "hello"}]
        bodies: list[dict[str, Any]] = [
            {"messages": said},
            {"messages": said},
            {"prompt": "hello"},
            {"input": "hello"},
            {"input": "hello"},
        ]

        prompts = [
            dialect.parse(Fields({"model": "m", **body}, "")) for dialect, body in zip(DIALECTS, bodies, strict=True)
        ]

        self.assertEqual(len({(prompt.model, prompt.messages[0]) for prompt in prompts}), 1)
        self.assertEqual([len(prompt.messages) for prompt in prompts], [1, 1, 1, 1, 2])
        self.assertEqual([prompt.view.reasoning for prompt in prompts], [True, False, False, True, False])


class OpenAIModelTests(SynchronousTestCase):
    """Models as OpenAI's clients read them."""

    def test_list(self) -> None:
        """The list holds what is known of each model, and leaves out the rest."""
        read = json.loads(dialect("openai_chat").models([KNOWN, BARE]))

        big = {
            "id": "vendor/big",
            "object": "model",
            "created": 1_700_000_000,
            "owned_by": "command-code",
            "name": "Big",
            "context_length": 200_000,
            "max_output_tokens": 64_000,
            "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
            "reasoning": {"supported_efforts": ["low", "high"]},
            "supported_endpoints": ["chat"],
        }
        small = {"id": "vendor/small", "object": "model", "created": 0, "owned_by": "command-code"}
        self.assertEqual(read, {"object": "list", "data": [big, small]})

    def test_cannot(self) -> None:
        """What a model is known not to take is said, other than what is not known."""
        read = json.loads(dialect("openai_chat").model(BLIND))

        self.assertEqual(read["architecture"]["input_modalities"], ["text"])
        self.assertEqual(read["reasoning"]["supported_efforts"], [])

    def test_one(self) -> None:
        """One model looks as it does in the list, in both of OpenAI's APIs."""
        for name in ("openai_chat", "openai_completions"):
            speaking = dialect(name)
            self.assertEqual(json.loads(speaking.model(KNOWN)), json.loads(speaking.models([KNOWN]))["data"][0])


class MessagesModelTests(SynchronousTestCase):
    """Models as Anthropic's clients read them."""

    def test_list(self) -> None:
        """The list is one whole page, with what is known of each model and a name for all of them."""
        read = json.loads(dialect("anthropic_messages").models([KNOWN, BARE]))

        big = {
            "type": "model",
            "id": "vendor/big",
            "display_name": "Big",
            "created_at": "2023-11-14T22:13:20Z",
            "max_input_tokens": 200_000,
            "max_tokens": 64_000,
            "input_modalities": ["text", "image"],
            "supported_efforts": ["low", "high"],
        }
        small = {
            "type": "model",
            "id": "vendor/small",
            "display_name": "vendor/small",
            "created_at": "1970-01-01T00:00:00Z",
        }
        page = {"data": [big, small], "has_more": False, "first_id": "vendor/big", "last_id": "vendor/small"}
        self.assertEqual(read, page)

    def test_cannot(self) -> None:
        """What a model is known not to take is said, other than what is not known."""
        read = json.loads(dialect("anthropic_messages").model(BLIND))

        self.assertEqual((read["input_modalities"], read["supported_efforts"]), (["text"], []))

    def test_empty_list(self) -> None:
        """A list without models has no first and no last."""
        read = json.loads(dialect("anthropic_messages").models([]))

        self.assertEqual(read, {"data": [], "has_more": False, "first_id": None, "last_id": None})

    def test_one(self) -> None:
        """One model looks as it does in the list."""
        messages = dialect("anthropic_messages")

        self.assertEqual(json.loads(messages.model(KNOWN)), json.loads(messages.models([KNOWN]))["data"][0])
