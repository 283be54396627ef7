"""Tests of how arguments and results are worded."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.prompt import Image, Text, ToolCall, ToolResult
from ccproxy.upstreams.commandcode import results

CALL = ToolCall("up_1", "look", "{}")
PICTURE = Image("image/png", "aaaa")


class ArgumentsTests(SynchronousTestCase):
    """Arguments as the text of an object."""

    def test_object(self) -> None:
        """An object stays as it is."""
        self.assertEqual(results.arguments('{"b": 1, "a": 1e400}'), '{"b": 1, "a": 1e400}')

    def test_empty(self) -> None:
        """No text is an empty object."""
        self.assertEqual([results.arguments(text) for text in ("", " \n")], ["{}", "{}"])

    def test_no_object(self) -> None:
        """What is no object is kept as text inside one."""
        for text in ("[1]", '"x"', "null", "3", '{"cut": ', "\ud800", "NaN", "[" * 100_000):
            said = json.loads(results.arguments(text))

            self.assertEqual(said, {"value": text.replace("\ud800", "\ufffd")})


class TextualTests(SynchronousTestCase):
    """Results as text."""

    def test_texts(self) -> None:
        """Several texts are lines of one, under the id with which the call goes up."""
        result = results.textual(ToolResult("c", (Text("one"), Text("two")), is_error=True), CALL)

        self.assertEqual(result, ToolResult("up_1", (Text("one\ntwo"),), is_error=True))

    def test_nothing(self) -> None:
        """A tool that said nothing said nothing."""
        self.assertEqual(results.textual(ToolResult("c", ()), CALL), ToolResult("up_1", (Text(""),)))

    def test_image(self) -> None:
        """An image leaves a marker in its place."""
        result = results.textual(ToolResult("c", (Text("before"), PICTURE, Text("after"))), CALL)

        before, marker, after = self.successful(result).split("\n")
        self.assertEqual((before, after), ("before", "after"))
        self.assertIn("image", marker)

    def successful(self, result: ToolResult) -> str:
        """The one text of a result that is no error."""
        (said,) = result.content
        assert isinstance(said, Text)
        assert not result.is_error
        return said.text


class ImagesTests(SynchronousTestCase):
    """Images of results as parts of a user message."""

    def test_introduced(self) -> None:
        """The tool is named before its images."""
        introduction, *pictures = results.images(ToolResult("c", (Text("x"), PICTURE, PICTURE)), CALL)

        assert isinstance(introduction, Text)
        self.assertIn("look", introduction.text)
        self.assertEqual(pictures, [PICTURE, PICTURE])

    def test_none(self) -> None:
        """Without images there is no introduction."""
        self.assertEqual(results.images(ToolResult("c", (Text("x"),)), CALL), ())


class StrayTests(SynchronousTestCase):
    """Results that answer no call."""

    def test_kept(self) -> None:
        """Text and images are kept, blanks are not, and it is said where they come from."""
        introduction, *said = results.stray(ToolResult("c", (Text("x"), Text(" "), PICTURE)), superfluous=False)

        self.assertEqual(said, [Text("x"), PICTURE])
        self.assertEqual(introduction, Text("[The result of a tool call that is no longer in the conversation:]"))

    def test_introductions_differ(self) -> None:
        """An error is called one, and so is a second answer."""
        introductions = {
            results.stray(ToolResult("c", (), is_error=is_error), superfluous=superfluous)
            for is_error in (False, True)
            for superfluous in (False, True)
        }

        self.assertEqual(len(introductions), 4)
