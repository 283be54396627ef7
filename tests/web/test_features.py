"""Tests of what a request can ask for beside an answer: where it stops, how it thinks, who serves it, what it would cost."""

from __future__ import annotations

from typing import Any

from tests.dialects.strict import read_chat, read_messages
from tests.web.house import CHAT, KEY, MESSAGES, HouseTestCase
from tests.web.scripted import Scripted, texts, thoughts

THINKING: dict[str, Any] = {"thinking": {"type": "adaptive"}}


class StopTests(HouseTestCase):
    """Stop sequences."""

    def test_stream(self) -> None:
        """A stream ends before the sequence, and the upstream is hung up on: the user pays for no more."""
        daemon = self.daemon()
        chat = daemon.connect().post(CHAT, "sim/slow", stream=True, stop="the")
        messages = daemon.connect().post(MESSAGES, "sim/slow", stream=True, stop_sequences=["zzz", "the"])

        daemon.wait(1, 0.2)

        self.assertEqual((daemon.simulator.open_streams, daemon.simulator.closed_early), (0, 2))
        reading = read_chat(chat.answer.body)
        self.assertEqual((reading.text, reading.finish_reason), ("Hello from ", "stop"))
        self.assertEqual(read_messages(messages.answer.body).stop_reason, "stop_sequence")
        self.assertIn(b'"stop_sequence":"the"', messages.answer.body)

    def test_document(self) -> None:
        """A document ends before the sequence too, and says which it was."""
        answer = self.asked(MESSAGES, "sim/text", stop_sequences=["simulator"]).document

        self.assertEqual((answer["stop_reason"], answer["stop_sequence"]), ("stop_sequence", "simulator"))
        self.assertNotIn("simulator", answer["content"][0]["text"])


class ThinkingTests(HouseTestCase):
    """Reasoning, shown and given back."""

    def turn(self, upstream: Scripted, **fields: Any) -> Any:
        """The document of a turn on Messages."""
        return self.daemon(upstream).connect().post(MESSAGES, **{**THINKING, **fields}).answer.document

    def test_given_back(self) -> None:
        """Thinking that comes back with its signature goes up again, also when it was not shown; foreign thinking does not."""
        for display in ("summarized", "omitted"):
            upstream = Scripted(thoughts("hm", "Yes."), texts("Again."))
            thinking: dict[str, Any] = {"thinking": {"type": "adaptive", "display": display}}
            said = self.turn(upstream, **thinking)["content"]
            self.assertEqual(said[0]["thinking"], "" if display == "omitted" else "hm")
            foreign = {"type": "thinking", "thinking": "foreign", "signature": "EqQBCgIYAhIM"}
            history = [
                {"role": "user", "content": "hello"},
                {"role": "assistant", "content": [foreign, *said]},
                {"role": "user", "content": "sure?"},
            ]

            answer = self.daemon(upstream).connect().post(MESSAGES, **thinking, messages=history).answer

            self.assertIn("reasoning-dropped=1", answer.headers["x-ccproxy-notes"])
            sent = upstream.asked[-1]["params"]["messages"][1]["content"]
            self.assertEqual(sent, [{"type": "reasoning", "text": "hm"}, {"type": "text", "text": "Yes."}])

    def test_styles(self) -> None:
        """The operator chooses how chat shows reasoning, alike in stream and document."""
        expected = {
            "field": ("hm", "Yes."),
            "tags": ("", "<think>hm</think>\n\nYes."),
            "both": ("hm", "<think>hm</think>\n\nYes."),
            "off": ("", "Yes."),
        }
        for style, (reasoning, text) in expected.items():
            daemon = self.daemon(Scripted(thoughts("hm", "Yes.")), reasoning_style=style)

            stream = read_chat(daemon.connect().post(CHAT, stream=True).answer.body)
            message = daemon.connect().post(CHAT).answer.document["choices"][0]["message"]

            self.assertEqual((stream.reasoning, stream.text), (reasoning, text), style)
            self.assertEqual((message.get("reasoning_content", ""), message["content"]), (reasoning, text), style)

    def test_style_is_for_chat(self) -> None:
        """Messages has one way to show thinking, whatever the operator chose."""
        daemon = self.daemon(Scripted(thoughts("hm", "Yes.")), reasoning_style="tags")

        content = daemon.connect().post(MESSAGES, **THINKING).answer.document["content"]

        self.assertEqual([block["type"] for block in content], ["thinking", "text"])

    def test_tags_in_the_text(self) -> None:
        """A model that writes its thinking into the text is understood, where the operator wants that."""
        daemon = self.daemon(Scripted(texts("<thi", "nk>hm</think>\n", "Yes.")), split_think_tags=True)

        content = daemon.connect().post(MESSAGES, **THINKING).answer.document["content"]

        self.assertEqual([block[block["type"]] for block in content], ["hm", "Yes."])


class ModelTests(HouseTestCase):
    """Who serves a name."""

    def test_alias(self) -> None:
        """An alias goes up as its model, and the client sees the name that it asked for."""
        daemon = self.daemon(model_aliases=(("claude-haiku-*", "sim/text"),))

        answer = daemon.connect().post(MESSAGES, "claude-haiku-4-5").answer

        self.assertEqual((answer.status, answer.document["model"]), (200, "claude-haiku-4-5"))
        self.assertEqual(daemon.simulator.requests[-1].body["params"]["model"], "sim/text")  # type: ignore[index]
        self.assertIn("model-aliased=1", answer.headers["x-ccproxy-notes"])

    def test_spelling(self) -> None:
        """A known model is found whatever the case of its name."""
        daemon = self.daemon()
        daemon.connect().ask("GET", "/v1/models")

        answer = daemon.connect().post(CHAT, "DEEPSEEK/deepseek-V4-flash").answer

        self.assertEqual((answer.status, answer.document["model"]), (200, "DEEPSEEK/deepseek-V4-flash"))


class CountTests(HouseTestCase):
    """How many tokens a request has."""

    def count(self, daemon: Any, **fields: Any) -> Any:
        """The count of a request."""
        body = MESSAGES.body(**fields)
        return daemon.connect().ask("POST", "/v1/messages/count_tokens?beta=true", body, {"x-api-key": KEY}).answer

    def test_count(self) -> None:
        """A longer conversation has more tokens, and nobody upstream is asked."""
        daemon = self.daemon()

        short, long = self.count(daemon), self.count(daemon, system="You are helpful. " * 50)

        self.assertEqual(short.status, 200)
        self.assertLess(short.document["input_tokens"], long.document["input_tokens"])
        self.assertEqual(daemon.tries, 0)

    def test_learning(self) -> None:
        """What the upstream reported of a model corrects the next count, and what a message starts with."""
        daemon = self.daemon(Scripted(texts("Yes.", usage={"inputTokens": 40, "outputTokens": 1})))
        before = self.count(daemon).document["input_tokens"]
        daemon.connect().post(MESSAGES)

        after = self.count(daemon).document["input_tokens"]
        stream = read_messages(daemon.connect().post(MESSAGES, stream=True).answer.body)

        self.assertGreater(after, before)
        self.assertEqual((stream.message or {})["usage"]["input_tokens"], after)
        self.assertEqual((stream.usage or {})["input_tokens"], 40)

    def test_refusals(self) -> None:
        """A count needs a key and a request that can be read, like an answer."""
        daemon = self.daemon()

        no_key = daemon.connect().ask("POST", "/v1/messages/count_tokens", MESSAGES.body()).answer
        no_messages = self.count(daemon, messages=5)

        self.assertEqual((no_key.status, no_messages.status), (401, 400))
        self.assertEqual(no_messages.document["type"], "error")


class CostTests(HouseTestCase):
    """What the log says of tokens."""

    def test_failed_answer(self) -> None:
        """An answer that was billed and could not be used is in the log with its tokens, those of the second question too."""
        wanted: dict[str, Any] = {"response_format": {"type": "json_object"}}
        daemon = self.daemon(Scripted(texts("[1, 2]")))

        daemon.connect().post(CHAT, **wanted)

        self.assertIn("tokens 20/10", daemon.lines[0])

    def test_second_question_teaches_nothing(self) -> None:
        """What two questions cost together says nothing of the first one."""
        form: dict[str, Any] = {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}
        once, twice = (Scripted(*answers) for answers in ((texts("{}"),), (texts("[[1]]"), texts("{}"))))
        counts = []
        for upstream in (once, twice):
            daemon = self.daemon(upstream)
            daemon.connect().post(MESSAGES, **form)
            counts.append(
                daemon.connect()
                .ask("POST", "/v1/messages/count_tokens", MESSAGES.body(), {"x-api-key": KEY})
                .answer.document
            )

        self.assertEqual(counts[0], counts[1])
