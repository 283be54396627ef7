"""Tests of the tables of what is supported: every row is true, and no field of the vendors' SDKs is missing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_type_hints

from anthropic.types import message_create_params as messages
from anthropic.types.beta import message_create_params as beta_messages
from attrs import frozen
from openai.types import completion_create_params as completions
from openai.types.chat import completion_create_params as chat
from openai.types.responses import response_create_params as responses
from twisted.trial.unittest import SynchronousTestCase

from tests.corpus_replay import Attempt, CorpusDaemon
from tests.replay import SHOWN
from tests.unmeasured import Unmeasured
from tests.web.house import KEY

PAGE = Path(__file__).parents[1] / "docs" / "support.md"
SECTIONS = {
    "OpenAI Chat Completions": "openai_chat",
    "OpenAI Completions (legacy)": "openai_completions",
    "OpenAI Responses": "openai_responses",
    "Anthropic Messages": "anthropic_messages",
}
SDK = {
    "openai_chat": (chat.CompletionCreateParamsNonStreaming, chat.CompletionCreateParamsStreaming),
    "openai_completions": (completions.CompletionCreateParamsNonStreaming, completions.CompletionCreateParamsStreaming),
    "openai_responses": (responses.ResponseCreateParamsNonStreaming, responses.ResponseCreateParamsStreaming),
    "anthropic_messages": (
        messages.MessageCreateParamsNonStreaming,
        messages.MessageCreateParamsStreaming,
        beta_messages.MessageCreateParamsNonStreaming,
        beta_messages.MessageCreateParamsStreaming,
    ),
}
"""What each vendor's SDK can send."""

PATHS = {dialect.name: dialect.paths[0] for dialect in SHOWN}
HELLO = [{"role": "user", "content": "hello"}]
MINIMAL: dict[str, dict[str, Any]] = {
    "openai_chat": {
        "model": "vendor/example-model",
        "messages": HELLO,
        "tools": [{"type": "function", "function": {"name": "tide_table"}}],
    },
    "openai_completions": {"model": "vendor/example-model", "prompt": "hello"},
    "openai_responses": {
        "model": "vendor/example-model",
        "input": "hello",
        "tools": [{"type": "function", "name": "tide_table"}],
    },
    "anthropic_messages": {
        "model": "vendor/example-model",
        "messages": HELLO,
        "tools": [{"name": "tide_table", "input_schema": {"type": "object"}}],
    },
}
DOCUMENT = b'{"type":"text-delta","id":"0","text":"{}"}\n{"type":"finish","finishReason":"stop"}\n'
"""An answer that is a JSON document, too, so that it suits every request."""

ROW = re.compile(r"\| `(?P<field>\w+)` \| (?P<here>\w+) \| `(?P<example>[^`]+)` \|")
IGNORED = "ignored-fields"


@frozen
class Row:
    """A row of a table: what is done with a field that has the value of the example."""

    dialect: str
    field: str
    here: str
    example: Any

    def __str__(self) -> str:
        return f"{self.dialect}: {self.field} = {json.dumps(self.example)} is {self.here}"


@frozen
class Seen:
    """What a request led to: the status, the notes, the JSON of the answer if it is one, and the JSON that went up if any did."""

    status: int
    notes: str
    answer: Any
    sent: Any


def rows() -> list[Row]:
    """All rows of the page."""
    found: list[Row] = []
    for section in PAGE.read_text().split("\n## ")[1:]:
        dialect = SECTIONS[section.partition("\n")[0]]
        found += [
            Row(dialect, match["field"], match["here"], json.loads(match["example"])) for match in ROW.finditer(section)
        ]
    return found


def ask(dialect: str, **fields: Any) -> Seen:
    """Send a minimal request with these fields."""
    daemon = CorpusDaemon()
    daemon.follow([Attempt(body=DOCUMENT)])
    body = {**MINIMAL[dialect], **fields}
    answer = daemon.connect().ask("POST", PATHS[dialect], body, {"authorization": f"Bearer {KEY}"}).answer
    daemon.end()
    document = None if answer.headers["content-type"].startswith("text/event-stream") else answer.document
    (sent,) = [json.loads(sent)["params"] for sent in daemon.bodies] or [None]
    return Seen(answer.status, answer.headers.get("x-ccproxy-notes", ""), document, sent)


def names(error: dict[str, Any], field: str) -> bool:
    """Whether an error names a field or a place inside it."""
    return re.match(rf"{field}\b", error.get("param") or error["message"]) is not None


class TruthTests(Unmeasured):
    """The rows of the tables."""

    def check(self, here: str) -> list[tuple[Row, Seen, Seen]]:
        """Each row with this word, what it leads to, and what its request leads to without the field."""
        plain = {dialect: ask(dialect) for dialect in PATHS}
        checked = [
            (row, ask(row.dialect, **{row.field: row.example}), plain[row.dialect])
            for row in rows()
            if row.here == here
        ]
        self.assertTrue(checked)
        return checked

    def test_sent(self) -> None:
        """What is sent can be seen in what goes up."""
        for row, seen, plain in self.check("sent"):
            self.assertEqual((seen.status, seen.notes), (200, ""), str(row))
            self.assertNotEqual(seen.sent, plain.sent, str(row))

    def test_emulated(self) -> None:
        """What is emulated works without a note."""
        for row, seen, _ in self.check("emulated"):
            self.assertEqual((seen.status, seen.notes), (200, ""), str(row))

    def test_clamped(self) -> None:
        """What is clamped goes up as another value, with a note."""
        for row, seen, plain in self.check("clamped"):
            self.assertEqual(seen.status, 200, str(row))
            self.assertIn("clamped", seen.notes, str(row))
            self.assertNotEqual(seen.sent, plain.sent, str(row))
            self.assertNotIn(json.dumps(row.example), json.dumps(seen.sent), str(row))

    def test_ignored(self) -> None:
        """What is ignored changes nothing that goes up, and is counted."""
        for row, seen, plain in self.check("ignored"):
            self.assertEqual((seen.status, seen.notes), (200, f"{IGNORED}=1"), str(row))
            self.assertEqual(seen.sent, plain.sent, str(row))

    def test_refused(self) -> None:
        """What is refused gets a 400 that names the field, and nothing goes up."""
        for row, seen, _ in self.check("refused"):
            self.assertEqual((seen.status, seen.sent), (400, None), str(row))
            self.assertTrue(names(seen.answer["error"], row.field), f"{row}: {seen.answer}")

    def test_fine(self) -> None:
        """What is fine changes nothing and leaves no note."""
        for row, seen, plain in self.check("fine"):
            self.assertEqual((seen.status, seen.notes), (200, ""), str(row))
            self.assertEqual(seen.sent, plain.sent, str(row))


class CompletenessTests(SynchronousTestCase):
    """The tables as a whole."""

    def test_dialects(self) -> None:
        """There is a table for every dialect; that of conversations to sum up reads the fields of another one."""
        self.assertEqual({row.dialect for row in rows()}, {dialect.name for dialect in SHOWN})

    def test_fields(self) -> None:
        """No field that a vendor's SDK can send is missing."""
        for dialect, kinds in SDK.items():
            told = {row.field for row in rows() if row.dialect == dialect}
            known = {field for kind in kinds for field in get_type_hints(kind)}
            self.assertEqual(known - told, set(), dialect)

    def test_words(self) -> None:
        """Every line of a table is read, and its word is one that is explained."""
        page = PAGE.read_text()
        explained = set(re.findall(r"^\| (\w+) \| ", page.partition("\n## ")[0], re.MULTILINE)) - {"word"}

        self.assertEqual({row.here for row in rows()}, explained)
        self.assertEqual(len(rows()), len(re.findall(r"^\| `", page, re.MULTILINE)))
