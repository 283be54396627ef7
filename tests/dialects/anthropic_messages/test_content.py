"""This module is the tests of how the conversation of a Messages request is read."""

from __future__ import annotations

from ccproxy.prompt import Image, Message, Note, NoteCode, Reasoning, Role, Text, ToolCall, ToolResult
from tests.dialects.anthropic_messages.asking import HELLO, PNG, RequestCase, asked, parts


class ConversationTests(RequestCase):
    """Messages and their roles."""

    def test_system_string_leads(self) -> None:
        """A system string becomes the first message."""
        prompt = asked(system="Be kind.")

        self.assertEqual(prompt.messages[0], Message(Role.SYSTEM, (Text("Be kind."),)))

    def test_system_blocks_stay_apart(self) -> None:
        """Each system block is a part of its own, so that one of them can be told from the rest."""
        prompt = asked(system=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])

        self.assertEqual(prompt.messages[0], Message(Role.SYSTEM, (Text("a"), Text("b"))))

    def test_system_is_text_only(self) -> None:
        """An image in the system text is refused with its place."""
        self.refused("system[0].type", system=[PNG])
        self.refused("messages[0].content[0].type", messages=[{"role": "system", "content": [PNG]}])

    def test_system_in_mid_conversation(self) -> None:
        """A system message among the others stays in its place, as a string and as blocks."""
        blocks = [{"type": "text", "text": "b"}]

        prompt = asked(messages=[HELLO, {"role": "system", "content": "a"}, {"role": "system", "content": blocks}])

        self.assertEqual([message.role for message in prompt.messages], [Role.USER, Role.SYSTEM, Role.SYSTEM])
        self.assertEqual(prompt.messages[1:], (Message(Role.SYSTEM, (Text("a"),)), Message(Role.SYSTEM, (Text("b"),))))

    def test_unknown_role_is_refused(self) -> None:
        """A role of another dialect is refused with its place."""
        self.refused("messages[0].role", messages=[{"role": "tool", "content": "a"}])
        self.refused("messages[0].role", messages=[{"content": "a"}])

    def test_tool_results_become_messages_of_their_own(self) -> None:
        """Results in a user message are told apart from what the user said, in order."""
        results = [{"type": "tool_result", "tool_use_id": name, "content": name} for name in ("A", "B")]
        content = [*results, {"type": "text", "text": "go on"}]

        prompt = asked(messages=[{"role": "user", "content": content}])

        self.assertEqual(
            prompt.messages,
            (
                Message(Role.TOOL, (ToolResult("A", (Text("A"),)), ToolResult("B", (Text("B"),)))),
                Message(Role.USER, (Text("go on"),)),
            ),
        )

    def test_message_without_content_stays(self) -> None:
        """A message without content is handed on, for the repair of the history to see."""
        self.assertEqual(
            asked(messages=[{"role": "assistant", "content": []}]).messages, (Message(Role.ASSISTANT, ()),)
        )

    def test_content_of_a_wrong_type(self) -> None:
        """Content that is neither a string nor blocks is refused with its place."""
        self.refused("messages[0].content", messages=[{"role": "user", "content": 5}])
        self.refused("messages[0].content[0]", messages=[{"role": "user", "content": ["a"]}])
        self.refused("messages[1]", messages=[HELLO, "hello"])


class BlockTests(RequestCase):
    """The blocks of a message."""

    def test_text(self) -> None:
        """Each text block is a part of its own."""
        blocks = [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "citations": None}]

        self.assertEqual(parts("user", *blocks), (Text("a"), Text("b")))

    def test_inline_images(self) -> None:
        """An image may be given as base64 or as a data URL."""
        url = {"type": "image", "source": {"type": "url", "url": "data:image/PNG;base64,iVBORw0K"}}

        self.assertEqual(parts("user", PNG, url), (Image("image/png", "iVBORw0K"),) * 2)

    def test_remote_images_are_refused(self) -> None:
        """An image that would have to be fetched is refused with the place of its source."""
        url = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
        file = {"type": "image", "source": {"type": "file", "file_id": "file_1"}}

        self.assertIn("data URL", self.refused_block("user", url, "source.url").message)
        self.refused_block("user", file, "source.type")

    def test_incomplete_images_are_refused(self) -> None:
        """An image without source, type or data is refused with the place of what is missing."""
        self.refused_block("user", {"type": "image"}, "source")
        self.refused_block("user", {"type": "image", "source": {"type": "base64", "data": "a"}}, "source.media_type")
        self.refused_block(
            "user", {"type": "image", "source": {"type": "base64", "media_type": "image/png"}}, "source.data"
        )

    def test_tool_use(self) -> None:
        """The input of a call is handed on as JSON text."""
        call = {"type": "tool_use", "id": "A", "name": "look", "input": {"city": "Köln", "n": [1]}}

        self.assertEqual(parts("assistant", call), (ToolCall("A", "look", '{"city":"Köln","n":[1]}'),))

    def test_history_of_calls_is_never_refused_for_its_input(self) -> None:
        """Whatever input a client kept of a call is handed on for repair."""
        inputs = {"": None, "[1]": [1], "{broken": "{broken"}

        for text, kept in inputs.items():
            call = {"type": "tool_use", "id": "A", "name": "look", "input": kept}
            self.assertEqual(parts("assistant", call), (ToolCall("A", "look", text),))

    def test_tool_result_contents(self) -> None:
        """A result holds text, images and text documents, or nothing."""
        document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}}
        whole = {"type": "tool_result", "tool_use_id": "A", "content": [{"type": "text", "text": "a"}, PNG, document]}
        empty = {"type": "tool_result", "tool_use_id": "B", "is_error": True}

        self.assertEqual(
            parts("user", whole, empty),
            (
                ToolResult("A", (Text("a"), Image("image/png", "iVBORw0K"), Text("d"))),
                ToolResult("B", (), is_error=True),
            ),
        )

    def test_tool_result_needs_its_call(self) -> None:
        """A result that does not say what it answers is refused."""
        self.refused_block("user", {"type": "tool_result", "content": "a"}, "tool_use_id")

    def test_tool_result_with_an_unknown_block(self) -> None:
        """A block inside a result that cannot be sent is refused with its place."""
        result = {"type": "tool_result", "tool_use_id": "A", "content": [{"type": "hologram"}]}

        self.assertIn("hologram", self.refused_block("user", result, "content[0].type").message)

    def test_calls_and_results_have_their_speakers(self) -> None:
        """A user does not call tools, and a model does not answer them."""
        self.refused_block("user", {"type": "tool_use", "id": "A", "name": "look", "input": {}}, "type")
        self.refused_block("assistant", {"type": "tool_result", "tool_use_id": "A"}, "type")

    def test_thinking(self) -> None:
        """Thinking that comes back is reasoning with its signature, which is checked where the caller's key is known."""
        blocks = [
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "thinking", "thinking": "", "signature": "s"},
        ]

        self.assertEqual(parts("assistant", *blocks), (Reasoning("hm", ""), Reasoning("", "s")))

    def test_redacted_thinking_is_dropped(self) -> None:
        """Thinking that nobody here can read is dropped with a note."""
        content = [{"type": "redacted_thinking", "data": "x"}, {"type": "text", "text": "a"}]

        prompt = asked(messages=[{"role": "assistant", "content": content}])

        self.assertEqual(prompt.messages, (Message(Role.ASSISTANT, (Text("a"),)),))
        self.assertEqual(prompt.notes, (Note(NoteCode.REASONING_DROPPED, ("messages[0].content[0]",)),))

    def test_server_tools_in_history_are_dropped(self) -> None:
        """Calls and results of tools that Anthropic's servers ran are dropped with notes."""
        kinds = ("server_tool_use", "web_search_tool_result", "mcp_tool_use", "mcp_tool_result")
        content = [*({"type": kind} for kind in kinds), {"type": "text", "text": "a"}]

        prompt = asked(messages=[{"role": "assistant", "content": content}])

        self.assertEqual(prompt.messages, (Message(Role.ASSISTANT, (Text("a"),)),))
        self.assertEqual({note.code for note in prompt.notes}, {NoteCode.SERVER_TOOL_DROPPED})
        self.assertEqual(len(prompt.notes), 4)

    def test_text_document_is_inlined(self) -> None:
        """A text document becomes text under its title and context."""
        source = {"type": "text", "media_type": "text/plain", "data": "Once upon a time"}
        bare = {"type": "document", "source": source}
        titled = {"type": "document", "title": "A tale", "context": "old", "source": source}

        self.assertEqual(
            parts("user", bare, titled), (Text("Once upon a time"), Text("A tale\n\nold\n\nOnce upon a time"))
        )

    def test_text_in_other_forms(self) -> None:
        """A document of text blocks, a search result and a reference to a tool are text too."""
        text = {"type": "text", "text": "body"}
        for block, expected in (
            (
                {"type": "document", "title": "T", "source": {"type": "content", "content": [text, text]}},
                "T\n\nbody\nbody",
            ),
            (
                {"type": "search_result", "title": "T", "source": "https://example.org/", "content": [text]},
                "T\n\nhttps://example.org/\n\nbody",
            ),
            ({"type": "tool_reference", "tool_name": "look"}, "look"),
        ):
            self.assertEqual(parts("user", block), (Text(expected),))

    def test_other_documents_are_refused(self) -> None:
        """A PDF, a URL and a file are refused, not silently absent."""
        for kind in ("base64", "url", "file"):
            block = {"type": "document", "source": {"type": kind}}
            self.assertIn(kind, self.refused_block("user", block, "source.type").message)

    def test_unknown_blocks_are_refused(self) -> None:
        """A block that cannot be sent is refused with its type and its place."""
        for kind in ("container_upload", "hologram"):
            self.assertIn(kind, self.refused_block("user", {"type": kind}, "type").message)

    def test_blocks_without_type_or_text_are_refused(self) -> None:
        """A block without a type, and a text block without text, are refused with the place of what is missing."""
        self.refused_block("user", {"text": "a"}, "type")
        self.refused_block("user", {"type": "text"}, "text")
