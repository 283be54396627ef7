"""Tests of what clients get for each transcript: byte for byte, and what it means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve, frozen
from twisted.trial.unittest import SynchronousTestCase

from ccproxy.codecs import Dialect
from ccproxy.errors import Kind
from ccproxy.events import FinishReason
from tests.meanings import (
    Meaning,
    chat_document,
    chat_stream,
    completions_document,
    completions_stream,
    messages_document,
    messages_stream,
    responses_document,
    responses_stream,
)
from tests.replay import GOLDEN, SHOWN, TRANSCRIPTS, golden, goldens

CHAT, MESSAGES, COMPLETIONS, RESPONSES = SHOWN
STOP, LENGTH, CALLS = FinishReason.STOP, FinishReason.LENGTH, FinishReason.TOOL_CALLS
LATE, EARLY = "before it was finished", "without any output"


@frozen
class Spent:
    """Tokens: ``read`` and ``written`` to a cache are part of ``input``, ``thought`` is part of ``output``; None is unknown."""

    input: int
    output: int
    read: int = 0
    thought: int = 0
    written: int | None = None


@frozen
class Row:
    """What a transcript means: how it ends, what it says, and what it costs; a failure has words in place of a cost."""

    ending: FinishReason | Kind
    text: str = ""
    spent: Spent | str = ""
    reasoning: str = ""
    calls: tuple[tuple[str, Any], ...] = ()


BOXES = "Three boxes\nof eight, one of them empty."
ROWS = "".join(f"\nrow {number:03} " if number % 20 == 0 else f"row {number:03} " for number in range(1, 421))
SCRIPTS = (
    "こんにちは、\U0001f469\U0001f3fd\u200d\U0001f52c\U0001f1f3\U0001f1f4 e\u0301 n\u0303 "
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 a\u2028b\u2029c\x85d "
    '\U0001f375 \u0416\u2028 \x00 say \\u0041 and "quote"\tthen\n\U0001d49c \u2615\ufe0f'
)
NOTES = (("open_note", {"title": 'the "blue" one'}), ("count_words", {"folder": "drafts", "deep": True}))
KITCHEN = (
    ("find_recipe", {"dish": "soup", "servings": 4}),
    ("set_timer", {"minutes": 12}),
    ("ring_bell", {"room": "kitchen"}),
)

TABLE = {
    "01_text_only": Row(STOP, "The kettle is on.", Spent(21, 7)),
    "02_reasoning_then_text_overlap": Row(STOP, "Sixteen pencils.", Spent(44, 26, thought=20), reasoning=BOXES),
    "03_single_tool_call_with_deltas": Row(
        CALLS, "I will ask the harbour.", Spent(305, 38), calls=(("tide_table", {"port": "Bergen", "hours": 6}),)
    ),
    "04_parallel_tool_calls_interleaved": Row(CALLS, "", Spent(512, 61, read=256), calls=NOTES),
    "05_error_mid_stream": Row(Kind.OVERLOADED, "Chapter one begins with a storm", "Example: the model host went away"),
    "06_error_first_402": Row(Kind.CREDIT, "", "Example: no credit is left for this model"),
    "07_finish_length": Row(LENGTH, "Monday, Tuesday, Wednesday, Thurs", Spent(33, 9)),
    "08_zero_output": Row(Kind.UPSTREAM, "", EARLY),
    "09_usage_v5_flat": Row(
        STOP, "The old way of counting.", Spent(250, 40, read=192, thought=12), reasoning="a brief look"
    ),
    "10_usage_v6_nested_cache_write": Row(
        STOP, "The new way of counting.", Spent(2400, 75, read=2048, written=200, thought=15)
    ),
    "11_unicode_emoji": Row(STOP, SCRIPTS, Spent(29, 58)),
    "12_long_many_deltas": Row(STOP, ROWS, Spent(61234, 1260, read=60928)),
    "13_missing_finish_truncated_tool": Row(Kind.UPSTREAM, "Saving the poem.", LATE),
    "14_unknown_events_and_framing": Row(STOP, "still readable", Spent(37, 5)),
    "15_quirks_toolcall_variants": Row(CALLS, "", Spent(131, 45), calls=KITCHEN),
    "16_surrogate_split": Row(STOP, "A whale 🐳 surfaces.", Spent(14, 8)),
    "17_reasoning_only": Row(
        STOP, "", Spent(52, 19, thought=19), reasoning="The question answers itself, so there is nothing to add."
    ),
    "18_error_string": Row(Kind.UPSTREAM, "", "Gateway request failed"),
    "19_error_prefix_429": Row(Kind.RATE_LIMITED, "", "user concurrency limit exceeded"),
    "20_finish_error_reason": Row(Kind.UPSTREAM, "The second half of this", "with an error (upstream_error)"),
    "21_abort": Row(Kind.UPSTREAM, "Counting backwards from ten", "aborted"),
    "22_content_filter": Row(FinishReason.CONTENT_FILTER, "I cannot go on", Spent(48, 5)),
    "23_pause_turn": Row(FinishReason.PAUSE, "Half of the search is done.", Spent(410, 11)),
    "24_late_reasoning": Row(
        STOP, "The bridge opens at nine.", Spent(36, 18, thought=8), reasoning="Wait, is it the old one?"
    ),
    "25_tool_conflict": Row(Kind.UPSTREAM, "", "differ from its final ones"),
    "26_multi_step_usage": Row(STOP, "Searching first. Found it.", Spent(680, 40, read=256)),
    "27_broken_json_line": Row(Kind.UPSTREAM, "Before the gap", "a line that cannot be read"),
    "28_invalid_utf8_line": Row(Kind.UPSTREAM, "Clean so far", "a line that cannot be read"),
    "29_tool_input_available": Row(CALLS, "", Spent(160, 14), calls=(("water_plants", {"litres": 3}),)),
    "30_two_text_blocks": Row(STOP, "First paragraph.Second paragraph.", Spent(27, 8)),
}
CHAT_ENDINGS: Mapping[FinishReason | Kind, str] = {
    STOP: "stop",
    LENGTH: "length",
    CALLS: "tool_calls",
    FinishReason.CONTENT_FILTER: "content_filter",
    FinishReason.PAUSE: "stop",
    Kind.UPSTREAM: "server_error",
    Kind.OVERLOADED: "server_error",
    Kind.CREDIT: "insufficient_quota",
    Kind.RATE_LIMITED: "rate_limit_error",
}
MESSAGES_ENDINGS: Mapping[FinishReason | Kind, str] = {
    STOP: "end_turn",
    LENGTH: "max_tokens",
    CALLS: "tool_use",
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.PAUSE: "pause_turn",
    Kind.UPSTREAM: "api_error",
    Kind.OVERLOADED: "overloaded_error",
    Kind.CREDIT: "billing_error",
    Kind.RATE_LIMITED: "rate_limit_error",
}
COMPLETIONS_ENDINGS = {**CHAT_ENDINGS, CALLS: "stop"}
RESPONSES_ENDINGS: Mapping[FinishReason | Kind, str] = {
    **dict.fromkeys((STOP, CALLS, FinishReason.PAUSE), "completed"),
    LENGTH: "max_output_tokens",
    FinishReason.CONTENT_FILTER: "content_filter",
    Kind.UPSTREAM: "upstream_error",
    Kind.OVERLOADED: "server_is_overloaded",
    Kind.CREDIT: "insufficient_quota",
    Kind.RATE_LIMITED: "rate_limit_exceeded",
}
IN_BAND = {**MESSAGES_ENDINGS, Kind.UPSTREAM: "overloaded_error"}
"""A client of Messages repeats a stream that broke off for this one type."""


def chat_usage(spent: Spent) -> dict[str, Any]:
    """The usage as Chat Completions shows it; cached tokens are part of the prompt."""
    return {
        "prompt_tokens": spent.input,
        "completion_tokens": spent.output,
        "total_tokens": spent.input + spent.output,
        "prompt_tokens_details": {"cached_tokens": spent.read},
        "completion_tokens_details": {"reasoning_tokens": spent.thought},
    }


def messages_usage(spent: Spent) -> dict[str, Any]:
    """The usage as Messages shows it; cached tokens stand beside the input."""
    usage = {
        "input_tokens": spent.input - spent.read - (spent.written or 0),
        "output_tokens": spent.output,
        "cache_read_input_tokens": spent.read,
    }
    return usage if spent.written is None else {**usage, "cache_creation_input_tokens": spent.written}


def responses_usage(spent: Spent) -> dict[str, Any]:
    """The usage as Responses shows it; cached tokens are part of the input."""
    return {
        "input_tokens": spent.input,
        "input_tokens_details": {"cached_tokens": spent.read, "cache_write_tokens": spent.written or 0},
        "output_tokens": spent.output,
        "output_tokens_details": {"reasoning_tokens": spent.thought},
        "total_tokens": spent.input + spent.output,
    }


class BytesTests(SynchronousTestCase):
    """The golden files, as they are."""

    def test_bytes(self) -> None:
        """A client gets exactly these bytes."""
        for path, answer in goldens().items():
            self.assertEqual(answer, path.read_bytes(), path.relative_to(GOLDEN))

    def test_no_others(self) -> None:
        """There is a golden file for every transcript, in every dialect that can be read and both modes, and no other."""
        self.assertEqual(set(GOLDEN.glob("*/*")), goldens().keys())
        self.assertEqual(len(goldens()), len(TRANSCRIPTS) * len(SHOWN) * 2)


class MeaningTests(SynchronousTestCase):
    """The golden files, as clients understand them."""

    def check(
        self,
        dialect: Dialect,
        read: Callable[[bytes], Meaning],
        endings: Mapping[FinishReason | Kind, str],
        usage: Callable[[Spent], dict[str, Any]],
        *,
        stream: bool,
        text_only: bool = False,
    ) -> None:
        """Hold each file of a dialect against the table."""
        for name, whole in TABLE.items():
            row = evolve(whole, reasoning="", calls=()) if text_only else whole
            meaning = read(golden(dialect, name, stream=stream).read_bytes())

            if isinstance(row.spent, Spent):
                wanted = Meaning(row.text, row.reasoning, row.calls, endings[row.ending], usage=usage(row.spent))
            else:
                self.assertIn(row.spent, meaning.message, name)
                wanted = Meaning(row.text if stream else "", ending=endings[row.ending], message=meaning.message)
            self.assertEqual(meaning, wanted, name)

    def test_table(self) -> None:
        """Every transcript has its row."""
        self.assertEqual(tuple(TABLE), TRANSCRIPTS)

    def test_chat_stream(self) -> None:
        """A Chat Completions stream means what the transcript means."""
        self.check(CHAT, chat_stream, CHAT_ENDINGS, chat_usage, stream=True)

    def test_chat_document(self) -> None:
        """A Chat Completions document means what the transcript means."""
        self.check(CHAT, chat_document, CHAT_ENDINGS, chat_usage, stream=False)

    def test_messages_stream(self) -> None:
        """A Messages stream means what the transcript means."""
        self.check(MESSAGES, messages_stream, IN_BAND, messages_usage, stream=True)

    def test_messages_document(self) -> None:
        """A Messages document means what the transcript means."""
        self.check(MESSAGES, messages_document, MESSAGES_ENDINGS, messages_usage, stream=False)

    def test_completions_stream(self) -> None:
        """A legacy Completions stream means the text of the transcript."""
        self.check(COMPLETIONS, completions_stream, COMPLETIONS_ENDINGS, chat_usage, stream=True, text_only=True)

    def test_completions_document(self) -> None:
        """A legacy Completions document means the text of the transcript."""
        self.check(COMPLETIONS, completions_document, COMPLETIONS_ENDINGS, chat_usage, stream=False, text_only=True)

    def test_responses_stream(self) -> None:
        """A Responses stream means what the transcript means."""
        self.check(RESPONSES, responses_stream, RESPONSES_ENDINGS, responses_usage, stream=True)

    def test_responses_document(self) -> None:
        """A Responses document means what the transcript means."""
        self.check(RESPONSES, responses_document, RESPONSES_ENDINGS, responses_usage, stream=False)
