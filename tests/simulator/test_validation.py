"""Tests of what the simulated service takes, and of how it refuses the rest."""

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.simulator.refusals import Refusal
from ccproxy.simulator.validation import refusal_of_body, refusal_of_headers
from tests.simulator.samples import HEADERS, PIXEL, assistant, body, call, result, tool, user


class HeaderTests(SynchronousTestCase):
    """Who may ask."""

    def status(self, **changes: str | None) -> int | None:
        """The status that the sample headers get after some changes; None takes a header away."""
        named = {name.replace("_", "-"): value for name, value in changes.items()}
        headers = {name: value for name, value in {**HEADERS, **named}.items() if value is not None}
        refusal = refusal_of_headers(headers)
        return refusal.status if refusal else None

    def test_complete(self) -> None:
        """The headers of the real client are accepted."""
        status = self.status()

        self.assertIsNone(status)

    def test_no_key(self) -> None:
        """A request without a key gets 401."""
        status = self.status(authorization=None)

        self.assertEqual(status, 401)

    def test_foreign_key(self) -> None:
        """A key that does not begin with user_ gets 401."""
        status = self.status(authorization="Bearer sk-test")

        self.assertEqual(status, 401)

    def test_no_version(self) -> None:
        """A client that does not say its version gets 403."""
        status = self.status(x_command_code_version=None)

        self.assertEqual(status, 403)

    def test_odd_version(self) -> None:
        """A version that is no version number gets 403."""
        status = self.status(x_command_code_version="latest")

        self.assertEqual(status, 403)

    def test_content_type(self) -> None:
        """A body that does not say it is JSON gets 400."""
        status = self.status(content_type="text/plain")

        self.assertEqual(status, 400)

    def test_content_type_with_charset(self) -> None:
        """The content type may name its character set."""
        status = self.status(content_type="application/json; charset=utf-8")

        self.assertIsNone(status)


class BodyTests(SynchronousTestCase):
    """What may be asked."""

    def assert_taken(self, request: object) -> None:
        """The service takes this body."""
        refusal = refusal_of_body(HEADERS, request)

        self.assertIsNone(refusal)

    def assert_refused(self, request: object, path: str, text: str = "") -> None:
        """The service answers 400 to this body and names this path."""
        refusal = refusal_of_body(HEADERS, request)

        assert refusal is not None
        self.assertEqual((refusal.status, refusal.code), (400, "BAD_REQUEST"))
        self.assertIn(f"HINT: Validation error: {text}", refusal.message)
        self.assertTrue(refusal.message.endswith(f' at "{path}"'), refusal.message)

    def assert_message_refused(self, message: dict[str, Any], path: str, text: str = "") -> None:
        """The service refuses a conversation with this message in second place."""
        self.assert_refused(body(messages=[user(), message]), f"params.messages[1]{path}", text)

    def changed(self, **changes: object) -> dict[str, Any]:
        """The sample body with other values at its top level."""
        return {**body(), **changes}

    def config(self, **changes: object) -> dict[str, Any]:
        """The sample body with other values in its config."""
        return self.changed(config={**body()["config"], **changes})

    def without(self, *path: str) -> dict[str, Any]:
        """The sample body without one key."""
        request = body()
        holder = request
        for key in path[:-1]:
            holder = holder[key]
        del holder[path[-1]]
        return request

    def test_minimum(self) -> None:
        """The body of the real client is taken."""
        self.assert_taken(body())

    def test_no_object(self) -> None:
        """A body that is no object is refused."""
        self.assert_refused([], "", "Invalid input: expected object, received array")

    def test_not_streaming(self) -> None:
        """Only streaming exists."""
        self.assert_refused(body(stream=False), "params.stream", "Invalid input: expected true")

    def test_stream_absent(self) -> None:
        """Streaming has to be asked for."""
        self.assert_refused(self.without("params", "stream"), "params.stream", "Invalid input: expected true")

    def test_too_many_tokens(self) -> None:
        """The output limit has a cap."""
        self.assert_refused(body(max_tokens=200001), "params.max_tokens", "Too big: expected number to be <=200000")

    def test_no_tokens(self) -> None:
        """The output limit is at least one token."""
        self.assert_refused(body(max_tokens=0), "params.max_tokens", "Too small: expected number to be >=1")

    def test_fractional_tokens(self) -> None:
        """The output limit is a whole number."""
        self.assert_refused(body(max_tokens=1.5), "params.max_tokens", "Invalid input: expected int")

    def test_token_cap(self) -> None:
        """The cap itself is allowed."""
        self.assert_taken(body(max_tokens=200000))

    def test_tool_choice_none(self) -> None:
        """There is no tool choice that forbids calls."""
        self.assert_refused(body(tool_choice={"type": "none"}), "params.tool_choice.type")

    def test_tool_choice_bare(self) -> None:
        """A tool choice is an object, never a bare string."""
        self.assert_refused(body(tool_choice="auto"), "params.tool_choice")

    def test_tool_choice_without_name(self) -> None:
        """A forced tool has a name."""
        self.assert_refused(body(tool_choice={"type": "tool"}), "params.tool_choice.name")

    def test_tool_choices(self) -> None:
        """Auto, any and a named tool are taken."""
        for choice in ({"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "get_time"}):
            self.assert_taken(body(tool_choice=choice))

    def test_thread_without_version_nibble(self) -> None:
        """A thread id whose version digit is none of a UUID is refused."""
        self.assert_refused(self.changed(threadId="0b8f6a52-6c1e-0d55-9c1a-5d6f0f3f7a10"), "threadId", "Invalid UUID")

    def test_thread_without_variant_nibble(self) -> None:
        """A thread id whose variant digit is none of a UUID is refused."""
        self.assert_refused(self.changed(threadId="0b8f6a52-6c1e-4d55-1c1a-5d6f0f3f7a10"), "threadId", "Invalid UUID")

    def test_thread_of_another_session(self) -> None:
        """The thread is the session of the header."""
        self.assert_refused(self.changed(threadId="3d8f6a52-6c1e-4d55-9c1a-5d6f0f3f7a10"), "threadId")

    def test_no_thread(self) -> None:
        """A request without a thread is taken."""
        self.assert_taken(self.without("threadId"))

    def test_thread_without_session(self) -> None:
        """A thread needs no session header."""
        headers = {name: value for name, value in HEADERS.items() if name != "x-session-id"}

        refusal = refusal_of_body(headers, body())

        self.assertIsNone(refusal)

    def test_no_skills(self) -> None:
        """Skills may be null but not absent."""
        self.assert_refused(self.without("skills"), "skills", "Invalid input: expected string, received undefined")

    def test_memory(self) -> None:
        """Memory is a string or null."""
        self.assert_refused(self.changed(memory=[]), "memory")

    def test_taste(self) -> None:
        """Taste is a string or null."""
        self.assert_refused(self.changed(taste={}), "taste")

    def test_permission_mode(self) -> None:
        """Only three permission modes exist."""
        self.assert_refused(
            self.changed(permissionMode="bypass"), "permissionMode", 'Invalid option: expected one of "s'
        )

    def test_mode(self) -> None:
        """A mode is one of the list that the service knows."""
        self.assert_refused(self.changed(mode="chat"), "mode", 'Invalid option: expected one of "agent"|"learning"')

    def test_prompt_cache(self) -> None:
        """The prompt cache can only be turned off."""
        self.assert_refused(self.changed(promptCache="on"), "promptCache")

    def test_unknown_key(self) -> None:
        """A key that nobody knows is let through."""
        self.assert_taken(self.changed(surprise=1))

    def test_no_config(self) -> None:
        """A config is required."""
        self.assert_refused(self.without("config"), "config", "Invalid input: expected object, received undefined")

    def test_config_fields(self) -> None:
        """Every field of the config is required."""
        for key in body()["config"]:
            self.assert_refused(self.without("config", key), f"config.{key}")

    def test_environment_object(self) -> None:
        """The environment is a string."""
        self.assert_refused(
            self.config(environment={"os": "linux"}),
            "config.environment",
            "Invalid input: expected string, received object",
        )

    def test_structure_items(self) -> None:
        """The structure lists strings."""
        self.assert_refused(self.config(structure=["src", 1]), "config.structure[1]")

    def test_git_flag(self) -> None:
        """The git flag is a boolean."""
        self.assert_refused(self.config(isGitRepo="no"), "config.isGitRepo")

    def test_date(self) -> None:
        """The date is written as ISO 8601 has it."""
        self.assert_refused(self.config(date="1 Oct 2026"), "config.date", "Invalid ISO date")

    def test_date_with_time(self) -> None:
        """The date may carry a time."""
        self.assert_taken(self.config(date="2026-10-01T08:00:00.000Z"))

    def test_no_model(self) -> None:
        """A model is required."""
        self.assert_refused(self.without("params", "model"), "params.model")

    def test_no_messages(self) -> None:
        """A conversation has at least one message."""
        self.assert_refused(body(messages=[]), "params.messages", "Too small: expected array to have >=1 items")

    def test_system_blocks(self) -> None:
        """The system text may come as text blocks."""
        self.assert_taken(body(system=[{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]))

    def test_system_number(self) -> None:
        """The system text is nothing but text."""
        self.assert_refused(body(system=1), "params.system")

    def test_no_system(self) -> None:
        """A request without system text is legal."""
        self.assert_taken(self.without("params", "system"))

    def test_tools_object(self) -> None:
        """Tools come as a list."""
        self.assert_refused(body(tools={}), "params.tools", "Invalid input: expected array, received object")

    def test_tool_without_name(self) -> None:
        """A tool has a name."""
        self.assert_refused(body(tools=[tool(""), tool()]), "params.tools[0].name")

    def test_tool_of_another_api(self) -> None:
        """A tool in the form of another API is refused."""
        self.assert_refused(body(tools=[{"type": "function", "function": tool()}]), "params.tools[0].name")

    def test_tool_without_schema(self) -> None:
        """A tool has a schema."""
        self.assert_refused(body(tools=[{"name": "get_time"}]), "params.tools[0].input_schema")

    def test_tool_schema_root(self) -> None:
        """The root of a tool's schema is an object."""
        self.assert_refused(
            body(tools=[{"name": "get_time", "input_schema": {"type": "array"}}]), "params.tools[0].input_schema.type"
        )

    def test_efforts(self) -> None:
        """Five efforts exist."""
        for effort in ("low", "medium", "high", "xhigh", "max"):
            self.assert_taken(body(reasoning_effort=effort))

    def test_unknown_effort(self) -> None:
        """An effort of another vendor is refused."""
        self.assert_refused(body(reasoning_effort="minimal"), "params.reasoning_effort")

    def test_temperature(self) -> None:
        """The temperature has a range."""
        self.assert_refused(body(temperature=2.5), "params.temperature", "Too big: expected number to be <=2")

    def test_not_a_number(self) -> None:
        """NaN, which some JSON writers emit, is in no range."""
        self.assert_refused(body(temperature=float("nan")), "params.temperature")

    def test_system_role(self) -> None:
        """A message of the role system is refused."""
        self.assert_message_refused({**user(), "role": "system"}, ".role")

    def test_plain_content(self) -> None:
        """The content of a message is a list of parts."""
        self.assert_message_refused(
            {"role": "user", "content": "ping"}, ".content", "Invalid input: expected array, received string"
        )

    def test_empty_content(self) -> None:
        """The role is blamed for a message without parts."""
        self.assert_message_refused(assistant(), ".role", "Invalid input")

    def test_unknown_part(self) -> None:
        """A part of an unknown type is refused."""
        self.assert_message_refused({"role": "user", "content": [{"type": "file"}]}, ".content[0].type")

    def test_bare_part(self) -> None:
        """A part is an object."""
        self.assert_message_refused({"role": "user", "content": ["ping"]}, ".content[0]")

    def test_text_without_text(self) -> None:
        """A text part has text."""
        self.assert_message_refused({"role": "user", "content": [{"type": "text"}]}, ".content[0].text")

    def test_image(self) -> None:
        """A data URL of an image is taken from the user, with and without its media type."""
        image = {"type": "image", "image": PIXEL}
        self.assert_taken(body(messages=[{"role": "user", "content": [image, {**image, "mimeType": "image/png"}]}]))

    def test_remote_image(self) -> None:
        """A remote image is refused."""
        image = {"type": "image", "image": "https://example.org/a.png"}
        self.assert_message_refused({"role": "user", "content": [image]}, ".content[0].image")

    def test_broken_image(self) -> None:
        """An image whose data is no base64 is refused."""
        image = {"type": "image", "image": "data:image/png;base64,a*b"}
        self.assert_message_refused({"role": "user", "content": [image]}, ".content[0].image", "Invalid base64")

    def test_assistant_image(self) -> None:
        """The assistant shows no images."""
        self.assert_message_refused(assistant({"type": "image", "image": PIXEL}), ".content[0].type")

    def test_user_reasoning(self) -> None:
        """The user does not reason."""
        message = {"role": "user", "content": [{"type": "reasoning", "text": "hm"}]}
        self.assert_message_refused(message, ".content[0].type")

    def test_late_reasoning(self) -> None:
        """Reasoning comes first in its message."""
        message = assistant({"type": "text", "text": "Yes."}, {"type": "reasoning", "text": "hm"})
        self.assert_message_refused(message, ".content[1].type")

    def test_text_after_call(self) -> None:
        """Text comes before the calls of its message."""
        self.assert_message_refused(assistant(call("c1"), {"type": "text", "text": "Yes."}), ".content[1].type")

    def test_assistant_order(self) -> None:
        """Reasoning, text and calls are taken in that order."""
        parts = ({"type": "reasoning", "text": "hm"}, {"type": "text", "text": "Yes."}, call("c1"), call("c2"))
        self.assert_taken(body(messages=[user(), assistant(*parts)]))

    def test_call_input(self) -> None:
        """The input of a call is an object, never JSON text."""
        self.assert_message_refused(assistant({**call("c1"), "input": "{}"}), ".content[0].input")

    def test_call_without_id(self) -> None:
        """A call has an id."""
        self.assert_message_refused(assistant(call("")), ".content[0].toolCallId")

    def test_result(self) -> None:
        """A result is taken from a tool."""
        self.assert_taken(body(messages=[user(), assistant(call("c1")), result("c1")]))

    def test_user_result(self) -> None:
        """A result does not come from the user."""
        self.assert_message_refused({**result("c1"), "role": "user"}, ".content[0].type")

    def test_result_without_name(self) -> None:
        """A result names its tool."""
        self.assert_message_refused(result("c1", name=""), ".content[0].toolName", "Too small")

    def test_result_output(self) -> None:
        """The output of a result is an object."""
        message = result("c1")
        message["content"][0]["output"] = "noon"
        self.assert_message_refused(message, ".content[0].output")

    def test_result_output_type(self) -> None:
        """Only text comes back from a tool."""
        message = result("c1")
        message["content"][0]["output"] = {"type": "json", "value": {}}
        self.assert_message_refused(message, ".content[0].output.type")


class EnvelopeTests(SynchronousTestCase):
    """What a refusal looks like."""

    def test_envelope(self) -> None:
        """A refusal comes in the envelope of the service."""
        refusal = Refusal(401, "UNAUTHORIZED", "No.")

        envelope = json.loads(refusal.body())

        self.assertEqual(
            envelope,
            {
                "success": False,
                "error": {
                    "code": "UNAUTHORIZED",
                    "status": 401,
                    "message": "No.",
                    "docs": "https://commandcode.ai/docs/reference/errors/unauthorized",
                },
            },
        )

    def test_page(self) -> None:
        """A gateway answers with its own page."""
        refusal = Refusal(502, "", "", page="<html>")

        self.assertEqual((refusal.content_type, refusal.body()), ("text/html; charset=utf-8", b"<html>"))
