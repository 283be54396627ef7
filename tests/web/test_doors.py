"""Tests of the paths, and of bodies in another form than that of their path, from the socket to the answer."""

from __future__ import annotations

import json
from typing import Any

from tests.dialects.strict import read_chat, read_completions, read_messages
from tests.web.house import CHAT, KEY, MESSAGES, Answer, HouseTestCase

HEADERS = {"authorization": f"Bearer {KEY}"}
RESULT = [{"type": "tool_result", "tool_use_id": "A", "content": "sunny"}]
CLAUDE = [
    {"role": "user", "content": "What is the weather?"},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "A", "name": "weather", "input": {}}]},
    {"role": "user", "content": RESULT},
]


class DoorTests(HouseTestCase):
    """A daemon."""

    def posted(self, path: str, **fields: Any) -> Answer:
        """The answer to a body at a path."""
        return self.daemon().connect().ask("POST", path, {"model": "sim/text", **fields}, HEADERS).answer

    def test_paths(self) -> None:
        """Every path of a dialect answers in it."""
        objects = {
            "/v1/chat/completions": "chat.completion",
            "/chat/completions": "chat.completion",
            "/openai/v1/chat/completions": "chat.completion",
            "/v1/completions": "text_completion",
            "/completions": "text_completion",
            "/openai/v1/completions": "text_completion",
        }

        for path, kind in objects.items():
            body = {"prompt": "hello"} if kind == "text_completion" else {"messages": CLAUDE[:1]}
            self.assertEqual(self.posted(path, **body).document["object"], kind, path)
        for path in ("/v1/messages", "/messages", "/anthropic/v1/messages"):
            self.assertEqual(self.posted(path, messages=CLAUDE[:1], max_tokens=9).document["type"], "message", path)

    def test_legacy_stream(self) -> None:
        """The legacy API streams text, and says its errors as Chat Completions does."""
        answer = self.posted("/v1/completions", prompt="hello", stream=True)
        refused = self.posted("/v1/completions", prompt=[1, 2])

        self.assertTrue(read_completions(answer.body).text)
        self.assertEqual((refused.status, refused.error["param"]), (400, "prompt[0]"))

    def test_claude_form_to_chat(self) -> None:
        """A conversation of Messages that comes to Chat Completions is answered in chunks, and the client is told."""
        answer = self.posted(CHAT.path, messages=CLAUDE, tools=[{"name": "weather", "input_schema": {}}], stream=True)

        self.assertEqual((answer.status, answer.headers["x-ccproxy-notes"]), (200, "foreign-form=1"))
        self.assertTrue(read_chat(answer.body).text)

    def test_chat_form_to_messages(self) -> None:
        """A conversation of Chat Completions that comes to Messages is answered in its events."""
        call = {"id": "A", "function": {"name": "weather", "arguments": "{}"}}
        messages = [
            CLAUDE[0],
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "A", "content": "a"},
        ]

        answer = self.posted(MESSAGES.path, messages=messages, stream=True)

        self.assertTrue(read_messages(answer.body).done)

    def test_strictness(self) -> None:
        """A foreign form is no unknown field: a strict daemon takes it, too."""
        daemon = self.daemon(strict=True)

        body = {"model": "sim/text", "messages": CLAUDE, "stream": True, "stream_options": {"include_usage": True}}
        answer = daemon.connect().ask("POST", CHAT.path, json.dumps(body).encode(), HEADERS).answer

        self.assertTrue(read_chat(answer.body).usage_apart)

    def test_responses_form_to_chat(self) -> None:
        """A body of Responses that comes to Chat Completions is answered in chat form, tools included, and the client is told."""
        tool = {"type": "function", "name": "look_up", "parameters": {"type": "object", "properties": {}}}
        said = self.posted(CHAT.path, input=[{"role": "user", "content": [{"type": "input_text", "text": "hello"}]}])
        called = self.posted(CHAT.path, model="sim/tool", input="hello", tools=[tool], stream=True)

        self.assertEqual((said.status, said.headers["x-ccproxy-notes"]), (200, "foreign-form=1"))
        self.assertTrue(said.document["choices"][0]["message"]["content"])
        self.assertEqual([call["name"] for call in read_chat(called.body).calls], ["look_up"])
        self.assertIn("foreign-form=1", called.headers["x-ccproxy-notes"])

    def test_models_for_codex(self) -> None:
        """Who asks for models with a version of Codex gets them as Codex reads them; everybody else as before."""
        client = self.daemon(use_provider_models=False).connect()
        for query in ("", "?client_version=0.169.0"):
            client.ask("GET", f"/v1/models{query}", None, HEADERS)

        usual, codex = (answer.document for answer in client.answers)
        self.assertEqual([model["id"] for model in usual["data"]], [model["slug"] for model in codex["models"]])

    def test_place_of_the_conversation(self) -> None:
        """A conversation that says nothing is refused by the name that its client has for it."""
        places = (
            ("/v1/responses", {"input": " "}, "input"),
            ("/v1/completions", {"prompt": " "}, "prompt"),
            (CHAT.path, {"messages": [{"role": "user", "content": " "}]}, "messages"),
            (CHAT.path, {"input": " "}, "input"),
        )
        for path, body, place in places:
            error = self.posted(path, **body).error
            self.assertEqual((error["param"], error["message"]), (place, f"{place}: no message says anything."), path)
