"""Tests of clients that misbehave, on real sockets: a shaped 4xx or nothing, never a 5xx, a traceback, a leak, or a forged request."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Sequence
from typing import Any

from twisted.internet.task import deferLater

from ccproxy.service import Assembly
from ccproxy.web.channel import ProxyChannel
from tests.faults.house import MODES, FaultTestCase, head, request, said
from tests.faults.upstream import BEGINNING, CHUNKED, SILENCE, WHOLE, Script, ScriptedUpstream, chunks, reset, sized
from tests.sockets.house import Reader
from tests.web.house import CHAT, MESSAGES, SPEECHES, answers
from tests.web.test_channel import DOUBTFUL, SMUGGLED

STALLED: Script = [CHUNKED + chunks(BEGINNING), SILENCE]
DEEP = 100_000
HOSTILE: Sequence[bytes] = (
    b"",
    b"\x00",
    b"\xff\xfe\xfd",
    b"null",
    b"[]",
    b"7",
    b'"text"',
    b"{",
    b"{}",
    b'{"model"',
    b"[" * DEEP,
    b"[" * DEEP + b"]" * DEEP,
    b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    b'{"model":"m","messages":' + b"[" * DEEP + b"]" * DEEP + b"}",
    b'{"model":"m","messages":NaN}',
    b'{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":NaN}',
    b'{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":-Infinity}',
    b'{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":1e999}',
    b'{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":' + b"9" * 5000 + b"}",
    b'{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":' + b"9" * 400 + b"}",
    b'{"model":"m","messages":[{"role":"user","content":{"a":1}}],"max_tokens":5}',
    b'{"model":"m","messages":[{"role":"user","content":[[[]]]}],"max_tokens":5}',
    b'{"model":"m","messages":[null],"max_tokens":5}',
    b'{"model":"m","messages":[{}],"max_tokens":5}',
    b'{"model":{"a":1},"messages":[{"role":"user","content":"x"}],"max_tokens":5}',
    b'{"model":"' + b"m" * 300 + b'","messages":[{"role":"user","content":"x"}],"max_tokens":5}',
    b'{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":5,"tools":{}}',
    b'{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":5,"stream":"yes"}',
)
TAKEN: Sequence[bytes] = (
    b'{"model":"m","model":"n","messages":[{"role":"user","content":"x"}],"max_tokens":5}',
    b'{"model":"m","messages":[{"role":"user","content":"\\ud83d"}],"max_tokens":5}',
    b'{"model":"m","messages":[{"role":"user","content":"a\\u0000b"}],"max_tokens":5}',
    b'\xef\xbb\xbf{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":5}',
)


class LeavingTests(FaultTestCase):
    """Clients that go away."""

    async def gone(self, upstream: ScriptedUpstream, assembly: Assembly) -> None:
        """Soon nothing is left of it: no exchange, no connection, on neither side."""
        await self.until(lambda: not assembly.house.live and not assembly.site.channels, seconds=1)
        await self.let_go(upstream, assembly)

    async def leaves(self, script: Script, sent: bytes, how: str, received: bytes = b"") -> ScriptedUpstream:
        """A client that sends this, waits until it has received that, and goes."""
        upstream, api_base = self.upstream(script)
        assembly = self.daemon(api_base)
        reader = await self.connected(assembly)
        transport: Any = reader.transport
        transport.write(sent)
        await self.until(lambda: received in reader.data)
        await deferLater(self.reactor, 0.01)
        if how == "closes":
            transport.loseConnection()
        elif how == "resets":
            reset(transport)
        else:
            transport.getHandle().shutdown(socket.SHUT_WR)
        await self.gone(upstream, assembly)
        return upstream

    async def test_in_every_phase(self) -> None:
        """Whenever and however a client goes, half or whole, nothing is left of it, and the upstream is hung up on."""
        for how in ("closes", "resets", "closes half"):
            for speech in SPEECHES:
                whole = request(speech, stream=True)
                for sent in (b"", whole[:10], head(speech, "content-length: 100"), whole[:-1]):
                    upstream = await self.leaves(STALLED, sent, how)
                    self.assertEqual(upstream.requests, [])
                await self.leaves([SILENCE], whole, how)
                await self.leaves([CHUNKED, SILENCE], whole, how)
                await self.leaves(STALLED, whole, how, b"A beginning")
                await self.leaves(STALLED, request(speech, stream=False), how)
        self.assertIn(" cancelled in ", self.lines["text"].getvalue())

    async def test_with_its_answer(self) -> None:
        """A client that goes when it has its answer was served."""
        await self.leaves([sized(WHOLE)], request(CHAT, stream=True), "closes", b"[DONE]")

        self.assertIn(" -> 200 ok in ", self.lines["text"].getvalue())


class PipeliningTests(FaultTestCase):
    """Clients that do not wait for an answer before they ask again."""

    async def test_in_order(self) -> None:
        """Requests that come together are answered one after the other."""
        upstream, api_base = self.upstream([sized(WHOLE)])
        assembly = self.daemon(api_base)
        body = json.dumps(CHAT.body("m", stream=True)).encode()
        first = head(CHAT, f"content-length: {len(body)}", close=False) + body

        reader = await self.connected(assembly)
        reader.transport.write(first * 2 + SMUGGLED + request(MESSAGES, stream=False))  # type: ignore[union-attr]
        await self.until(lambda: reader.lost)

        got = list(answers(reader.data))
        self.assertEqual([answer.status for answer in got], [200] * 4)
        self.assertEqual(got[2].body, b"OK")
        self.assertEqual([said(CHAT, answer.body, stream=True) for answer in got[:2]], ["A beginning"] * 2)
        self.assertEqual(len(upstream.requests), 3)

    async def test_while_an_answer_is_held_up(self) -> None:
        """What comes during an answer is not read on and on; that such a client has left is seen at the next ping."""
        upstream, api_base = self.upstream(STALLED)
        assembly = self.daemon(api_base, ping_interval=0.1)
        body = json.dumps(CHAT.body("m", stream=True)).encode()
        reader = await self.connected(assembly)
        reader.transport.write(head(CHAT, f"content-length: {len(body)}", close=False) + body)  # type: ignore[union-attr]
        await self.until(lambda: b"A beginning" in reader.data)

        handle: socket.socket = reader.transport.getHandle()  # type: ignore[union-attr] # it is connected
        taken = 0
        deadline = self.clock.seconds() + 0.3
        while self.clock.seconds() < deadline:
            try:
                taken += handle.send(b"x" * 65536)
            except BlockingIOError:
                await deferLater(self.reactor, 0.01)

        (channel,) = assembly.site.channels
        assert isinstance(channel, ProxyChannel)
        self.assertLess(sum(map(len, channel._dataBuffer)), 200_000)
        self.assertLess(taken, 16_000_000)  # what the kernel holds
        reset(reader.transport)
        await self.until(lambda: not assembly.house.live)
        await self.let_go(upstream, assembly)


class SlownessTests(FaultTestCase):
    """Clients that take their time."""

    async def dribble(self, reader: Reader, data: bytes, seconds: float) -> None:
        """Send byte by byte, as long as there is somebody to send to."""
        for byte in data:
            if reader.lost is None:
                reader.transport.write(bytes([byte]))  # type: ignore[union-attr] # it is connected
                await deferLater(self.reactor, seconds)

    async def test_byte_by_byte(self) -> None:
        """A request that comes byte by byte is a request."""
        for speech in SPEECHES:
            _, api_base = self.upstream([sized(WHOLE)])
            reader = await self.connected(self.daemon(api_base))
            await self.dribble(reader, request(speech, stream=True), 0.0001)
            await self.until(lambda: reader.lost)  # noqa: B023 - awaited here
            (answer,) = answers(reader.data)
            self.assertEqual(said(speech, answer.body, stream=True), "A beginning")

    async def test_header(self) -> None:
        """A header that is not whole in time is a 408, however it dribbles."""
        reader = await self.connected(self.daemon("http://127.0.0.1:1", client_header_timeout=0.1))

        await self.dribble(reader, head(CHAT)[:-2] + b"x: " + b"y" * 100, 0.002)
        answer = await self.refused(reader)

        self.assertEqual((answer.status, answer.error["type"]), (408, "invalid_request_error"))

    async def test_body(self) -> None:
        """A body that makes no real progress is a 408, however it dribbles."""
        reader = await self.connected(self.daemon("http://127.0.0.1:1", client_body_timeout=0.1))

        await self.dribble(reader, head(MESSAGES, "content-length: 5000") + b" " * 100, 0.002)
        answer = await self.refused(reader)

        self.assertEqual((answer.status, answer.error["type"]), (408, "timeout_error"))


class SizeTests(FaultTestCase):
    """Bodies and headers beyond the limits."""

    async def sent_all(self, data: bytes, **settings: Any) -> int:
        """The status that a client sees which sends everything before it reads."""
        upstream, api_base = self.upstream([sized(WHOLE)])
        reader = await self.connected(self.daemon(api_base, **settings))
        reader.transport.pauseProducing()  # type: ignore[union-attr] # it is connected
        reader.transport.write(data)  # type: ignore[union-attr] # it is connected
        await deferLater(self.reactor, 0.02)
        reader.transport.resumeProducing()  # type: ignore[union-attr] # it is connected
        answer = await self.refused(reader)
        self.assertEqual(upstream.requests, [])
        return answer.status

    async def test_large_bodies(self) -> None:
        """A body beyond the limit is a 413 that reaches a client which is still sending, by length, in chunks and compressed."""
        limit = 100_000
        filling = b" " * 2_000_000
        bomb = gzip.compress(filling)
        packed = zlib.compress(filling)
        for speech in SPEECHES:
            for sent in (
                head(speech, f"content-length: {len(filling)}") + filling,
                head(speech, "transfer-encoding: chunked") + chunks(*[filling[:50_000]] * 40, last=True),
                head(speech, "content-encoding: gzip", f"content-length: {len(bomb)}") + bomb,
                head(speech, "content-encoding: deflate", f"content-length: {len(packed)}") + packed,
                head(speech, "content-length: 9999999999999999999"),
            ):
                self.assertEqual(await self.sent_all(sent, max_body_bytes=limit), 413)

    async def test_large_headers(self) -> None:
        """A header beyond the limits is a 431 that reaches a client which is still sending."""
        many = "".join(f"x-{number}: y\r\n" for number in range(1000)).encode()
        for speech in SPEECHES:
            for sent in (
                head(speech)[:-2] + b"x: " + b"y" * 500_000,
                head(speech)[:-2] + (b"x: " + b"y" * 1000 + b"\r\n") * 500 + b"\r\n",
                head(speech)[:-2] + many + b"\r\n",
                b"GET /" + b"y" * 500_000,
            ):
                self.assertEqual(await self.sent_all(sent), 431)


class DoubtTests(FaultTestCase):
    """Requests that two readers could read differently."""

    async def test_once(self) -> None:
        """Each is refused with a 400, once, and nothing that follows is taken for a request."""
        upstream, api_base = self.upstream([sized(WHOLE)])
        assembly = self.daemon(api_base)
        port = self.served(assembly.site)
        for name, doubtful in DOUBTFUL.items():
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.setblocking(False)
                client.send(doubtful + SMUGGLED * 2)
                data = b""
                while b"}" not in data:
                    await deferLater(self.reactor, 0.001)
                    try:
                        data += client.recv(65536)
                    except BlockingIOError:
                        continue
                client.send(SMUGGLED)
            self.assertEqual([answer.status for answer in answers(data)], [400], name)
        self.assertEqual(upstream.requests, [])
        await self.until(lambda: not assembly.site.channels)


class InjectionTests(FaultTestCase):
    """Values that try to be more than values."""

    async def test_upstream_headers(self) -> None:
        """Neither a model's name nor a session nor a trace becomes a header of the upstream's request."""
        for speech, stream in MODES:
            upstream, api_base = self.upstream([sized(WHOLE)])
            body = json.dumps(speech.body("m\r\nx-injected: 1", stream=stream)).encode()
            sent = head(
                speech,
                f"content-length: {len(body)}",
                "x-session-id: 1\t2; x-injected: 1",
                "traceparent: 00-x-injected",
                "x-request-id: a b",
                "x-cmd-zdr: 1 x-injected",
            )
            answer = await self.asked(self.daemon(api_base), sent + body)
            (asked,) = upstream.requests
            self.assertEqual(answer.status, 200)
            self.assertNotIn(b"x-injected", asked.partition(b"\r\n\r\n")[0].lower())
        self.assertNotIn("\nx-injected", self.lines["text"].getvalue())

    async def test_keys(self) -> None:
        """What is no key is a 401, and does not go up."""
        upstream, api_base = self.upstream([sized(WHOLE)])
        assembly = self.daemon(api_base)
        for key in ("", "user_", "Bearer", "Bearer user_", "Bearer \xff\xfe", "Basic dXNlcl8xOjI="):
            for name in ("authorization", "x-api-key"):
                body = json.dumps(CHAT.body("m")).encode()
                fields = f"host: a\r\nconnection: close\r\n{name}: {key}\r\ncontent-length: {len(body)}\r\n\r\n"
                sent = f"POST {CHAT.path} HTTP/1.1\r\n{fields}".encode("latin-1") + body
                answer = await self.asked(assembly, sent)
                self.assertEqual((answer.status, answer.error["type"]), (401, "authentication_error"), (name, key))
        self.assertEqual(upstream.requests, [])


class BodyTests(FaultTestCase):
    """Bodies that are hostile."""

    async def test_refused(self) -> None:
        """Each is a 400 in the dialect of its path that names what is wrong, and costs nothing."""
        upstream, api_base = self.upstream([sized(WHOLE)])
        assembly = self.daemon(api_base)
        for speech in SPEECHES:
            for body in HOSTILE:
                answer = await self.asked(assembly, head(speech, f"content-length: {len(body)}") + body)
                self.assertEqual((answer.status, answer.error["type"]), (400, "invalid_request_error"), body[:80])
                self.assertEqual(answer.headers["x-should-retry"], "false")
        self.assertEqual(upstream.requests, [])

    async def test_taken(self) -> None:
        """What is odd and still clear is taken."""
        for speech in SPEECHES:
            for body in TAKEN:
                upstream, api_base = self.upstream([sized(WHOLE)])
                answer = await self.asked(self.daemon(api_base), head(speech, f"content-length: {len(body)}") + body)
                self.assertEqual((answer.status, len(upstream.requests)), (200, 1), (speech.name, body, answer.body))

    async def test_other_methods(self) -> None:
        """No method and no path brings out anything but a shaped 4xx."""
        assembly = self.daemon("http://127.0.0.1:1")
        for method in ("GET", "PUT", "PATCH", "DELETE", "HEAD", "TRACE", "CONNECT", "BREW"):
            for path in (
                CHAT.path,
                MESSAGES.path,
                "/",
                "/nowhere",
                "/v1/models/..%2f..",
                "/%ff",
                "/a%00b",
                "/a%0d%0ax-injected:1",
            ):
                sent = f"{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode()
                reader = await self.connected(assembly)
                reader.transport.write(sent)  # type: ignore[union-attr] # it is connected
                await self.until(lambda: reader.lost)  # noqa: B023 - awaited here
                status = int(reader.data.split(b" ", 2)[1])
                self.assertTrue((status == 200 and path == "/") or 400 <= status < 500, (method, path, status))
