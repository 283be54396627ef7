"""Tests with OpenAI's SDK for Python over the Responses API."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from tests.sdk.house import GREETING, KEY, PIXEL, SCHEMA, city_model, daemon, has_sdk
from tests.unmeasured import Unmeasured

if has_sdk("openai"):
    import openai
else:
    skip = "the openai SDK is not installed"

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Weather",
    "parameters": SCHEMA,
    "strict": False,
}
PATCH = '*** Begin Patch\n*** Add File: a\n+"é"\t\\ 😀\n*** End Patch'


class ResponsesTestCase(Unmeasured):
    """A test with a client."""

    def setUp(self) -> None:
        """Make a client that does not try again."""
        client = openai.OpenAI(api_key=KEY, base_url=f"http://127.0.0.1:{daemon().port}/v1", max_retries=0)
        self.addCleanup(client.close)
        self.responses: Any = client.responses

    def create(self, model: str = "sim/text", **fields: Any) -> Any:
        """A response in one piece."""
        return self.responses.create(**{"model": model, "input": "hello", **fields})

    def accumulated(self, model: str = "sim/text", **fields: Any) -> Any:
        """The response that the SDK's own helper makes of a stream."""
        with self.responses.stream(**{"model": model, "input": "hello", **fields}) as stream:
            return stream.get_final_response()


class AnswerTests(ResponsesTestCase):
    """Turns that end well."""

    def test_create(self) -> None:
        """A response in one piece."""
        response = self.create()

        self.assertEqual((response.output_text, response.status, response.object), (GREETING, "completed", "response"))
        self.assertEqual((response.model, response.error, response.incomplete_details), ("sim/text", None, None))
        self.assertEqual(response.id, f"resp_{response._request_id}")

    def test_stream(self) -> None:
        """A response event by event, numbered without a gap."""
        events = list(self.create(stream=True))

        deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
        self.assertEqual("".join(deltas), GREETING)
        self.assertEqual([event.sequence_number for event in events], list(range(len(events))))
        self.assertEqual((events[0].type, events[-1].type), ("response.created", "response.completed"))

    def test_accumulator(self) -> None:
        """The SDK's accumulator makes the same of a stream as of a document, usage included."""
        created, streamed = self.create(), self.accumulated()

        self.assertEqual(streamed.output_text, created.output_text)
        self.assertEqual((streamed.usage, created.usage.total_tokens), (created.usage, 13))

    def test_length(self) -> None:
        """An answer at its limit says so."""
        for response in (self.create("sim/length"), list(self.create("sim/length", stream=True))[-1].response):
            self.assertEqual((response.status, response.incomplete_details.reason), ("incomplete", "max_output_tokens"))

    def test_image(self) -> None:
        """A picture arrives with its type and its size."""
        picture = {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}", "detail": "auto"}

        response = self.create("sim/echo", input=[{"role": "user", "content": [picture]}])

        self.assertIn("images: image/png 70 bytes", response.output_text)

    def test_parse(self) -> None:
        """A structured answer, parsed by the SDK; streamed and not."""
        city = city_model()
        for model in ("sim/json", "sim/json-at-last"):
            parsed = self.responses.parse(model=model, input="hello", text_format=city).output_parsed
            self.assertEqual(parsed, city(city="sample", people=1), model)

        self.assertEqual(self.accumulated("sim/json", text_format=city).output_parsed, city(city="sample", people=1))

    def test_reasoning(self) -> None:
        """Reasoning is shown, as a summary if that is asked for, streamed and not."""
        thoughts = "Let me think about it. A short answer will do."
        for made in (self.create, self.accumulated):
            plain = made("sim/reasoning").output[0]
            summed = made("sim/reasoning", reasoning={"summary": "auto"}).output[0]

            self.assertEqual((plain.content[0].text, plain.summary), (thoughts, []))
            self.assertEqual(summed.summary[0].text, thoughts)

    def test_sealed_reasoning(self) -> None:
        """Reasoning that is given back in sealed form arrives at the model, also without its text."""
        asked = {"store": False, "include": ["reasoning.encrypted_content"]}
        thought, answer = (
            item.model_dump(exclude_none=True) for item in self.accumulated("sim/reasoning", **asked).output
        )

        for shown in (thought, {"type": "reasoning", "summary": [], "encrypted_content": thought["encrypted_content"]}):
            echo = self.create("sim/echo", input=[shown, answer, {"role": "user", "content": "And?"}], **asked)
            self.assertIn("thoughts: 1", echo.output_text)


class ToolTests(ResponsesTestCase):
    """Turns with tools."""

    def test_round_trip(self) -> None:
        """A call, its result, and the text that the model makes of it; streamed and not, sent again and continued."""
        for made in (self.create, self.accumulated):
            asked: list[Any] = [{"role": "user", "content": "hello"}]
            first = made("claude-sonnet-4-6", input=asked, tools=[WEATHER])
            (call,) = (item for item in first.output if item.type == "function_call")
            result = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
            again = [*asked, *(item.model_dump(exclude={"parsed_arguments"}) for item in first.output), result]
            second = made("claude-sonnet-4-6", input=again, tools=[WEATHER])
            third = made("claude-sonnet-4-6", input=[result], tools=[WEATHER], previous_response_id=first.id)

            self.assertEqual((call.name, json.loads(call.arguments)), ("get_weather", {"city": "Oslo"}))
            self.assertEqual(second.output_text, "The tool get_weather says: rain")
            self.assertEqual(third.output_text, second.output_text)

    def test_parallel_calls(self) -> None:
        """Two calls side by side, put together by the SDK."""
        calls = self.accumulated("sim/parallel-tools", tools=[WEATHER]).output[-2:]

        self.assertEqual([json.loads(call.arguments) for call in calls], [{"city": "Oslo"}] * 2)
        self.assertEqual(len({call.call_id for call in calls}), 2)

    def test_custom(self) -> None:
        """A custom tool is called with text, letter by letter the same, streamed and not; and its result arrives."""
        tool: Any = {"type": "custom", "name": "apply_patch", "description": "Edits files.", "format": {"type": "text"}}
        script = [{"role": "user", "content": f"call apply_patch\n```\n{PATCH}\n```"}]
        for made in (self.create, self.accumulated):
            first = made("sim/script", input=script, tools=[tool])
            (call,) = first.output
            result = {"type": "custom_tool_call_output", "call_id": call.call_id, "output": "Done."}
            second = made("sim/script", input=[result], tools=[tool], previous_response_id=first.id)

            self.assertEqual((call.type, call.name, call.input), ("custom_tool_call", "apply_patch", PATCH))
            self.assertEqual(second.output_text, "The tool apply_patch says: Done.")

    def test_namespace(self) -> None:
        """A tool of a namespace is called by its own name in it."""
        namespace: Any = {"type": "namespace", "name": "forecast", "description": "Forecasts", "tools": [WEATHER]}

        (*_, call) = self.create("sim/tool", tools=[namespace]).output

        self.assertEqual((call.name, call.namespace), ("get_weather", "forecast"))


class KeepingTests(ResponsesTestCase):
    """Responses that are kept."""

    def test_kept(self) -> None:
        """A response is there until it is deleted, and so is its input."""
        response = self.create()

        self.assertEqual(self.responses.retrieve(response.id).output_text, GREETING)
        (item,) = self.responses.input_items.list(response.id).data
        self.assertEqual(item.content[0].text, "hello")
        self.responses.delete(response.id)
        self.assertRaises(openai.NotFoundError, self.responses.retrieve, response.id)

    def test_not_kept(self) -> None:
        """A response that is not to be kept is not."""
        response = self.create(store=False)

        self.assertRaises(openai.NotFoundError, self.responses.retrieve, response.id)
        error: Any = self.assertRaises(openai.BadRequestError, self.create, previous_response_id=response.id)
        self.assertEqual(error.code, "previous_response_not_found")


class ErrorTests(ResponsesTestCase):
    """Turns that fail."""

    classes: ClassVar[dict[str, tuple[str, int]]] = {
        "400": ("BadRequestError", 400),
        "401": ("AuthenticationError", 401),
        "402": ("APIStatusError", 402),
        "403": ("PermissionDeniedError", 403),
        "404": ("NotFoundError", 404),
        "429": ("RateLimitError", 429),
        "502": ("InternalServerError", 502),
        "504": ("InternalServerError", 504),
    }

    def test_classes(self) -> None:
        """Each failure is raised as the SDK's own class for it, also when a stream was asked for."""
        for name, (kind, status) in self.classes.items():
            for stream in (False, True):
                error: Any = self.assertRaises(getattr(openai, kind), self.create, f"sim/http-{name}", stream=stream)
                self.assertEqual(error.status_code, status, name)

    def test_mid_stream(self) -> None:
        """A stream that breaks off ends in a failed response, after the words that came."""
        for model in ("sim/error-mid", "sim/no-finish", "sim/cut"):
            events = list(self.create(model, stream=True))

            deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
            self.assertEqual("".join(deltas), "This is the beginning of an answer that")
            self.assertEqual((events[-1].type, events[-1].response.status), ("response.failed", "failed"))
            self.assertTrue(events[-1].response.error.message)
