"""Tests of structured output: what the model is told, and what is said about its document."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.errors import Kind, ProxyError
from ccproxy.prompt import Message, OutputFormat, Prompt, Role, Text
from ccproxy.structured import complaint, instruction, output_format, repair

OBJECT = OutputFormat()
PERSON = OutputFormat({"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]})
ASKED = Prompt("vendor/model-1", (Message(Role.USER, (Text("Who?"),)),), output=PERSON)


class OutputFormatTests(SynchronousTestCase):
    """The form of an answer, as it was asked for."""

    def test_schema(self) -> None:
        """A schema is kept as it came."""
        schema = {"type": "object", "$comment": "ours"}

        self.assertEqual(output_format(schema, "a.schema"), OutputFormat(schema))

    def test_no_schema(self) -> None:
        """A schema that documents cannot be checked with is refused, with its place and the cause."""
        error = self.assertRaises(ProxyError, output_format, {"type": "text"}, "a.schema")

        self.assertEqual((error.kind, error.field), (Kind.INVALID_REQUEST, "a.schema"))
        self.assertTrue(error.message.startswith("a.schema: is no valid JSON Schema: at $.type: 'text'"), error.message)


class InstructionTests(SynchronousTestCase):
    """What the model is told."""

    def test_schema(self) -> None:
        """The schema stands in the instruction as compact JSON, in the client's order."""
        self.assertEqual(
            instruction(OutputFormat({"type": "object", "required": ["ä"]})),
            "Your final answer has to be one JSON document that conforms to this JSON Schema: nothing before or after it, "
            'and no code fence.\n{"type":"object","required":["ä"]}',
        )

    def test_any_object(self) -> None:
        """Without a schema the model is asked for an object."""
        self.assertEqual(
            instruction(OBJECT),
            "Your final answer has to be one JSON object: nothing before or after it, and no code fence.",
        )


class ComplaintTests(SynchronousTestCase):
    """What is wrong with a document."""

    def test_fits(self) -> None:
        """Of what was asked for nothing is said."""
        self.assertIsNone(complaint(PERSON, ' {"age": 1}\n'))
        self.assertIsNone(complaint(OBJECT, '{"anything": []}'))
        self.assertIsNone(complaint(OutputFormat({}), "null"))

    def test_no_json(self) -> None:
        """What is no JSON is told with its place."""
        for output in (OBJECT, PERSON):
            self.assertEqual(
                complaint(output, '{"age":'), "The answer is not valid JSON: Expecting value at line 1, column 8."
            )

    def test_nothing(self) -> None:
        """No document is not the document that was asked for."""
        for document in ("", " \n"):
            self.assertEqual(complaint(OutputFormat({}), document), "The answer holds no JSON document.")

    def test_no_object(self) -> None:
        """Whoever asked for an object gets nothing else."""
        for document in ("[]", '"a"', "1", "null"):
            self.assertEqual(complaint(OBJECT, document), "The answer is valid JSON, but no JSON object.")

    def test_mismatch(self) -> None:
        """What does not fit the schema is told with its place and the cause, in one sentence."""
        self.assertEqual(
            complaint(PERSON, '{"age": "old"}'),
            "The answer does not fit the JSON Schema: at $.age: 'old' is not of type 'integer'.",
        )

    def test_length(self) -> None:
        """However long the document and its names are, the sentence is not."""
        name = "n" * 5000
        schema = {"properties": {name: {"properties": {name: {"enum": ["a" * 5000]}}}}}

        said = complaint(OutputFormat(schema), f'{{"{name}": {{"{name}": "{name}"}}}}') or ""

        self.assertLessEqual(len(said), 500)
        self.assertTrue(said.endswith("aaa']."), said)

    def test_half_a_character(self) -> None:
        """A document that holds half a character is checked like any other."""
        self.assertIsNone(complaint(PERSON, '{"age": 1, "name": "\\ud83d"}'))
        self.assertIn("is not of type", complaint(PERSON, '{"age": "\\ud83d"}') or "")


class RepairTests(SynchronousTestCase):
    """Asking once more."""

    def test_conversation(self) -> None:
        """The model sees its document and what is wrong with it, after all that was said before."""
        again = repair(ASKED, "{}", "It is empty.")

        said, heard = again.messages[-2:]
        self.assertEqual(again.messages[:-2], ASKED.messages)
        self.assertEqual(said, Message(Role.ASSISTANT, (Text("{}"),)))
        self.assertEqual(
            heard,
            Message(
                Role.USER,
                (
                    Text(
                        "It is empty. Answer with the corrected JSON document only: "
                        "nothing before or after it, and no code fence."
                    ),
                ),
            ),
        )

    def test_without_document(self) -> None:
        """Where there was no document none is made up."""
        again = repair(ASKED, " ", "It is empty.")

        self.assertEqual([message.role for message in again.messages], [Role.USER, Role.USER])

    def test_all_else(self) -> None:
        """The same is asked for in the same way, and the repair is noted."""
        again = repair(ASKED, "{}", "It is empty.")

        self.assertEqual((again.model, again.output), (ASKED.model, PERSON))
        self.assertEqual(again.notes, ())
