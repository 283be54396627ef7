"""This module is one connection of a client, on a raw socket, that leaves as rudely as it is told to."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from enum import Enum

from attrs import define, field, frozen

_NO_LINGER = struct.pack("ii", 1, 0)
_SMALL_ROOM = 16384  # bytes that the system keeps for a client that does not read
_PATIENCE_SECONDS = 10.0  # for the next bytes
_LONGEST = 45.0  # seconds for an answer, which is more than any scenario takes


class Leaving(Enum):
    """How a client goes away."""

    RESET = "reset"
    CLOSE = "close"
    HALF = "half closed"


@frozen
class Answer:
    """What came back.

    Attributes:
        status: The status; 0 when not a byte came.
        headers: The headers, with lower-case names.
        body: The body, as far as it came.
        trouble: What is wrong with the HTTP of it; empty for a whole answer.
        hung: Whether it did not come to its end in time.
    """

    status: int = 0
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = b""
    trouble: str = ""
    hung: bool = False


@define
class _Draft:
    """An answer while it comes."""

    status: int = 0
    headers: dict[str, str] = field(factory=dict)
    parts: list[bytes] = field(factory=list)

    def answer(self, trouble: str = "", *, hung: bool = False) -> Answer:
        return Answer(self.status, self.headers, b"".join(self.parts), trouble, hung)


@define(eq=False)
class Connection:
    """A connection to the daemon.

    Attributes:
        served: How many answers came over it.
        usable: Whether another request may follow.
    """

    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    served: int = 0
    usable: bool = True

    @classmethod
    async def open(cls, port: int, *, roomy: bool = True) -> Connection:
        """Connect.

        Raises:
            OSError: Nobody takes the connection.
        """
        client = socket.socket()
        try:
            client.setblocking(False)
            if not roomy:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_ROOM)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
            return cls(*await asyncio.open_connection(sock=client))
        except BaseException:
            client.close()
            raise

    async def send(self, *pieces: bytes, pause: float = 0) -> bool:
        """Send pieces with pauses between them; False when the daemon does not take them any more."""
        try:
            for number, piece in enumerate(pieces):
                if number:
                    await asyncio.sleep(pause)
                self._writer.write(piece)
                await asyncio.wait_for(self._writer.drain(), _PATIENCE_SECONDS)
        except (OSError, asyncio.TimeoutError):
            return False
        return True

    async def receive(self, pace: float = 0) -> Answer:
        """The next answer.

        Args:
            pace: Seconds to wait before each piece of a body.
        """
        draft = _Draft()
        try:
            await asyncio.wait_for(self._read(draft, pace), _LONGEST)
        except asyncio.TimeoutError:
            self.leave(Leaving.RESET)
            return draft.answer(f"no end within {_LONGEST:g} s", hung=True)
        except asyncio.IncompleteReadError as problem:
            self.leave(Leaving.CLOSE)
            draft.parts.append(problem.partial)
            return draft.answer("closed before the end")
        except (OSError, ValueError, asyncio.LimitOverrunError) as problem:
            self.leave(Leaving.CLOSE)
            return draft.answer(f"{type(problem).__name__}: {problem}")
        self.served += 1
        if draft.headers.get("connection", "").lower() == "close":
            self.leave(Leaving.CLOSE)
        return draft.answer()

    async def some(self, size: int) -> bytes:
        """The next bytes of an answer, raw; empty when it ended, or nothing came in time."""
        try:
            return await asyncio.wait_for(self._reader.read(size), _PATIENCE_SECONDS)
        except (OSError, asyncio.TimeoutError):
            return b""

    def leave(self, how: Leaving) -> None:
        """Go away."""
        self.usable = False
        if how is Leaving.CLOSE:
            self._writer.close()
        elif how is Leaving.HALF and self._writer.can_write_eof():
            try:
                self._writer.write_eof()
            except OSError:
                self._writer.close()
        else:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self._writer.transport.abort()

    @property
    def _socket(self) -> socket.socket:
        found: socket.socket = self._writer.get_extra_info("socket")
        return found

    async def _read(self, draft: _Draft, pace: float) -> None:
        while draft.status < 200:  # what is below announces the real answer
            lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
            version, status, _ = lines[0].split(" ", 2)
            if version not in ("HTTP/1.1", "HTTP/1.0"):
                raise ValueError(f"no HTTP: {lines[0]!r}")
            draft.status = int(status)
            draft.headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
            }
        if draft.headers.get("transfer-encoding") == "chunked":
            await self._read_chunks(draft, pace)
        elif "content-length" in draft.headers:
            draft.parts.append(await self._reader.readexactly(int(draft.headers["content-length"])))
        else:
            draft.parts.append(await self._reader.read())
            draft.headers["connection"] = "close"

    async def _read_chunks(self, draft: _Draft, pace: float) -> None:
        while True:
            size = int(await self._reader.readuntil(b"\r\n"), 16)
            if pace:
                await asyncio.sleep(pace)
            chunk = await self._reader.readexactly(size + 2)
            if chunk[-2:] != b"\r\n":
                raise ValueError("a chunk that does not end where it should")
            if not size:
                return
            draft.parts.append(chunk[:-2])
