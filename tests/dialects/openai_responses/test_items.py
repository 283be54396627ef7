"""Tests of how the input items of a Responses request become a conversation."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from ccproxy.fields import Fields
from ccproxy.framing import dumps
from ccproxy.prompt import Image, Message, Note, NoteCode, Part, Reasoning, Role, Text, ToolCall, ToolResult
from tests.dialects.openai_responses.asking import HELLO, PNG, RequestCase, asked, said

USER = Message(Role.USER, (Text("hello"),))
IMAGE = Image("image/png", "iVBORw0K")
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "now", "arguments": '{"zone":"UTC"}'}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "noon"}


def answer(text: str) -> dict[str, Any]:
    """A message of the assistant, with the id that Copilot gives to all of them."""
    parts = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "role": "assistant", "id": "msg_123", "status": "completed", "content": parts}


def file(data: bytes | str, **fields: object) -> dict[str, object]:
    """A file's part, as plain base64 where bytes are given."""
    return {
        "type": "input_file",
        "file_data": data if isinstance(data, str) else b64encode(data).decode(),
        **fields,
    }


class MessageTests(RequestCase):
    """Messages and their parts."""

    def test_roles(self) -> None:
        """A message need not say its type, and a developer speaks as the system does, wherever that is."""
        for role, expected in (
            ("user", Role.USER),
            ("assistant", Role.ASSISTANT),
            ("system", Role.SYSTEM),
            ("developer", Role.SYSTEM),
        ):
            for kind in ({}, {"type": None}, {"type": "message"}):
                message = {**kind, "role": role, "content": "a", "phase": "final_answer"}
                self.assertEqual(said(HELLO, message), (USER, Message(expected, (Text("a"),))))
        self.refused_item(".role", {"role": "tool", "content": "a"})
        self.refused_item(".role", {"type": "message", "content": "a"})

    def test_instructions(self) -> None:
        """Instructions are the system's, before all else; there they may also be messages."""
        system = Message(Role.SYSTEM, (Text("be brief"),))

        self.assertEqual(said(HELLO, instructions="be brief"), (system, USER))
        self.assertEqual(said(HELLO, instructions=[{"role": "developer", "content": "be brief"}]), (system, USER))
        self.assertEqual(said(HELLO, instructions=""), (USER,))
        self.assertEqual(said(HELLO, instructions=[]), (USER,))

    def test_texts(self) -> None:
        """Every kind of text is text, refusals too."""
        kinds = ("input_text", "output_text", "text", "summary_text", "reasoning_text", "refusal")
        parts = [{"type": kind, "refusal" if kind == "refusal" else "text": kind} for kind in kinds]

        self.assertEqual(said({"role": "user", "content": parts}), (Message(Role.USER, tuple(map(Text, kinds))),))

    def test_nothing(self) -> None:
        """A message may say nothing."""
        self.assertEqual(said({"role": "user", "content": None}), (Message(Role.USER, ()),))
        self.assertEqual(said({"role": "user", "content": []}), (Message(Role.USER, ()),))

    def test_image(self) -> None:
        """An image stands in a data URL, which may be spelled as in Chat Completions."""
        spelled = {"type": "image_url", "image_url": {"url": PNG["image_url"]}}

        for part in (PNG, {**PNG, "file_id": "file_1"}, spelled):
            self.assertEqual(said({"role": "user", "content": [part]}), (Message(Role.USER, (IMAGE,)),))

    def test_remote_image(self) -> None:
        """A remote image is refused with the code for which Codex takes it out of its history."""
        error = self.refused_part(".image_url", {"type": "input_image", "image_url": "https://example.org/a.png"})

        self.assertEqual(error.details, {"code": "invalid_value"})
        self.assertIn("data URL", error.message)

    def test_refused_parts(self) -> None:
        """What cannot be sent to the upstream, and what is not there, is refused by its place."""
        for part, place in (
            ({"type": "input_image"}, ".image_url"),
            ({"type": "input_image", "image_url": {}}, ".image_url.url"),
            ({"type": "input_image", "image_url": 7}, ".image_url"),
            ({"type": "input_image", "file_id": "file_1"}, ".file_id"),
            ({"type": "input_file", "file_id": "file_1"}, ".file_id"),
            ({"type": "input_file", "file_url": "https://example.org/a"}, ".file_url"),
            ({"type": "input_file"}, ".file_data"),
            ({"type": "input_audio", "input_audio": {}}, ".type"),
            ({"type": "input_text"}, ".text"),
            ({"text": "a"}, ".type"),
            ("a", ""),
        ):
            with self.subTest(part=part):
                self.refused_part(place, part)


class FileTests(RequestCase):
    """Files among the parts."""

    def text(self, part: object) -> str:
        """What becomes of a file."""
        ((only,),) = (message.parts for message in said({"role": "user", "content": [part]}))
        assert isinstance(only, Text)
        return only.text

    def test_text(self) -> None:
        """A text file is text under its name, also under the one that n8n gives, and with a mark or without padding."""
        self.assertEqual(self.text(file(b"hi", filename="a.txt")), "a.txt\n\nhi")
        self.assertEqual(self.text(file(b"hi", file_name="a.txt")), "a.txt\n\nhi")
        self.assertEqual(self.text(file("\ufeffh\u00e9".encode())), "h\u00e9")
        self.assertEqual(self.text(file("aGk\n")), "hi")

    def test_data_url(self) -> None:
        """It may stand in a data URL of any kind."""
        for head in ("data:text/plain;base64,", "data:application/json;charset=utf-8;base64,", "data:;base64,"):
            self.assertEqual(self.text(file(f"{head}aGk=")), "hi")

    def test_refused(self) -> None:
        """A document, what is no text, and what is not base64 are refused."""
        pdf = self.refused_part(".file_data", file(b"%PDF-1.7 a", filename="a.pdf"))
        self.assertIn("PDF", pdf.message)
        for data in (b"\x89PNG\r\n", b"a\0b", "data:text/plain,a", "a,b", "a", "\ud83d"):
            self.refused_part(".file_data", file(data))


class TurnTests(RequestCase):
    """What an answer is made of."""

    def test_one_answer(self) -> None:
        """All items of an answer are one message, and the results that follow each other another."""
        calls = (CALL, {**CALL, "call_id": "c2", "arguments": {"zone": 1}})
        reasoning = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "think"}]}

        read = said(HELLO, reasoning, answer("wait"), *calls, RESULT, {**RESULT, "call_id": "c2"}, answer("done"))

        arguments = ('{"zone":"UTC"}', '{"zone":1}')
        spoken: tuple[Part, ...] = (Reasoning("think"), Text("wait"))
        spoken += tuple(ToolCall(f"c{index}", "now", text) for index, text in enumerate(arguments, 1))
        results = tuple(ToolResult(f"c{index}", (Text("noon"),)) for index in (1, 2))
        expected = (
            USER,
            Message(Role.ASSISTANT, spoken),
            Message(Role.TOOL, results),
            Message(Role.ASSISTANT, (Text("done"),)),
        )
        self.assertEqual(read, expected)

    def test_users_apart(self) -> None:
        """What users say stays apart."""
        self.assertEqual(said(HELLO, HELLO), (USER, USER))

    def test_same_ids(self) -> None:
        """Messages of the same id are different messages."""
        read = said(answer("a"), HELLO, answer("b"))

        self.assertEqual(read, (Message(Role.ASSISTANT, (Text("a"),)), USER, Message(Role.ASSISTANT, (Text("b"),))))

    def test_reasoning(self) -> None:
        """Reasoning counts as it was sealed, else by its text, else by its summary; without any it is left out."""
        summary = [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]
        content = [{"type": "reasoning_text", "text": "c"}, {"type": "text", "text": "d"}, 7]
        nothing: dict[str, Any] = {"summary": [], "content": None, "encrypted_content": None}

        for item, expected in (
            (
                {"summary": summary, "content": content, "encrypted_content": "sealed"},
                Reasoning("", signature="sealed"),
            ),
            ({"summary": summary, "content": content, "encrypted_content": None}, Reasoning("cd")),
            ({"summary": summary, "content": None}, Reasoning("a\n\nb")),
        ):
            self.assertEqual(said({"type": "reasoning", **item}), (Message(Role.ASSISTANT, (expected,)),))
        for item in (nothing, {}):
            prompt = asked(input=[HELLO, {"type": "reasoning", **item}])
            self.assertEqual((prompt.messages, prompt.notes), ((USER,), ()))

    def test_custom_call(self) -> None:
        """The call of a custom tool takes its text as a field, and its result is one like others."""
        call = {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "*** Begin\n\u2028"}
        result = {"type": "custom_tool_call_output", "call_id": "c1", "name": "apply_patch", "output": "Done"}

        spoken = ToolCall("c1", "apply_patch", '{"input":"*** Begin\\n\u2028"}')
        expected = (Message(Role.ASSISTANT, (spoken,)), Message(Role.TOOL, (ToolResult("c1", (Text("Done"),)),)))
        self.assertEqual(said(call, result), expected)

    def test_shell_call(self) -> None:
        """The call of the local shell takes what was to be done; it and its result may be known by their items' ids only."""
        action = {
            "type": "exec",
            "command": ["ls"],
            "timeout_ms": 9,
            "working_directory": None,
            "env": {},
            "user": None,
        }
        call = {"type": "local_shell_call", "id": "lsh_1", "call_id": None, "action": action}
        spoken = ToolCall("lsh_1", "local_shell", '{"command":["ls"],"timeout_ms":9,"env":{}}')

        for names in ({"id": "lsh_1"}, {"id": "x", "call_id": "lsh_1"}):
            result = {"type": "local_shell_call_output", **names, "output": "{}"}
            expected = (Message(Role.ASSISTANT, (spoken,)), Message(Role.TOOL, (ToolResult("lsh_1", (Text("{}"),)),)))
            self.assertEqual(said(call, result), expected)

    def test_namespaces(self) -> None:
        """The call of a tool in a namespace names the tool as it is offered, and as it would be when it is not."""
        name = {"name": "a", "namespace": "ns"}
        offers: tuple[list[dict[str, object]], ...] = (
            [],
            [{"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "a"}]}],
            [
                {"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "a"}]},
                {"type": "function", "name": "ns__a"},
            ],
        )

        for tools in offers:
            prompt = asked(input=[{**CALL, **name}], tools=tools)
            (call,) = prompt.messages[0].parts
            assert isinstance(call, ToolCall)
            self.assertEqual(call.name, prompt.tools[0].name if tools else "ns__a")

    def test_outputs(self) -> None:
        """A result may be text, parts with images, or any JSON, which goes on as text."""
        parts = [{"type": "input_text", "text": "see"}, PNG]
        outputs: tuple[tuple[object, tuple[Text | Image, ...]], ...] = (
            ("a", (Text("a"),)),
            (parts, (Text("see"), IMAGE)),
            ([], ()),
            ({"ok": [1]}, (Text('{"ok":[1]}'),)),
            (True, (Text("true"),)),
            (None, (Text(""),)),
        )

        for output, expected in outputs:
            read = said(CALL, {**RESULT, "output": output})[1]
            self.assertEqual(read, Message(Role.TOOL, (ToolResult("c1", expected),)))

    def test_summed_up(self) -> None:
        """What a conversation was summed up to is what the user says, still sealed; without that it is left out with a note."""
        for kind in ("compaction", "compaction_summary", "context_compaction"):
            item = {"type": kind, "id": "cmp_1", "encrypted_content": "sealed"}
            self.assertEqual(said(item), (Message(Role.USER, (Text("", sealed="sealed"),)),))
            bare = asked(input=[HELLO, {"type": kind}])
            self.assertEqual(bare.notes, (Note(NoteCode.ITEM_DROPPED, ("input[1]",)),))

    def test_refused_items(self) -> None:
        """Items that lack what they are made of are refused by the place."""
        for item, place in (
            ({"type": "function_call", "call_id": "c"}, ".name"),
            ({"type": "function_call_output", "output": "a"}, ".call_id"),
            ({"type": "custom_tool_call_output", "output": "a"}, ".call_id"),
            ({"type": "local_shell_call_output", "output": "a"}, ".id"),
            ({"type": "local_shell_call", "call_id": "c", "action": "ls"}, ".action"),
            ({"type": "item_reference"}, ".id"),
            ({"type": 7}, ".type"),
            ({}, ".type"),
            ({"text": "a"}, ".type"),
            ("a", ""),
        ):
            with self.subTest(item=item):
                self.refused_item(place, item)


class DroppedTests(RequestCase):
    """Items that are no part of what was said."""

    def test_servers(self) -> None:
        """What the vendor's servers did, and whatever nobody knows, is left out with a note and divides no answer."""
        for kind in ("web_search_call", "mcp_call", "agent_message", "configuration_update", "new"):
            prompt = asked(input=[answer("a"), {"type": kind, "id": "x_1"}, CALL])
            self.assertEqual(len(prompt.messages), 1)
            self.assertEqual(prompt.notes, (Note(NoteCode.ITEM_DROPPED, ("input[1]",)),))

    def test_silent(self) -> None:
        """Tools among the input and the wish for a compaction say nothing, and need no note."""
        prompt = asked(input=[HELLO, {"type": "additional_tools", "tools": []}, {"type": "compaction_trigger"}])

        self.assertEqual((prompt.messages, prompt.notes), ((USER,), ()))

    def test_references(self) -> None:
        """A reference to what nobody keeps is refused as clients know it, without repeating an endless id."""
        for item in ({"type": "item_reference", "id": "msg_1"}, {"id": "msg_1"}, {"type": None, "id": "msg_1"}):
            error = self.refused("input", input=[HELLO, item])
            self.assertEqual(error.message, "input[1]: Item with id 'msg_1' not found.")
        endless = self.refused("input", input=[{"id": "a" * 5000}])
        self.assertLess(len(endless.message), 200)

    def test_nothing_counts_as_changed(self) -> None:
        """Reading changes nothing in the body."""
        items = [HELLO, CALL, {**RESULT, "output": [PNG]}]
        body = {"model": "m", "input": items}
        before = dumps(body)

        asked(**body)
        Fields(body, "").decoded(input=[])

        self.assertEqual(dumps(body), before)
