"""Tests of upstreams whose HTTP is right and whose stream is not: what it says, what it leaves out, and how long it is silent."""

from __future__ import annotations

from twisted.internet.task import deferLater

from tests.faults.house import CANARY_KEY, CANARY_TEXT, FaultTestCase, failure, request
from tests.faults.upstream import (
    BEGINNING,
    CHUNKED,
    END,
    SILENCE,
    WHOLE,
    Close,
    Flood,
    Script,
    Step,
    Wait,
    chunks,
    head,
    line,
    sized,
)
from tests.web.house import SPEECHES

TEXT = "A beginning"
UNFINISHED = "The upstream ended its answer before it was finished."
BROKEN_LINE = "could not be read"


def streamed(*pieces: bytes) -> bytes:
    """A response whose body is made of these pieces, whole."""
    return CHUNKED + chunks(*pieces, last=True)


def grown(*pieces: bytes) -> list[Step]:
    """The same, each piece a moment after the one before."""
    steps: list[Step] = [CHUNKED]
    for piece in pieces:
        steps += [chunks(piece), Wait(0.005)]
    return [*steps, b"0\r\n\r\n"]


class OtherAnswerTests(FaultTestCase):
    """A status of 200 with something else in it than a turn."""

    async def test_page(self) -> None:
        """A page in HTML is a 502, and nothing of it is shown."""
        page = b"<!doctype html>\n<html><body>Please log in: https://portal.invalid/\n</body></html>\n"

        await self.suffered([sized(page, "content-type: text/html")], 502, "upstream")
        self.assertFalse(any(b"portal" in body for body in self.answered_with))

    async def test_empty(self) -> None:
        """An empty answer has cost nothing: it is asked for three times in all, and is then a 502."""
        scripts: tuple[Script, ...] = ([sized(b"")], [streamed(line(type="start"))])

        await self.together(*(self.suffered(script, 502, "upstream", tries=3) for script in scripts))

    async def test_empty_then_whole(self) -> None:
        """When a later try succeeds, the client sees only that."""
        upstream, api_base = self.upstream([sized(b"")], [sized(WHOLE)])
        assembly = self.daemon(api_base)

        answer = await self.asked(assembly, request(SPEECHES[0], stream=True))

        self.assertEqual((answer.status, len(upstream.requests)), (200, 2))
        self.assertIn(TEXT.encode(), answer.body)

    async def test_document(self) -> None:
        """A JSON document is not a turn, whatever it says of itself."""
        documents = (b'{"ok": true}', b'{"success": true, "choices": []}', b"[]", b"null", b'"text"')
        scripts: list[Script] = [[sized(document, "content-type: application/json")] for document in documents]

        await self.together(*(self.suffered(script, 502, "upstream", tries=None) for script in scripts))

    async def test_error_document(self) -> None:
        """An error in a document is an error with its words."""
        document = b'{"success": false, "error": {"code": "oops", "message": "Something is wrong today"}}'

        await self.suffered([sized(document)], 502, "")

    async def test_nothing_said(self) -> None:
        """A turn that finishes and says nothing is a 502."""
        await self.suffered([sized(line(type="start") + END)], 502, "without any output")


class ErrorEventTests(FaultTestCase):
    """Errors that the upstream tells inside its stream."""

    async def test_first(self) -> None:
        """An error before any text keeps its real status."""
        for status, message in ((402, "Insufficient Balance"), (429, "rate limit"), (503, "overloaded"), (400, "bad")):
            error = line(type="error", error={"message": message, "statusCode": status})
            await self.suffered([streamed(line(type="start"), error)], status, message)

    async def test_midway(self) -> None:
        """An error after text is an error event after that text."""
        error = line(type="error", error={"message": "Insufficient Balance", "statusCode": 402})

        await self.suffered(grown(BEGINNING, error), 402, "Insufficient Balance", text=TEXT)

    async def test_after_the_finish(self) -> None:
        """An error after the finish changes nothing: the answer was whole."""
        error = line(type="error", error={"message": "too late", "statusCode": 500})

        await self.survived([streamed(WHOLE, error)])
        await self.survived(grown(WHOLE, error))

    async def test_abort(self) -> None:
        """A turn that the upstream aborts is an error, as is one that finishes with an error."""
        await self.suffered(grown(BEGINNING, line(type="abort")), 502, "", text=TEXT)
        await self.suffered(grown(BEGINNING, line(type="finish", finishReason="error")), 502, "", text=TEXT)

    async def test_repeats_what_it_was_sent(self) -> None:
        """The upstream's words are passed on, but not a key in them."""
        words = f"cannot use {CANARY_KEY} (Bearer {CANARY_KEY}) to answer: {CANARY_TEXT}"
        error = line(type="error", error={"message": words, "statusCode": 400})

        await self.suffered([streamed(line(type="start"), error)], 400, "cannot use user_***")
        await self.suffered(grown(BEGINNING, error), 400, "cannot use user_***", text=TEXT)
        refused = sized(
            b'{"error": {"message": "%b"}}' % words.encode(), f"x-echo: {CANARY_KEY}", status="400 Bad Request"
        )
        await self.suffered([refused], 400, "cannot use user_***")

    async def test_headers_that_repeat_what_was_sent(self) -> None:
        """A header that holds a key does not reach the log, which shows the upstream's trace id."""
        await self.survived([sized(WHOLE, f"x-trace-id: {CANARY_KEY}", f"set-cookie: key={CANARY_KEY}")])


class BrokenLineTests(FaultTestCase):
    """Lines that cannot be read."""

    async def test_broken_json(self) -> None:
        """A line that is broken JSON fails the turn, as text may be lost in it."""
        for broken in (b'{"type":"text-delta","text":"a', b'{"type":"text-delta","text":}', b"{]", b"{'type':'x'}"):
            await self.suffered(grown(BEGINNING, broken + b"\n", END), 502, "", text=TEXT)

    async def test_broken_utf8(self) -> None:
        """So does a line that is broken UTF-8."""
        for broken in (b"\xff", b"\xc3", b"\xf8\x88\x80\x80\x80"):
            bad = b'{"type":"text-delta","id":"0","text":"%b"}\n' % broken
            await self.suffered(grown(BEGINNING, bad, END), 502, "", text=TEXT)

    async def test_what_is_no_record(self) -> None:
        """Blank lines, comments, other values and unknown types are passed over."""
        odd = b"\n\r\n: comment\nevent: x\ndata: [DONE]\nnull\n[1]\n7\n" + line(type="of tomorrow", text="x")

        await self.survived([streamed(BEGINNING, odd, END)])

    async def test_endless_line_that_is_not_needed(self) -> None:
        """A line of a type that is not needed is skipped, whatever its size."""
        long = b'{"type":"provider-metadata","data":"'
        body = len(BEGINNING + long) + 40_000_000 + len(b'"}\n' + END)

        await self.survived(
            [head(f"content-length: {body}") + BEGINNING + long, Flood(40_000_000), b'"}\n' + END], max_line_bytes=4096
        )

    async def test_endless_line_that_is_needed(self) -> None:
        """A line of a type that is needed has a limit, and the upstream is hung up on."""
        long = b'{"type":"text-delta","id":"0","text":"'
        script: Script = [head() + BEGINNING + long, Flood(40_000_000), SILENCE]

        await self.suffered(script, 502, "", text=TEXT, max_line_bytes=100_000)

    async def test_document_without_end(self) -> None:
        """A document has a limit, a stream has none."""
        delta = line(type="text-delta", id="0", text="x" * 10_000)
        script: Script = [streamed(BEGINNING, delta * 20, END)]
        for speech in SPEECHES:
            _, api_base = self.upstream(script)
            assembly = self.daemon(api_base, max_document_bytes=100_000)

            document = await self.asked(assembly, request(speech, stream=False))
            stream = await self.asked(assembly, request(speech, stream=True))

            self.assertEqual((document.status, stream.status), (502, 200))
            self.assertIn("Ask for a stream", failure(speech, document.body, stream=False)["message"])
            self.assertGreater(len(stream.body), 200_000)


class FinishTests(FaultTestCase):
    """Turns that come to an end in another way than they should."""

    async def test_missing(self) -> None:
        """A turn without a finish is no success, however clean the end of its connection."""
        await self.suffered([streamed(BEGINNING)], 502, UNFINISHED, text=TEXT)
        await self.suffered(grown(BEGINNING, line(type="text-end", id="0")), 502, UNFINISHED, text=TEXT)

    async def test_last_step(self) -> None:
        """A last finish-step counts as a finish, at an end that is orderly."""
        step = line(type="text-end", id="0") + line(type="finish-step", finishReason="stop", usage={})

        await self.survived([streamed(BEGINNING + step)])

    async def test_cut_call(self) -> None:
        """A tool call whose arguments break off is an error, and no call."""
        call = line(type="tool-input-start", id="c", toolName="look") + line(
            type="tool-input-delta", id="c", delta='{"a":'
        )
        for speech in SPEECHES:
            _, api_base = self.upstream([streamed(line(type="start"), call, END)])
            answer = await self.asked(self.daemon(api_base), request(speech, stream=False, tools=[speech.tool("look")]))
            self.assertEqual(answer.status, 502, answer.body)


class SilenceTests(FaultTestCase):
    """Upstreams that fall silent, and one that never quite does."""

    async def test_before_the_head(self) -> None:
        """Silence before the answer is a 504."""
        await self.suffered([SILENCE], 504, "did not answer within 0.4 seconds", silence_timeout=0.4)

    async def test_before_the_first_word(self) -> None:
        """Silence before the first word is a 504."""
        scripts: tuple[Script, ...] = ([CHUNKED, SILENCE], [CHUNKED + chunks(line(type="start")), SILENCE])
        says = "silent for 0.4 seconds before"

        await self.together(*(self.suffered(script, 504, says, silence_timeout=0.4) for script in scripts))

    async def test_inside_text(self) -> None:
        """Silence inside a text is an error event after that text, or a 504."""
        await self.suffered(
            [CHUNKED + chunks(BEGINNING), SILENCE],
            504,
            "silent for 0.4 seconds inside",
            text=TEXT,
            stream_idle_timeout=0.4,
            document_idle_timeout=0.4,
        )

    async def test_while_it_thinks(self) -> None:
        """Thought is given more time than text."""
        thought = line(type="reasoning-start", id="r") + line(type="reasoning-delta", id="r", text="hm")
        rest = line(type="reasoning-end", id="r") + BEGINNING + END
        long: Script = [CHUNKED + chunks(thought), Wait(0.6), chunks(rest, last=True)]
        start, step = chunks(line(type="start")), chunks(line(type="start-step"))
        too_long: Script = [CHUNKED + start, Wait(0.05), step, SILENCE]

        await self.together(
            self.survived(long, stream_idle_timeout=0.4, document_idle_timeout=0.4),
            self.suffered(too_long, 504, "silent", silence_timeout=0.4),
        )

    async def test_after_the_finish(self) -> None:
        """After the finish nobody waits, neither the client nor, for long, its connection."""
        await self.survived([CHUNKED + chunks(WHOLE), SILENCE], drain_timeout=0.05)

    async def test_refusal_that_does_not_end(self) -> None:
        """A refusal whose body never ends is given up."""
        script: Script = [head("content-length: 1000", status="400 Bad Request") + b'{"error":', SILENCE]

        await self.suffered(script, 504, "did not answer within 0.4 seconds", silence_timeout=0.4)

    async def test_trickle(self) -> None:
        """An upstream that says a little now and then is never cut, however long it takes."""
        deltas = [line(type="text-delta", id="0", text=f" {number}") for number in range(12)]
        steps: list[Step] = [CHUNKED + chunks(BEGINNING)]
        for delta in deltas:
            steps += [Wait(0.05), chunks(delta)]

        await self.survived(
            [*steps, chunks(END, last=True)],
            TEXT + "".join(f" {number}" for number in range(12)),
            stream_idle_timeout=0.4,
            document_idle_timeout=0.4,
            silence_timeout=0.4,
        )

    async def test_client_that_leaves(self) -> None:
        """When the client leaves, a silent upstream is hung up on at once."""
        for speech in SPEECHES:
            scripts: tuple[Script, ...] = ([SILENCE], [CHUNKED, SILENCE], [CHUNKED + chunks(BEGINNING), SILENCE])
            for script in scripts:
                upstream, api_base = self.upstream(script)
                assembly = self.daemon(api_base)
                reader = await self.connected(assembly)
                reader.transport.write(request(speech, stream=True))  # type: ignore[union-attr] # it is connected
                await self.until(lambda: upstream.requests)  # noqa: B023 - awaited here
                await deferLater(self.reactor, 0.01)

                reader.transport.abortConnection()  # type: ignore[union-attr] # it is connected
                await self.until(lambda: not upstream.open and not assembly.house.live, seconds=0.5)  # noqa: B023


class CloseTests(FaultTestCase):
    """A connection that the upstream wants to close is no fault."""

    async def test_asked_for(self) -> None:
        """An answer that ends with ``Connection: close`` is whole."""
        await self.survived([sized(WHOLE, "connection: close"), Close()])
