"""Tests of structured output, from the request to the second question."""

from __future__ import annotations

from typing import Any

from tests.dialects.strict import read_chat, read_messages
from tests.web.house import CHAT, MESSAGES, SPEECHES, HouseTestCase, Speech
from tests.web.scripted import Scripted, texts

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
GOOD, BAD = '{"city": "Oslo"}', '{"town": "Oslo"}'


def wanted(speech: Speech) -> dict[str, Any]:
    """The fields with which a client asks for a document of the schema."""
    if speech is MESSAGES:
        return {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
    return {
        "response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}}
    }


def text_of(speech: Speech, document: Any) -> Any:
    """The text of an answer in one piece."""
    return document["content"][0]["text"] if speech is MESSAGES else document["choices"][0]["message"]["content"]


class DocumentTests(HouseTestCase):
    """An answer in one piece."""

    def test_fenced_document(self) -> None:
        """Of an answer with prose and a fence only the document is left, and the model was told the schema."""
        for speech in SPEECHES:
            upstream = Scripted(texts("Sure!\n```json\n", GOOD, "\n```\nAnything else?"))

            answer = self.daemon(upstream).connect().post(speech, **wanted(speech)).answer

            self.assertEqual((answer.status, text_of(speech, answer.document)), (200, GOOD))
            self.assertIn('"required":["city"]', upstream.asked[0]["params"]["system"])
            self.assertEqual(len(upstream.asked), 1)

    def test_second_question(self) -> None:
        """A document that does not fit is given back to the model once; the answer is the second one, and both are paid for."""
        for speech in SPEECHES:
            upstream = Scripted(texts(BAD), texts(GOOD))

            answer = self.daemon(upstream).connect().post(speech, **wanted(speech)).answer

            self.assertEqual((answer.status, text_of(speech, answer.document)), (200, GOOD))
            self.assertIn("document-repaired=1", answer.headers["x-ccproxy-notes"])
            usage = answer.document["usage"]
            spent = [
                usage[name]
                for name in ("input_tokens", "output_tokens", "prompt_tokens", "completion_tokens")
                if name in usage
            ]
            self.assertEqual(spent, [20, 10])
            first, second = (asked["params"]["messages"] for asked in upstream.asked)
            self.assertEqual(second[: len(first)], first)
            self.assertEqual([message["role"] for message in second[len(first) :]], ["assistant", "user"])
            self.assertIn("city", second[-1]["content"][0]["text"])

    def test_no_third_question(self) -> None:
        """A second document that does not fit is an error that says why, not to be tried again."""
        for speech in SPEECHES:
            upstream = Scripted(texts(BAD))

            answer = self.daemon(upstream).connect().post(speech, **wanted(speech)).answer

            self.assertEqual((answer.status, answer.headers["x-should-retry"]), (502, "false"))
            self.assertIn("does not fit the JSON Schema", answer.error["message"])
            self.assertEqual(len(upstream.asked), 2)

    def test_no_second_question(self) -> None:
        """With structuredRepair off nobody is asked twice."""
        upstream = Scripted(texts(BAD), texts(GOOD))

        answer = self.daemon(upstream, structured_repair=False).connect().post(CHAT, **wanted(CHAT)).answer

        self.assertEqual((answer.status, len(upstream.asked)), (502, 1))

    def test_failure_of_another_kind(self) -> None:
        """An upstream that fails is not asked for a better document."""
        upstream = Scripted(b'{"type":"error","error":{"message":"Gone.","statusCode":500}}\n')

        answer = self.daemon(upstream).connect().post(CHAT, **wanted(CHAT)).answer

        self.assertEqual((answer.status, len(upstream.asked)), (502, 1))

    def test_any_object(self) -> None:
        """JSON mode takes any object, and nothing else."""
        upstream = Scripted(texts("[1, 2, 3, 4]"), texts('{"list": [1, 2]}'))

        answer = self.daemon(upstream).connect().post(CHAT, response_format={"type": "json_object"}).answer

        self.assertEqual(text_of(CHAT, answer.document), '{"list": [1, 2]}')


class StreamTests(HouseTestCase):
    """An answer that streams."""

    def test_document(self) -> None:
        """Only text that belongs to the document is streamed."""
        said = texts("Here:\n\n```json\n", GOOD[:7], GOOD[7:], "\n```")

        chat = self.daemon(Scripted(said)).connect().post(CHAT, stream=True, **wanted(CHAT)).answer
        messages = self.daemon(Scripted(said)).connect().post(MESSAGES, stream=True, **wanted(MESSAGES)).answer

        self.assertEqual(read_chat(chat.body).text, GOOD)
        self.assertEqual([block["text"] for block in read_messages(messages.body).blocks], [GOOD])

    def test_misfit(self) -> None:
        """A document that does not fit ends in an error, and is not asked for again: it is seen already."""
        upstream = Scripted(texts(BAD), texts(GOOD))

        answer = self.daemon(upstream).connect().post(MESSAGES, stream=True, **wanted(MESSAGES)).answer

        reading = read_messages(answer.body)
        self.assertEqual([block["text"] for block in reading.blocks], [BAD])
        self.assertIn("does not fit", (reading.error or {})["message"])
        self.assertEqual(len(upstream.asked), 1)
