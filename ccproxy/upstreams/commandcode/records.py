"""This module is the decoder of ``POST /alpha/generate``: NDJSON records to events.

The body is one JSON object per line, a part of the Vercel AI SDK's full stream each, although the response calls itself an event stream
(seen live 2026-08-30); ``data:`` prefixes, comments and ``[DONE]`` are tolerated. The order seen is ``start``, ``start-step``, reasoning,
text, tool calls, ``finish-step``, ``finish``, ``provider-metadata``; blocks overlap, so that a block is known by its id and not by its
place. ``start-step`` echoes the whole request on one line of up to several megabytes and is never held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ccproxy.errors import Kind, ProxyError
from ccproxy.events import (
    Event,
    Failed,
    Finished,
    ReasoningDelta,
    TextDelta,
    TextDeltas,
    TextEnded,
    TextStarted,
    Usage,
)
from ccproxy.framing import LineSplitter, MalformedJSONError, RecordReader, SurrogateJoiner
from ccproxy.upstreams.commandcode import diagnosis, ending, usage
from ccproxy.upstreams.commandcode.calls import Calls
from ccproxy.upstreams.commandcode.lines import NEW_STEP, StreamRecord, delta_of, is_of, kind_of
from ccproxy.upstreams.commandcode.texts import Texts

_QUIET = {"start", NEW_STEP}  # a stream with nothing else in it has generated nothing


class Records:
    """Decodes one answer.

    Args:
        line_limit: The longest line of a type that we need, bytes; 0 for no limit.
    """

    _texts = Texts()

    def __init__(self, line_limit: int) -> None:
        self._skipped = 0
        self._splitter = LineSplitter(line_limit, self._drops)
        self._calls = Calls(line_limit)
        self._text = SurrogateJoiner()
        self._reasoning = SurrogateJoiner()
        self._steps: list[Usage] = []
        self._last_step: StreamRecord | None = None
        self._dropped_step = False
        self._anonymous = 0
        self._eventful = False
        self._over = False

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes, cut anywhere, and say what they complete."""
        events: list[Event] = []
        if not self._over:
            skipped = self._splitter.skipped
            self._block(self._splitter.feed(data), events)
            if self._dropped_step and self._splitter.skipped > skipped:  # it is what follows the lines that were read
                self._last_step = None
            self._dropped_step = False
        return events

    def end(self) -> list[Event]:
        """Take the end of the stream; a last ``finish-step`` counts as a finish."""
        events: list[Event] = []
        last = self._splitter.end()
        self._block(last + b"\n" if last else b"", events)
        if self._last_step is not None:
            self._end_with(events, *self._finished(self._last_step))
        elif not self._eventful:
            message = "The upstream ended its answer before it began."
            self._end_with(events, Failed(ProxyError(Kind.UPSTREAM, message, replayable=True)))
        else:
            self._fail("The upstream ended its answer before it was finished.", events)
        return events

    @property
    def skipped(self) -> int:
        """How many lines meant nothing to us, those that were dropped unread included."""
        return self._skipped + self._splitter.skipped

    # Lines

    def _block(self, block: bytes, events: list[Event]) -> None:
        self._lines(block, events)
        if self._splitter.overflowed:
            self._fail("The upstream sent a line that is larger than the limit.", events)

    def _lines(self, block: bytes, events: list[Event]) -> None:
        start, end, texts = self._texts.find(block) if block else (0, 0, ())
        if not texts:
            self._records(block, events)
            return
        self._records(block[:start], events)
        if not self._over:
            self._said(texts, events)
        self._records(block[end:], events)

    def _records(self, block: bytes, events: list[Event]) -> None:
        if self._over or not block:
            return
        records = _READER.block(block)
        if records is not None:
            for record in records:
                self._take(record, events)
        else:
            for line in block[:-1].split(b"\n"):
                self._line(line.strip(b" \t\r"), events)

    def _said(self, texts: Sequence[str], events: list[Event]) -> None:
        self._eventful, self._last_step = True, None
        if self._text.is_halfway:
            texts = [text for text in map(self._text.join, texts) if text]
        if len(texts) > 1:
            events.append(TextDeltas(texts))
        elif texts:
            events.append(TextDelta(texts[0]))

    def _line(self, line: bytes, events: list[Event]) -> None:
        if self._over:
            return
        if line.startswith(b"data:"):
            line = line[len(b"data:") :].lstrip(b" \t")
        if not line or line == b"[DONE]" or self._unwanted(line):
            self._skipped += 1
            return
        try:
            record = _READER.line(line)
        except MalformedJSONError as error:
            if text := self._texts.read(line):
                self._said((text,), events)
            elif not is_of(line, _HANDLERS):
                self._skipped += 1
            else:
                self._fail(f"The upstream sent a line that cannot be read ({error}).", events)
            return
        if record is None:
            self._skipped += 1
        else:
            self._take(record, events)

    def _drops(self, head: bytes) -> bool:
        """Whether a line that begins so, and has not ended, can be dropped unread."""
        kind = kind_of(head)
        if not self._means_nothing(kind):
            return False
        self._dropped_step = kind == NEW_STEP
        return True

    def _unwanted(self, line: bytes) -> bool:
        """Whether a line can be passed over unread."""
        kind = kind_of(line)
        if not self._means_nothing(kind):
            return False
        if kind == NEW_STEP:
            self._last_step = None
        return True

    def _means_nothing(self, kind: str | None) -> bool:
        if kind is None or kind in _HANDLERS:
            return False
        self._eventful = self._eventful or bool(kind and kind not in _QUIET)
        return True

    # Records

    def _take(self, record: StreamRecord, events: list[Event]) -> None:
        if self._over:
            return
        handler = _HANDLERS.get(record.type)
        if handler is None:
            self._unknown(record, events)
            return
        self._eventful, self._last_step = True, None
        if record.data is not None and record == StreamRecord(type=record.type, data=record.data):
            record = self._unnested(record)
        for event in handler(self, record):
            if isinstance(event, (Finished, Failed)):
                self._end_with(events, event)
                return
            events.append(event)

    def _unknown(self, record: StreamRecord, events: list[Event]) -> None:
        if not record.type and record.error is not None:  # an error envelope with status 200
            self._end_with(events, *self._error(record))
            return
        self._skipped += 1
        self._eventful = self._eventful or record.type not in _QUIET
        if record.type == NEW_STEP:
            self._last_step = None

    def _unnested(self, record: StreamRecord) -> StreamRecord:
        """The oldest form, ``{"type", "data": {...}}``."""
        if not isinstance(record.data, dict):
            return record
        try:
            return _READER.value({**record.data, "type": record.type})
        except MalformedJSONError:
            return record

    def _spent(self) -> Usage:
        return usage.total(self._steps)

    def _fail(self, message: str, events: list[Event]) -> None:
        self._end_with(events, Failed(ProxyError(Kind.UPSTREAM, message), self._spent()))

    def _end_with(self, events: list[Event], *last: Event) -> None:
        if self._over:
            return
        self._over = True
        if rest := self._reasoning.end():
            events.append(ReasoningDelta(rest))
        if rest := self._text.end():
            events.append(TextDelta(rest))
        events.extend(last)

    # Handlers

    def _text_delta(self, record: StreamRecord) -> Iterable[Event]:
        text = self._text.join(delta_of(record))
        return (TextDelta(text),) if text else ()

    def _text_end(self, record: StreamRecord) -> Iterable[Event]:
        rest = self._text.end()
        return (TextDelta(rest), TextEnded()) if rest else (TextEnded(),)

    def _reasoning_delta(self, record: StreamRecord) -> Iterable[Event]:
        text = self._reasoning.join(delta_of(record))
        return (ReasoningDelta(text),) if text else ()

    def _reasoning_end(self, record: StreamRecord) -> Iterable[Event]:
        rest = self._reasoning.end()
        return (ReasoningDelta(rest),) if rest else ()

    def _tool_start(self, record: StreamRecord) -> Iterable[Event]:
        if record.provider_executed:
            self._calls.disown(self._call_id(record))
            return ()
        return self._calls.start(self._call_id(record), record.tool_name or record.name)

    def _tool_delta(self, record: StreamRecord) -> Iterator[Event]:
        if name := record.tool_name or record.name:
            yield from self._calls.start(self._call_id(record), name)
        fragment = record.arguments if isinstance(record.arguments, str) else delta_of(record)
        yield from self._calls.fragment(self._call_id(record), fragment)

    def _tool_call(self, record: StreamRecord) -> Iterable[Event]:
        call_id = self._call_id(record)
        if not (record.id or record.tool_call_id):
            self._anonymous += 1
        if record.provider_executed:
            self._calls.disown(call_id)
            return ()
        final = next((value for value in (record.input, record.args, record.arguments) if value is not None), None)
        return self._calls.finish(call_id, record.tool_name or record.name, final)

    def _call_id(self, record: StreamRecord) -> str:
        call_id = record.tool_call_id or record.id
        return str(call_id) if call_id else f"call_{self._anonymous}"

    def _finish_step(self, record: StreamRecord) -> Iterable[Event]:
        self._last_step = record
        self._steps.append(usage.parse(record.usage))
        return ()

    def _finished(self, record: StreamRecord) -> Iterator[Event]:
        yield from self._calls.reveal()
        spent = usage.parse(record.total_usage)
        if spent == Usage():
            spent = self._spent()
        yield ending.read(record.finish_reason, record.raw_finish_reason, spent)

    def _error(self, record: StreamRecord) -> Iterable[Event]:
        return (Failed(diagnosis.from_event(record.error), self._spent()),)

    def _abort(self, record: StreamRecord) -> Iterable[Event]:
        return (Failed(ProxyError(Kind.UPSTREAM, "The upstream aborted its answer."), self._spent()),)


_READER = RecordReader(StreamRecord)
_HANDLERS: dict[str, Callable[[Records, StreamRecord], Iterable[Event]]] = {
    "text-delta": Records._text_delta,
    "reasoning-delta": Records._reasoning_delta,
    "text-start": lambda records, record: (TextStarted(),),
    "text-end": Records._text_end,
    "reasoning-end": Records._reasoning_end,
    "tool-input-start": Records._tool_start,
    "tool-input-delta": Records._tool_delta,
    "tool-call-delta": Records._tool_delta,
    "tool-call": Records._tool_call,
    "tool-input-available": Records._tool_call,
    "finish-step": Records._finish_step,
    "finish": Records._finished,
    "error": Records._error,
    "abort": Records._abort,
}
