"""Tests of what judges in the soak: a judge that sees nothing would find no fault."""

from __future__ import annotations

import json

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.soak.asking import SCENARIOS, SENTENCE, TEXT, Ask, Dialect, Said
from tests.soak.clients import Windows
from tests.soak.faults import Cutter, Fault
from tests.soak.front import Attempt
from tests.soak.hostile import Hostile
from tests.soak.judging import Circumstances, Promise, asked_twice, difference, judge, judge_hostile, lingering
from tests.soak.ledger import Ledger, percentile, table
from tests.soak.reading import Failed, UnreadableError, read
from tests.soak.watch import Sample, growth, offences
from tests.soak.wire import Answer

KEY = "user_test_key"
ASK = Ask(7, TEXT, Dialect.CHAT, True, KEY)
MESSAGES = evolve(ASK, dialect=Dialect.MESSAGES, stream=False)
CUT = evolve(ASK, scenario=next(scenario for scenario in SCENARIOS if scenario.model == "sim/cut"))
WORDS = f"Hello from the simulator! You said: ask-0000007 {SENTENCE}"
CLEAN = Attempt(Fault.NONE, reused=False, began=10.0, ended=11.0, status=200)
SPOILT = evolve(CLEAN, fault=Fault.CLOSE_IN_BODY)
ERROR = {"message": "It broke.", "type": "server_error", "param": None, "code": "upstream_error", "retry_after": 1}


def chunk(delta: dict[str, object], reason: str | None = None, **more: object) -> str:
    """One frame of a chat stream."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "sim/text"}
    return sse({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more})


def sse(data: object) -> str:
    """One frame of data."""
    return f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n"


def streamed(*frames: str) -> Answer:
    """A stream that is whole, as HTTP."""
    return Answer(200, {"content-type": "text/event-stream", "x-request-id": ASK.id}, "".join(frames).encode())


def refused(status: int, document: object, *, retryable: bool = True) -> Answer:
    """A refusal."""
    headers = {"content-type": "application/json", "x-request-id": ASK.id, "x-should-retry": str(retryable).lower()}
    if retryable:
        headers["retry-after"] = "1"
    return Answer(status, headers, json.dumps(document).encode())


TEXT_FRAME = chunk({"role": "assistant", "content": WORDS})
WHOLE = streamed(TEXT_FRAME, chunk({}, "stop", usage={"completion_tokens": 9}), sse("[DONE]"))
BROKEN_OFF = streamed(TEXT_FRAME, sse({"error": ERROR}))


class JudgingTests(SynchronousTestCase):
    """The judgement of one answer."""

    def broken(
        self, answer: Answer, *attempts: Attempt, ask: Ask = ASK, stopping: bool = False, reused: bool = False
    ) -> list[Promise]:
        """The promises that an answer breaks."""
        about = Circumstances(attempts, stopping, reused)
        return [promise for promise, _ in judge(ask, answer, about).broken]

    def test_whole(self) -> None:
        """A right answer breaks nothing, and keeps what it is a test of."""
        verdict = judge(ASK, WHOLE, Circumstances([CLEAN]))

        self.assertEqual((verdict.outcome, list(verdict.broken)), ("whole", []))
        self.assertLessEqual({Promise.RIGHT, Promise.HONEST, Promise.ACCEPTED}, verdict.kept)

    def test_foreign(self) -> None:
        """An answer to somebody else's question is wrong."""
        self.assertEqual(self.broken(WHOLE, CLEAN, ask=evolve(ASK, number=8)), [Promise.RIGHT, Promise.RIGHT])

    def test_dressed_up(self) -> None:
        """A success is a lie if the upstream's answer was spoilt, or can only fail."""
        self.assertEqual(self.broken(WHOLE, SPOILT), [Promise.HONEST])
        self.assertEqual(self.broken(WHOLE, CLEAN, ask=CUT), [Promise.HONEST])

    def test_unfinished(self) -> None:
        """A stream that stops without its end, and says nothing of it, is no answer."""
        self.assertEqual(self.broken(streamed(TEXT_FRAME), CLEAN), [Promise.RIGHT])

    def test_failure(self) -> None:
        """An error event needs a cause."""
        self.assertEqual(self.broken(BROKEN_OFF, SPOILT), [])
        self.assertEqual(self.broken(BROKEN_OFF, CLEAN), [Promise.CAUSED])
        self.assertEqual(self.broken(BROKEN_OFF, CLEAN, stopping=True), [])

    def test_other_text(self) -> None:
        """What a failing stream said before its error is judged as well."""
        wrong = streamed(chunk({"role": "assistant", "content": "Good bye"}), sse({"error": ERROR}))

        self.assertEqual(self.broken(wrong, SPOILT), [Promise.RIGHT])

    def test_status(self) -> None:
        """A refusal has to be the one that its scenario stands for."""
        unavailable = next(scenario for scenario in SCENARIOS if scenario.model == "sim/http-429")
        ask = evolve(ASK, scenario=unavailable)

        self.assertEqual(self.broken(refused(429, {"error": ERROR}), CLEAN, ask=ask), [])
        self.assertEqual(self.broken(refused(502, {"error": ERROR}), CLEAN, ask=ask), [Promise.CAUSED])

    def test_shape(self) -> None:
        """A refusal in the other dialect's shape, or in none, is not what its client understands."""
        self.assertEqual(self.broken(refused(502, {"error": ERROR}), SPOILT, ask=MESSAGES), [Promise.SHAPED])
        self.assertEqual(self.broken(Answer(502, {"x-request-id": ASK.id}), SPOILT), [Promise.SHAPED])

    def test_no_answer(self) -> None:
        """A connection that closes without an answer is excused only if it was kept, and the daemon was going down."""
        nothing = Answer(trouble="closed before the end")

        self.assertEqual(self.broken(nothing), [Promise.ACCEPTED])
        self.assertEqual(self.broken(nothing, reused=True), [Promise.ACCEPTED])
        self.assertEqual(self.broken(nothing, stopping=True), [Promise.ACCEPTED])
        self.assertTrue(judge(ASK, nothing, Circumstances((), stopping=True, reused=True)).again)

    def test_cut(self) -> None:
        """An answer that is cut short breaks a promise, and so does one that never ends."""
        self.assertEqual(self.broken(evolve(WHOLE, trouble="closed"), CLEAN), [Promise.UNCUT])
        self.assertEqual(self.broken(evolve(WHOLE, trouble="late", hung=True), CLEAN), [Promise.PROMPT])

    def test_malformed(self) -> None:
        """The answer to a malformed request is a refusal in its path's dialect."""
        sent = Hostile("broken JSON", Dialect.CHAT, [b""])

        good = judge_hostile(sent, refused(400, {"error": ERROR}, retryable=False))
        bad = [judge_hostile(sent, answer) for answer in (WHOLE, refused(500, {"error": ERROR}), Answer(400))]

        late = judge_hostile(sent, refused(503, {"error": ERROR}), stopping=True)

        self.assertEqual([*good.broken, *late.broken], [])
        self.assertEqual([verdict.broken[0][0] for verdict in bad], [Promise.SHAPED] * 3)


class AttemptTests(SynchronousTestCase):
    """What the upstream saw."""

    def test_asked_twice(self) -> None:
        """Only a stale connection and a refusal may be followed by another attempt."""
        stale = Attempt(Fault.CLOSE_UNANSWERED, reused=True, began=1.0)
        fresh = Attempt(Fault.CLOSE_UNANSWERED, reused=False, began=1.0)
        refusal = evolve(CLEAN, status=503)

        self.assertEqual([asked_twice([before, CLEAN]) for before in (stale, refusal)], ["", ""])
        self.assertTrue(all(asked_twice([before, CLEAN]) for before in (fresh, CLEAN, SPOILT)))

    def test_lingering(self) -> None:
        """An attempt lingers from the moment that its client left, or that it began, to its end."""
        self.assertIsNone(lingering(12.0, [CLEAN], 20.0))
        self.assertEqual(lingering(10.5, [CLEAN], 20.0), 0.5)
        self.assertEqual(lingering(9.0, [CLEAN, evolve(CLEAN, began=15.0, ended=None)], 20.0), 5.0)

    def test_cutter(self) -> None:
        """An answer is cut where its room ends, and never so late that its finish was told, whatever the reads."""
        body = b'{"type":"text"}\n{"type":"finish-step"}\n'
        for size in range(1, len(body)):
            cutter, passed = Cutter(1000), b""
            for start in range(0, len(body), size):
                passing, cut = cutter.feed(body[start : start + size])
                passed += passing
                if cut:
                    break
            self.assertEqual((passed, cut), (body[: body.index(b'"finish')], True))
        self.assertEqual(Cutter(4).feed(body), (body[:4], True))


class ReadingTests(SynchronousTestCase):
    """Answers as a client reads them."""

    def test_failed_stream(self) -> None:
        """A stream that fails says what it said before; one that had finished cannot fail."""
        self.assertEqual(
            read(Dialect.CHAT, 200, BROKEN_OFF.headers, BROKEN_OFF.body), Failed(200, "It broke.", True, WORDS)
        )
        finished = streamed(TEXT_FRAME, chunk({}, "stop"), sse({"error": ERROR}))
        self.assertRaises(UnreadableError, read, Dialect.CHAT, 200, finished.headers, finished.body)

    def test_document(self) -> None:
        """A Messages document is read block by block."""
        blocks = [
            {"type": "text", "text": "Hm."},
            {"type": "tool_use", "id": "1", "name": "look_up", "input": {"a": 1}},
        ]
        document = {"type": "message", "role": "assistant", "content": blocks, "stop_reason": "tool_use"}
        body = json.dumps({**document, "usage": {"output_tokens": 3}}).encode()

        said = read(Dialect.MESSAGES, 200, {"content-type": "application/json"}, body)

        self.assertEqual(said, Said("Hm.", "", (("look_up", '{"a": 1}'),), "tools"))

    def test_difference(self) -> None:
        """The place where two long answers differ is shown."""
        self.assertIn("xyz", difference(Said("a" * 5000 + "xyz"), Said("a" * 5000 + "b")))


class ReckoningTests(SynchronousTestCase):
    """The table, and what is measured for it."""

    def test_table(self) -> None:
        """A broken promise is marked and told, one that was not tested is not called kept."""
        ledger = Ledger()
        ledger.enter("ask", judge(ASK, WHOLE, Circumstances([SPOILT])))

        rows = {line.split("  ")[0]: line.split("  ")[-1].strip() for line in ledger.table().splitlines()}

        self.assertFalse(ledger.is_clean)
        self.assertEqual(rows[Promise.HONEST.value], "BROKEN")
        self.assertEqual(rows[Promise.ACCEPTED.value], "ok")
        self.assertEqual(rows[Promise.LEAN.value], "not seen")
        self.assertIn("  - ask: a success in spite of", ledger.table())

    def test_columns(self) -> None:
        """Columns are as wide as their widest cell."""
        self.assertEqual(table(("a", "b"), [("long", "c")]), ["a     b", "----  -", "long  c"])

    def test_percentile(self) -> None:
        """A percentile is one of the values."""
        values = [float(number) for number in range(100, 0, -1)]

        self.assertEqual([percentile(values, share) for share in (0.5, 0.99, 1)], [50.0, 99.0, 100.0])
        self.assertEqual(percentile([3.0], 0.99), 3.0)

    def test_growth(self) -> None:
        """Growth is measured from the most of the first steady minute to the least of the last seconds."""
        samples = [Sample(float(second), 100 + second, 20) for second in range(200)]

        found = growth(samples)

        assert found is not None
        self.assertEqual((found.before.memory, found.after.memory, found.descriptors), (165, 290, 0))
        self.assertIsNone(growth(samples[:3]))

    def test_offences(self) -> None:
        """A log may hold neither keys nor words, and no traceback."""
        lines = [b"a quiet line", f"he said: {SENTENCE}".encode(), b"key c4n4ry", b"Traceback (most recent call last):"]

        self.assertEqual([is_secret for is_secret, _ in offences(lines, b"c4n4ry")], [True, True, False])

    def test_windows(self) -> None:
        """A window that has not closed meets everything after its opening."""
        windows = Windows()
        self.assertFalse(windows.meet(0, float("inf")))
        windows.open()
        self.assertTrue(windows.meet(0, float("inf")))
        windows.close(slack=1.0)
        self.assertFalse(windows.meet(0, 1.0))
