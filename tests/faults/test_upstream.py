"""Tests of upstreams whose connections or HTTP go wrong: an error with the true cause, after the text that came, and never a normal end."""

from __future__ import annotations

import gzip
import socket
from typing import Any

from twisted.internet.task import deferLater

from tests.faults.house import MODES, FaultTestCase, failure, request
from tests.faults.upstream import (
    BEGINNING,
    CHUNKED,
    SILENCE,
    WHOLE,
    Close,
    Flood,
    Reset,
    Script,
    ScriptedUpstream,
    Wait,
    chunks,
    dribbled,
    head,
    sized,
)
from tests.web.house import Speech

BROKE = "The connection to the upstream broke before its answer was finished."
NO_ANSWER = "The upstream closed the connection before it answered."
HALF_HEAD = "The connection to the upstream broke inside the header of its answer."
NOT_HTTP = "The upstream's answer is not HTTP that can be understood."
LARGE_HEAD = "The header of the upstream's answer is larger than the proxy takes."
TEXT = "A beginning"


class ConnectionTests(FaultTestCase):
    """Connections that are not made, or break."""

    async def test_refused(self) -> None:
        """A connection that is refused is tried three times in all, and is then a 502."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # and nobody listens
            await self.unreachable(f"http://127.0.0.1:{taken.getsockname()[1]}", "could not be reached")
        self.assertIn("tries 3", self.lines["text"].getvalue())

    async def test_unknown_name(self) -> None:
        """A host whose name nobody knows is a 502 that says so."""
        await self.unreachable("http://upstream.invalid", "host name could not be resolved")

    async def unreachable(self, api_base: str, says: str, **settings: Any) -> None:
        """An upstream to which there is no connection is a 502 that says so, in every mode."""

        async def ask(speech: Speech, stream: bool) -> None:
            answer = await self.asked(self.daemon(api_base, **settings), request(speech, stream=stream))
            self.assertEqual((answer.status, answer.headers["x-should-retry"]), (502, "true"))
            self.assertIn(says, failure(speech, answer.body, stream=False)["message"])

        await self.in_every_mode(ask)

    async def test_black_hole(self) -> None:
        """A host that does not answer to a connection is given up after connectTimeout, and is a 502."""
        with socket.socket() as hole, socket.socket() as first, socket.socket() as second:
            hole.bind(("127.0.0.1", 0))
            hole.listen(0)
            for client in (first, second):  # the queue is full: nobody else is answered
                client.setblocking(False)
                client.connect_ex(hole.getsockname())
            api_base = f"http://127.0.0.1:{hole.getsockname()[1]}"
            await self.unreachable(api_base, "could not be made in time", connect_timeout=0.1)

    async def test_closed_at_once(self) -> None:
        """A connection that is closed or reset as soon as it is made is a 502, and the request is not sent again."""
        await self.suffered([], 502, NO_ANSWER, greeting=[Close()])
        await self.suffered([], 502, NO_ANSWER, greeting=[Reset()])

    async def test_closed_before_the_head(self) -> None:
        """A request that is taken and not answered is a 502, and is not sent again: it may have been worked on."""
        await self.suffered([Close()], 502, NO_ANSWER)
        await self.suffered([Reset()], 502, NO_ANSWER)

    async def test_broken_inside_the_head(self) -> None:
        """An answer that breaks off inside its head is a 502."""
        for beginning in (b"H", b"HTTP/1.1 200", head("x: y")[:-2]):
            for end in (Close(), Reset()):
                await self.suffered([beginning, end], 502, HALF_HEAD)

    async def test_broken_before_the_first_word(self) -> None:
        """An answer that breaks off after its head is a 502, before anything was sent."""
        for end in (Close(), Reset()):
            await self.suffered([CHUNKED, end], 502, BROKE)
            await self.suffered([head("content-length: 9999"), end], 502, BROKE)

    async def test_broken_inside_the_text(self) -> None:
        """A stream that breaks off is an error event after the text that came, a document a 502, whatever frames its body."""
        for end in (Close(), Reset()):
            await self.suffered([CHUNKED + chunks(BEGINNING), end], 502, BROKE, text=TEXT)
            await self.suffered([CHUNKED + chunks(BEGINNING, b"{")[:-3], end], 502, BROKE, text=TEXT)
            await self.suffered([head("content-length: 9999") + BEGINNING, end], 502, BROKE, text=TEXT)
        await self.suffered([head() + BEGINNING, Reset()], 502, "was finished", text=TEXT)

    async def test_ended_inside_the_text(self) -> None:
        """An answer whose body ends well before the turn does is an error all the same."""
        scripts: tuple[Script, ...] = (
            [CHUNKED + chunks(BEGINNING, last=True)],
            [sized(BEGINNING)],
            [head() + BEGINNING, Close()],
            [head(version="1.0") + BEGINNING, Close()],
        )
        for script in scripts:
            await self.suffered(script, 502, "before", text=TEXT)


class FramingTests(FaultTestCase):
    """HTTP that is unusual, or wrong."""

    async def test_close_delimited(self) -> None:
        """A body that ends with its connection is whole when the turn is, in either version of HTTP."""
        await self.survived([head(version="1.0") + WHOLE, Close()])
        await self.survived([head("connection: close") + WHOLE, Close()])

    async def test_broken_after_the_finish(self) -> None:
        """What goes wrong after the turn has finished is nobody's business."""
        late = b'{"type":"error","error":"late"}\n'

        await self.together(
            self.survived([CHUNKED + chunks(WHOLE), Reset()]),
            self.survived([CHUNKED + chunks(WHOLE), SILENCE], drain_timeout=0.05),
            self.survived([CHUNKED + chunks(WHOLE) + b"nonsense"]),
            self.survived([CHUNKED + chunks(WHOLE, late, last=True)]),
        )

    async def test_informational(self) -> None:
        """Answers of 1xx before the answer are passed over."""
        early = head(status="103 Early Hints")
        await self.survived([head(status="100 Continue") + early + early + CHUNKED + chunks(WHOLE, last=True)])

    async def test_endless_informational(self) -> None:
        """Answers of 1xx without end are cut off."""
        await self.suffered([head("x: " + "y" * 1000, status="103 Early Hints") * 100, SILENCE], 502, LARGE_HEAD)

    async def test_dribbled_head(self) -> None:
        """A head that comes byte by byte is a head."""
        await self.survived([*dribbled(head(f"content-length: {len(WHOLE)}"), 0.0005), WHOLE])

    async def test_unfinished_head(self) -> None:
        """A head that never becomes whole is a 504, however it dribbles."""
        script = [head("x: y")[:-2], *dribbled(b"z: " + b"y" * 100, 0.05)]
        await self.suffered(script, 504, "did not answer within 0.4 seconds", silence_timeout=0.4)

    async def test_huge_head(self) -> None:
        """A head without end is cut off, be it many lines or one."""
        await self.suffered([head(*["x: " + "y" * 1000] * 200)], 502, LARGE_HEAD)
        await self.suffered([head("x: " + "y" * 70_000)], 502, LARGE_HEAD)

    async def test_large_head(self) -> None:
        """A head that is merely large is taken."""
        body = chunks(WHOLE, last=True)
        await self.survived([head("transfer-encoding: chunked", *["x: " + "y" * 1000] * 50) + body])

    async def test_malformed_chunks(self) -> None:
        """A body whose chunks cannot be read is an error after the text that came."""
        for nonsense in (b"xyz\r\n", b"-5\r\nabcde\r\n", b"2\r\nabcdef\r\n", b"f" * 5000):
            await self.suffered([CHUNKED + chunks(BEGINNING), Wait(0.01), nonsense, SILENCE], 502, BROKE, text=TEXT)

    async def test_not_http(self) -> None:
        """What is no HTTP is a 502 that says so."""
        for nonsense in (
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"HTTP/1.1 OK\r\n\r\n",
            b"HTTP/x.y 200 OK\r\n\r\n",
            head("no colon"),
            head("transfer-encoding: gzip, chunked"),
            head("content-length: 5", "content-length: 6"),
            head("content-length: -5"),
        ):
            await self.suffered([nonsense, SILENCE], 502, NOT_HTTP)

    async def test_redirects(self) -> None:
        """A redirect is not followed, wherever it points: neither key nor prompt goes to another place."""
        for code in (301, 302, 303, 307, 308):
            elsewhere = ScriptedUpstream(self.clock, [sized(WHOLE)])
            location = f"location: http://127.0.0.1:{self.served(elsewhere)}/"
            await self.suffered([sized(b"", location, status=f"{code} Moved")], 502, f"status {code}")
            self.assertEqual(elsewhere.connections, 0)

    async def test_compressed(self) -> None:
        """A compressed answer is refused unread, a bomb as well, and hung up on."""
        bomb = gzip.compress(b" " * 20_000_000)
        for coding in ("gzip", "br", "zstd", "deflate", "x-unknown"):
            await self.suffered([sized(bomb, f"content-encoding: {coding}")], 502, "compressed")
        await self.suffered([head("content-encoding: gzip"), Flood(50_000_000)], 502, "compressed")

    async def test_other_success(self) -> None:
        """A success without an answer is none."""
        await self.suffered([head(status="204 No Content")], 502, "status 204")
        await self.suffered([sized(b"", status="206 Partial Content")], 502, "status 206")


class KeptConnectionTests(FaultTestCase):
    """Connections that served before: no request is lost to one that the upstream has closed."""

    async def asked_twice(self, *scripts: object, pause: float = 0, **settings: object) -> ScriptedUpstream:
        """The upstream of two requests, one after the other; both are answered."""
        speech, stream = MODES[1]
        upstream, api_base = self.upstream(*scripts)  # type: ignore[arg-type] # scripts, as of upstream()
        assembly = self.daemon(api_base, **settings)
        for _ in range(2):
            answer = await self.asked(assembly, request(speech, stream=stream))
            self.assertEqual(answer.status, 200, answer.body)
            await self.until(lambda: not assembly.house.live)
            if pause:
                await deferLater(self.reactor, pause)
        return upstream

    async def test_kept(self) -> None:
        """A connection that ended its answer serves again."""
        upstream = await self.asked_twice([sized(WHOLE)])

        self.assertEqual((upstream.connections, len(upstream.requests)), (1, 2))

    async def test_closed_while_idle(self) -> None:
        """One that the upstream closed meanwhile is not used."""
        upstream = await self.asked_twice([sized(WHOLE), Wait(0.01), Close()], pause=0.05)

        self.assertEqual((upstream.connections, len(upstream.requests)), (2, 2))

    async def test_closed_when_asked(self) -> None:
        """One that is closed just when it is asked again costs a second connection, and no error."""
        upstream = await self.asked_twice([sized(WHOLE)], [Close()], [sized(WHOLE)])

        self.assertEqual((upstream.connections, len(upstream.requests)), (2, 3))

    async def test_reset_when_asked(self) -> None:
        """A reset is no different."""
        upstream = await self.asked_twice([sized(WHOLE)], [Reset()], [sized(WHOLE)])

        self.assertEqual((upstream.connections, len(upstream.requests)), (2, 3))

    async def test_about_to_be_closed(self) -> None:
        """One of which the upstream said how long it keeps it is not used when that time is nearly over."""
        upstream = await self.asked_twice([sized(WHOLE, "keep-alive: timeout=0")], pause=0.01)

        self.assertEqual((upstream.connections, len(upstream.requests)), (2, 2))

    async def test_more_than_it_said(self) -> None:
        """One on which more came than its answer is not used."""
        upstream = await self.asked_twice([sized(WHOLE), Wait(0.01), b"HTTP/1.1 408 Late\r\n\r\n"], pause=0.05)

        self.assertEqual((upstream.connections, len(upstream.requests)), (2, 2))
