"""Tests with Anthropic's SDK for Python."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.sdk.house import GREETING, KEY, PIXEL, SCHEMA, Counted, city_model, daemon, has_sdk
from tests.unmeasured import Unmeasured

if has_sdk("anthropic"):
    import anthropic
else:
    skip = "the anthropic SDK is not installed"

ASKED: list[Any] = [{"role": "user", "content": "hello"}]
WEATHER: Any = {"name": "get_weather", "description": "Weather", "input_schema": SCHEMA}
THOUGHTS = "Let me think about it. A short answer will do."


class AnthropicTestCase(Unmeasured):
    """A test with a client."""

    def setUp(self) -> None:
        """Make a client that does not try again."""
        self.client = self.connected(max_retries=0)

    def connected(self, **settings: Any) -> anthropic.Anthropic:
        """A client of the daemon, closed after the test."""
        settings = {"api_key": KEY, "base_url": f"http://127.0.0.1:{daemon().port}", **settings}
        client = anthropic.Anthropic(**settings)
        self.addCleanup(client.close)
        return client

    def create(self, model: str = "sim/text", **fields: Any) -> Any:
        """A message in one piece, or the events of one."""
        return self.client.messages.create(**{"model": model, "max_tokens": 4000, "messages": ASKED, **fields})

    def accumulated(self, model: str = "sim/text", **fields: Any) -> Any:
        """The message that the SDK's own helper makes of a stream."""
        asked = {"model": model, "max_tokens": 4000, "messages": ASKED, **fields}
        with self.client.messages.stream(**asked) as stream:
            return stream.get_final_message()

    def both(self, model: str = "sim/text", **fields: Any) -> tuple[Any, Any]:
        """The message in one piece, and as the SDK accumulates it."""
        return self.create(model, **fields), self.accumulated(model, **fields)


class AnswerTests(AnthropicTestCase):
    """Turns that end well."""

    def test_text(self) -> None:
        """A message of text, streamed and not."""
        for message in self.both():
            (block,) = message.content
            self.assertEqual((block.type, block.text, message.stop_reason), ("text", GREETING, "end_turn"))
            self.assertEqual((message.model, message.role), ("sim/text", "assistant"))

    def test_events(self) -> None:
        """The raw events of a stream."""
        events = [event.type for event in self.create(stream=True)]

        self.assertEqual((events[0], events[-2:]), ("message_start", ["message_delta", "message_stop"]))

    def test_text_stream(self) -> None:
        """The SDK's stream of text."""
        with self.client.messages.stream(model="sim/text", max_tokens=9, messages=ASKED) as stream:
            self.assertEqual("".join(stream.text_stream), GREETING)

    def test_usage(self) -> None:
        """The SDK sees the tokens of the end."""
        for message in self.both():
            self.assertEqual((message.usage.input_tokens, message.usage.output_tokens), (2, 11))

    def test_thinking(self) -> None:
        """With thinking turned on there is a block of it before the text, streamed and not."""
        for message in self.both("sim/reasoning", thinking={"type": "enabled", "budget_tokens": 2000}):
            thinking, text = message.content
            self.assertEqual((thinking.type, thinking.thinking, text.text), ("thinking", THOUGHTS, GREETING))

    def test_no_thinking(self) -> None:
        """Without it there is only the text."""
        for message in self.both("sim/reasoning"):
            self.assertEqual([block.type for block in message.content], ["text"])

    def test_thinking_is_given_back(self) -> None:
        """A message with thinking may be given back as it came."""
        first = self.create("sim/reasoning", thinking={"type": "enabled", "budget_tokens": 2000})
        history = [*ASKED, {"role": "assistant", "content": first.content}, {"role": "user", "content": "and now?"}]

        second = self.create("sim/text", messages=history)

        self.assertEqual(second.content[0].text, "Hello from the simulator! You said: and now?")

    def test_length(self) -> None:
        """An answer at its limit says so."""
        self.assertEqual([message.stop_reason for message in self.both("sim/length")], ["max_tokens"] * 2)

    def test_image(self) -> None:
        """A picture arrives with its type and its size."""
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}

        message = self.create("sim/echo", messages=[{"role": "user", "content": [image]}])

        self.assertIn("images: image/png 70 bytes", message.content[0].text)

    def test_tool_round_trip(self) -> None:
        """A call, its result, and the text that the model makes of it; streamed and not."""
        for first in self.both("claude-sonnet-4-6", tools=[WEATHER]):
            call = first.content[-1]
            result = {"type": "tool_result", "tool_use_id": call.id, "content": "rain"}
            content = [block.model_dump(include={"type", "text", "id", "name", "input"}) for block in first.content]
            history = [*ASKED, {"role": "assistant", "content": content}, {"role": "user", "content": [result]}]
            second = self.create("claude-sonnet-4-6", messages=history, tools=[WEATHER])

            self.assertEqual((first.stop_reason, call.name, call.input), ("tool_use", "get_weather", {"city": "Oslo"}))
            self.assertEqual(second.content[0].text, "The tool get_weather says: rain")

    def test_parallel_calls(self) -> None:
        """Two calls side by side, put together by the SDK."""
        for message in self.both("sim/parallel-tools", tools=[WEATHER]):
            calls = [block for block in message.content if block.type == "tool_use"]
            self.assertEqual([call.input for call in calls], [{"city": "Oslo"}] * 2)
            self.assertEqual(len({call.id for call in calls}), 2)

    def test_tool_runner(self) -> None:
        """The SDK's own loop: it calls the tool and gives back what it said, until the model has done; streamed and not."""
        asked: list[str] = []

        def get_weather(city: str) -> str:
            """Tell the weather of a city."""
            asked.append(city)
            return "rain"

        for stream in (False, True):
            runner: Any = self.client.beta.messages.tool_runner(
                model="claude-sonnet-4-6",
                max_tokens=4000,
                tools=[anthropic.beta_tool(get_weather)],
                messages=ASKED,
                stream=stream,
            )
            self.assertEqual(runner.until_done().content[0].text, "The tool get_weather says: rain")

        self.assertEqual(asked, ["sample"] * 2)

    def test_parse(self) -> None:
        """A structured answer, parsed by the SDK; streamed and not, at once and after the model was corrected."""
        city = city_model()
        asked = {"max_tokens": 4000, "messages": ASKED, "output_format": city}
        for model in ("sim/json", "sim/json-at-last"):
            parsed = self.client.messages.parse(model=model, **asked).parsed_output
            self.assertEqual(parsed, city(city="sample", people=1), model)

        self.assertEqual(self.accumulated("sim/json", output_format=city).parsed_output, city(city="sample", people=1))


class ModelsTests(AnthropicTestCase):
    """The model list."""

    def test_list(self) -> None:
        """The list is one page that holds models."""
        page = self.client.models.list(limit=1000)

        self.assertIn("claude-sonnet-4-6", [model.id for model in page])
        self.assertFalse(page.has_more)

    def test_retrieve(self) -> None:
        """A model with a slash in its id is found."""
        model = self.client.models.retrieve("deepseek/deepseek-v4-pro")

        self.assertEqual((model.id, model.display_name), ("deepseek/deepseek-v4-pro", "DeepSeek V4 Pro"))


class ErrorTests(AnthropicTestCase):
    """Turns that fail."""

    classes: ClassVar[dict[str, tuple[str, int, str]]] = {
        "400": ("BadRequestError", 400, "invalid_request_error"),
        "401": ("AuthenticationError", 401, "authentication_error"),
        "402": ("APIStatusError", 402, "billing_error"),
        "403": ("PermissionDeniedError", 403, "permission_error"),
        "404": ("NotFoundError", 404, "not_found_error"),
        "429": ("RateLimitError", 429, "rate_limit_error"),
        "429-window": ("RateLimitError", 429, "rate_limit_error"),
        "502": ("InternalServerError", 502, "api_error"),
        "503": ("InternalServerError", 503, "overloaded_error"),
        "504": ("InternalServerError", 504, "timeout_error"),
    }

    def test_classes(self) -> None:
        """Each failure is raised as the SDK's own class for it, also when a stream was asked for."""
        for name, (kind, status, body_type) in self.classes.items():
            for call in (self.create, self.accumulated):
                error: Any = self.assertRaises(getattr(anthropic, kind), call, f"sim/http-{name}")
                self.assertEqual((error.status_code, error.body["error"]["type"]), (status, body_type), name)

    def test_wrong_key(self) -> None:
        """The key of another service is an authentication error."""
        self.client = self.connected(api_key="sk-ant-test-key", max_retries=0)

        self.assertRaises(anthropic.AuthenticationError, self.create)

    def test_bearer(self) -> None:
        """A key may also be sent as a token."""
        self.client = self.connected(api_key=None, auth_token=KEY, max_retries=0)

        self.assertEqual(self.create().content[0].text, GREETING)

    def test_mid_stream(self) -> None:
        """A stream that breaks off is raised, after the words that came."""
        for model in ("sim/error-mid", "sim/no-finish", "sim/cut"):
            words = []
            with self.assertRaises(anthropic.APIError) as caught:
                for event in self.create(model, stream=True):
                    if event.type == "content_block_delta":
                        words.append(event.delta.text)  # noqa: PERF401 - the words count even when it breaks off
            error: Any = caught.exception
            self.assertEqual("".join(words), "This is the beginning of an answer that")
            self.assertEqual(error.body["error"]["type"], "overloaded_error")

    def tried(self, model: str) -> int:
        """How often the SDK sends a request that it may repeat."""
        counted = Counted(anthropic.DefaultHttpxClient)
        self.client = self.connected(max_retries=1, http_client=counted.client)
        self.assertRaises(anthropic.APIStatusError, self.create, model)
        return counted.requests

    def test_final(self) -> None:
        """The SDK does not repeat what will not get better, not even a 429 whose window is used up."""
        self.assertEqual([self.tried(f"sim/http-{name}") for name in ("401", "402", "429-window")], [1, 1, 1])

    def test_passing(self) -> None:
        """The SDK repeats what may get better, after the second that it is asked to wait."""
        self.assertEqual(self.tried("sim/http-502"), 2)
