"""This module is the tests of how a legacy Completions request is read."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.dialects.openai_completions.dialect import OpenAICompletions
from ccproxy.errors import Kind, ProxyError
from ccproxy.fields import Fields, body
from ccproxy.framing import dumps
from ccproxy.prompt import Message, Note, NoteCode, Prompt, Role, Text, View

DIALECT = OpenAICompletions()


def asked(**changes: Any) -> Prompt:
    """The prompt of a minimal request with some fields changed."""
    return DIALECT.parse(body(dumps({"model": "vendor/model-1", "prompt": "hello", **changes})))


class RequestTests(SynchronousTestCase):
    """A request."""

    def refused(self, field: str, **changes: Any) -> None:
        """Check that a request is refused for this field."""
        error: ProxyError = self.assertRaises(ProxyError, asked, **changes)
        self.assertEqual((error.kind, error.field), (Kind.INVALID_REQUEST, field))

    def test_minimal_request(self) -> None:
        """The prompt becomes one message of the user, and reasoning is not shown."""
        question = Message(Role.USER, (Text("hello"),))

        self.assertEqual(asked(), Prompt("vendor/model-1", (question,), view=View(reasoning=False), place="prompt"))

    def test_array_of_one_prompt(self) -> None:
        """An array that holds one text is that text."""
        self.assertEqual(asked(prompt=["hello"]), asked())

    def test_other_prompts(self) -> None:
        """No prompt, an empty one, several and tokens are refused by name."""
        others: tuple[object, ...] = (None, "", [], [""], ["a", "b"], {}, 5)
        for prompt in others:
            self.refused("prompt", prompt=prompt)
        self.refused("prompt[0]", prompt=[15496, 995])
        self.refused("prompt[0]", prompt=[[15496, 995]])

    def test_plain_settings(self) -> None:
        """Stream, limit, sampling and stop sequences reach the prompt."""
        prompt = asked(stream=True, max_tokens=16, temperature=0.5, top_p=0.9, stop=["END", ""])

        self.assertTrue(prompt.stream)
        self.assertEqual((prompt.max_tokens, prompt.temperature, prompt.top_p), (16, 0.5, 0.9))
        self.assertEqual((prompt.stop, asked(stop="END").stop), (("END",), ("END",)))

    def test_known_fields_of_a_wrong_type(self) -> None:
        """Every known field of a wrong type, or out of its range, is refused by name."""
        wrong = {"model": 5, "stream": "yes", "max_tokens": 0, "temperature": 2.5, "top_p": True, "n": "two"}

        for field, value in {**wrong, "best_of": 0, "echo": 1, "suffix": 1, "stop": {}, "stream_options": []}.items():
            self.refused(field, **{field: value})

    def test_what_would_change_the_answer_is_refused(self) -> None:
        """Several choices, log probabilities, an echo and a gap to fill cannot be ignored without changing the answer."""
        changing = {"n": 2, "best_of": 2, "logprobs": 0, "echo": True, "suffix": "the end"}

        for field, value in changing.items():
            self.refused(field, **{field: value})
        self.refused("logprobs", logprobs=5)

    def test_what_asks_for_nothing_special_is_fine(self) -> None:
        """One choice without log probabilities, echo and suffix is what every answer is; null is nothing."""
        plain = {"n": 1, "best_of": 1, "logprobs": False, "echo": False, "suffix": ""}

        self.assertEqual(asked(**plain), asked())
        self.assertEqual(asked(**dict.fromkeys((*plain, "stop", "stream", "max_tokens", "stream_options"))), asked())

    def test_usage_apart(self) -> None:
        """stream_options.include_usage asks for usage in a chunk of its own."""
        view = View(usage_apart=True, reasoning=False)

        self.assertEqual(asked(stream_options={"include_usage": True}).view, view)
        self.assertEqual(DIALECT.view(Fields({"stream_options": {"include_usage": True}}, "")), view)

    def test_unknown_fields_are_noted(self) -> None:
        """What nobody reads is named in one note."""
        self.assertEqual(asked(seed=1, user="u").notes, (Note(NoteCode.IGNORED, ("seed", "user")),))

    def test_recognised(self) -> None:
        """A prompt without a conversation is found only here; looking at it counts as no reading."""
        bodies: list[dict[str, object]] = [{"prompt": "a"}, {"prompt": "a", "messages": []}, {"messages": []}, {}]
        looked_at = [Fields(body, "") for body in bodies]

        self.assertEqual([DIALECT.recognises(body) for body in looked_at], [True, False, False, False])
        self.assertEqual(looked_at[1].unread(), ("prompt", "messages"))
