"""Tests with OpenAI's SDK for Python."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from tests.sdk.house import GREETING, KEY, PIXEL, SCHEMA, Counted, city_model, daemon, has_sdk
from tests.unmeasured import Unmeasured

if has_sdk("openai"):
    import openai
else:
    skip = "the openai SDK is not installed"

ASKED: list[Any] = [{"role": "user", "content": "hello"}]
WEATHER: Any = {"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": SCHEMA}}


class OpenAITestCase(Unmeasured):
    """A test with a client."""

    def setUp(self) -> None:
        """Make a client that does not try again."""
        self.client = self.connected(max_retries=0)
        self.chat: Any = self.client.chat.completions

    def connected(self, **settings: Any) -> openai.OpenAI:
        """A client of the daemon, closed after the test."""
        settings = {"api_key": KEY, "base_url": f"http://127.0.0.1:{daemon().port}/v1", **settings}
        client = openai.OpenAI(**settings)
        self.addCleanup(client.close)
        return client

    def accumulated(self, model: str, **fields: Any) -> Any:
        """The completion that the SDK's own helper makes of a stream."""
        with self.chat.stream(model=model, messages=ASKED, **fields) as stream:
            return stream.get_final_completion()


class AnswerTests(OpenAITestCase):
    """Turns that end well."""

    def test_create(self) -> None:
        """A completion in one piece."""
        completion = self.chat.create(model="sim/text", messages=ASKED)

        (choice,) = completion.choices
        self.assertEqual((choice.message.content, choice.finish_reason), (GREETING, "stop"))
        self.assertEqual((completion.model, completion.object), ("sim/text", "chat.completion"))

    def test_stream(self) -> None:
        """A completion chunk by chunk."""
        chunks = list(self.chat.create(model="sim/text", messages=ASKED, stream=True))

        self.assertEqual("".join(chunk.choices[0].delta.content or "" for chunk in chunks), GREETING)
        self.assertEqual([chunk.choices[0].finish_reason for chunk in chunks], [None] * 7 + ["stop"])
        self.assertEqual(len({chunk.id for chunk in chunks}), 1)

    def test_accumulator(self) -> None:
        """The SDK's accumulator makes the same of a stream as of a document."""
        streamed = self.accumulated("sim/text").choices[0]

        self.assertEqual((streamed.message.content, streamed.finish_reason), (GREETING, "stop"))

    def test_usage(self) -> None:
        """Tokens are there in one piece, on the last chunk, and in a chunk of their own when asked for."""
        created = self.chat.create(model="sim/text", messages=ASKED).usage
        riding = list(self.chat.create(model="sim/text", messages=ASKED, stream=True))[-1].usage
        options = {"include_usage": True}
        apart = list(self.chat.create(model="sim/text", messages=ASKED, stream=True, stream_options=options))[-1]

        self.assertEqual((apart.choices, apart.usage), ([], created))
        self.assertEqual((created, created.total_tokens), (riding, 13))

    def test_reasoning(self) -> None:
        """Reasoning is where clients look for it, streamed and not."""
        created = self.chat.create(model="sim/reasoning", messages=ASKED, reasoning_effort="high").choices[0].message
        streamed = self.accumulated("sim/reasoning", reasoning_effort="high").choices[0].message

        self.assertEqual(created.reasoning_content, "Let me think about it. A short answer will do.")
        self.assertEqual((streamed.reasoning_content, streamed.content), (created.reasoning_content, GREETING))

    def test_length(self) -> None:
        """An answer at its limit says so."""
        self.assertEqual(self.chat.create(model="sim/length", messages=ASKED).choices[0].finish_reason, "length")

    def test_image(self) -> None:
        """A picture arrives with its type and its size."""
        image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
        messages = [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, image]}]

        completion = self.chat.create(model="sim/echo", messages=messages)

        self.assertIn("images: image/png 70 bytes", completion.choices[0].message.content)

    def test_tool_round_trip(self) -> None:
        """A call, its result, and the text that the model makes of it; streamed and not."""
        for stream in (False, True):
            first = (
                self.accumulated("claude-sonnet-4-6", tools=[WEATHER])
                if stream
                else self.chat.create(model="claude-sonnet-4-6", messages=ASKED, tools=[WEATHER])
            )
            (choice,) = first.choices
            (call,) = choice.message.tool_calls
            result = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
            message = choice.message.model_dump(exclude_none=True, exclude={"parsed"})
            second = self.chat.create(model="claude-sonnet-4-6", messages=[*ASKED, message, result], tools=[WEATHER])

            self.assertEqual((choice.finish_reason, call.function.name), ("tool_calls", "get_weather"))
            self.assertEqual(json.loads(call.function.arguments), {"city": "Oslo"})
            self.assertEqual(second.choices[0].message.content, "The tool get_weather says: rain")

    def test_parallel_calls(self) -> None:
        """Two calls side by side, put together by the SDK."""
        calls = self.accumulated("sim/parallel-tools", tools=[WEATHER]).choices[0].message.tool_calls

        self.assertEqual([json.loads(call.function.arguments) for call in calls], [{"city": "Oslo"}] * 2)
        self.assertEqual(len({call.id for call in calls}), 2)

    def test_parse(self) -> None:
        """A structured answer, parsed by the SDK; streamed and not, at once and after the model was corrected."""
        city = city_model()
        for model in ("sim/json", "sim/json-at-last"):
            parsed = self.chat.parse(model=model, messages=ASKED, response_format=city).choices[0].message.parsed
            self.assertEqual(parsed, city(city="sample", people=1), model)

        streamed = self.accumulated("sim/json", response_format=city).choices[0].message

        self.assertEqual(streamed.parsed, city(city="sample", people=1))
        self.assertEqual(json.loads(streamed.content), {"city": "sample", "people": 1})

    def test_misfit(self) -> None:
        """A document that does not fit is never parsed as one; a stream that showed it ends in an error."""
        with self.assertRaisesRegex(openai.APIError, "does not fit the JSON Schema"):
            self.accumulated("sim/json-at-last", response_format=city_model())

    def test_headers(self) -> None:
        """The SDK finds the id of the request."""
        completion = self.chat.create(model="sim/text", messages=ASKED)

        self.assertEqual(completion.id, f"chatcmpl-{completion._request_id}")


class ModelsTests(OpenAITestCase):
    """The model list."""

    def test_list(self) -> None:
        """The list holds models."""
        self.assertIn("deepseek/deepseek-v4-pro", [model.id for model in self.client.models.list()])

    def test_retrieve(self) -> None:
        """A model with a slash in its id is found."""
        self.assertEqual(self.client.models.retrieve("deepseek/deepseek-v4-pro").id, "deepseek/deepseek-v4-pro")

    def test_unknown(self) -> None:
        """A model that is not there is not found."""
        self.assertRaises(openai.NotFoundError, self.client.models.retrieve, "nothing/at-all")


class ErrorTests(OpenAITestCase):
    """Turns that fail."""

    classes: ClassVar[dict[str, tuple[str, int]]] = {
        "400": ("BadRequestError", 400),
        "401": ("AuthenticationError", 401),
        "402": ("APIStatusError", 402),
        "403": ("PermissionDeniedError", 403),
        "404": ("NotFoundError", 404),
        "422": ("BadRequestError", 400),
        "429": ("RateLimitError", 429),
        "429-window": ("RateLimitError", 429),
        "502": ("InternalServerError", 502),
        "504": ("InternalServerError", 504),
    }

    def test_classes(self) -> None:
        """Each failure is raised as the SDK's own class for it, also when a stream was asked for."""
        for name, (kind, status) in self.classes.items():
            for stream in (False, True):
                error: Any = self.assertRaises(
                    getattr(openai, kind), self.chat.create, model=f"sim/http-{name}", messages=ASKED, stream=stream
                )
                self.assertEqual(error.status_code, status, name)

    def test_words(self) -> None:
        """The exception's words and code are those of the failure."""
        error: Any = self.assertRaises(openai.APIStatusError, self.chat.create, model="sim/http-402", messages=ASKED)

        self.assertIn("Please add credits to continue.", str(error))
        self.assertEqual((error.code, error.type), ("insufficient_quota", "insufficient_quota"))

    def test_wrong_key(self) -> None:
        """The key of another service is an authentication error."""
        client = self.connected(api_key="sk-test-key", max_retries=0)

        self.assertRaises(openai.AuthenticationError, client.chat.completions.create, model="sim/text", messages=ASKED)

    def test_before_the_first_word(self) -> None:
        """A stream that fails before its first word is raised with its status, and not as a broken stream."""
        error: Any = self.assertRaises(
            openai.APIStatusError, self.chat.create, model="sim/error-first", messages=ASKED, stream=True
        )

        self.assertEqual(error.status_code, 402)

    def test_mid_stream(self) -> None:
        """A stream that breaks off is raised, after the words that came."""
        for model in ("sim/error-mid", "sim/no-finish", "sim/cut"):
            words = []
            with self.assertRaises(openai.APIError):
                for chunk in self.chat.create(model=model, messages=ASKED, stream=True):
                    words.append(chunk.choices[0].delta.content)  # noqa: PERF401 - the words count even when it breaks off
            self.assertEqual("".join(words), "This is the beginning of an answer that")

    def tried(self, model: str) -> int:
        """How often the SDK sends a request that it may repeat."""
        counted = Counted(openai.DefaultHttpxClient)
        client = self.connected(max_retries=1, http_client=counted.client)
        self.assertRaises(openai.APIStatusError, client.chat.completions.create, model=model, messages=ASKED)
        return counted.requests

    def test_final(self) -> None:
        """The SDK does not repeat what will not get better, not even a 429 whose window is used up."""
        self.assertEqual([self.tried(f"sim/http-{name}") for name in ("402", "403", "429-window")], [1, 1, 1])

    def test_passing(self) -> None:
        """The SDK repeats what may get better, after the second that it is asked to wait."""
        self.assertEqual(self.tried("sim/http-502"), 2)
