"""This module is WebSockets in memory: a dialect to be spoken over them, a daemon that speaks nothing else, and a client."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from attrs import frozen
from twisted.web.iweb import IAgent

from ccproxy.codecs import Encoder, Memory, Turn
from ccproxy.dialects.openai_chat.dialect import OpenAIChat
from ccproxy.dialogue import Call, Dialogue
from ccproxy.errors import ProxyError
from ccproxy.events import Event, Finished
from ccproxy.fields import Fields, body, invalid
from ccproxy.web.app import App
from ccproxy.web.house import House
from ccproxy.web.site import ProxySite
from tests.web.house import KEY, Client, MemoryDaemon

PATH = "/v1/spoken"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_MASK = b"\x01\x02\x03\x04"
_NONCE = "dGhlIHNhbXBsZSBub25jZQ=="  # the example of RFC 6455, section 1.3
ACCEPTED = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class Remembering:
    """An encoder whose answer is remembered by the id of its turn."""

    def __init__(self, encoder: Encoder, turn: Turn) -> None:
        self.content_type = encoder.content_type
        self.records: dict[str, bytes] = {}
        self._encoder = encoder
        self._turn = turn

    def encode(self, event: Event) -> bytes:
        """Say one event."""
        if isinstance(event, Finished):
            self.records = {f"chatcmpl-{self._turn.id}": SpokenMemory.remembered}
        return self._encoder.encode(event)

    def ping(self) -> bytes:
        """A comment."""
        return self._encoder.ping()


class SpokenMemory:
    """How a request refers to an earlier one: by ``previous``."""

    paths: Sequence[str] = ()
    remembered = b"remembered"

    def wanted(self, asked: Fields) -> Sequence[str]:
        """The earlier answer."""
        previous = asked.peek("previous")
        return [previous] if isinstance(previous, str) else []

    def completed(self, asked: Fields, found: Mapping[str, bytes]) -> Fields:
        """The request with what was remembered as its system prompt."""
        previous = asked.peek("previous")
        if previous is None:
            return asked
        if previous not in found:
            raise invalid("not remembered", "previous")
        messages = [{"role": "system", "content": text.decode()} for text in found.values()]
        own = asked.peek("messages")
        rest = {name: value for name, value in asked.decoded().items() if name != "previous"}
        return Fields({**rest, "messages": messages + own}, "")

    def records(self, encoder: Encoder, *, always: bool = False) -> Mapping[str, bytes]:
        """Nothing, unless always."""
        assert isinstance(encoder, Remembering)
        return encoder.records if always else {}


class SpokenDialogue:
    """Messages: ``ask`` with a request, ``read`` with nothing to do."""

    paths: Sequence[str] = (PATH,)

    def call(self, message: bytes) -> Call | None:
        """What a message asks for."""
        fields = body(message)
        kind = fields.string("type")
        if kind == "read":
            return None
        if kind != "ask":
            raise invalid("There is no such message.", "type")
        rest = {name: value for name, value in fields.decoded().items() if name not in ("type", "silent")}
        return Call(Fields({**rest, "stream": True}, ""), silent=bool(fields.value("silent")))

    def refusal(self, error: ProxyError) -> bytes:
        """The name and the words of an error."""
        return json.dumps({"status": error.status, "error": error.message}).encode()

    def expiry(self, seconds: float) -> bytes:
        """The last message."""
        return json.dumps({"open for": seconds}).encode()


class Spoken(OpenAIChat):
    """Chat Completions over WebSockets."""

    name = "spoken"
    paths: Sequence[str] = (PATH,)
    dialogue: Dialogue | None = SpokenDialogue()
    memory: Memory | None = cast("Any", SpokenMemory())

    def encoder(self, turn: Turn, *, stream: bool) -> Encoder:
        """An encoder that can be remembered."""
        return Remembering(super().encoder(turn, stream=stream), turn)


@frozen
class Frame:
    """A frame of the server."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        """That of a closing."""
        return int.from_bytes(self.payload[:2], "big")


def framed(payload: bytes, opcode: int = TEXT, *, fin: bool = True) -> bytes:
    """A frame as a client sends it (https://www.rfc-editor.org/rfc/rfc6455#section-5.2)."""
    first = opcode | (0x80 if fin else 0)
    if len(payload) < 126:
        head = struct.pack("!BB", first, 0x80 | len(payload))
    elif len(payload) < 65536:
        head = struct.pack("!BBH", first, 0x80 | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, len(payload))
    return head + _MASK + bytes(byte ^ _MASK[index % 4] for index, byte in enumerate(payload))


def said(message: object) -> bytes:
    """The frame of a message in JSON."""
    return framed(json.dumps(message).encode())


def frames(data: bytes) -> Iterator[Frame]:
    """The frames of a server, which are whole and not masked."""
    while data:
        opcode, size = data[0] & 0x0F, data[1]
        assert data[0] & 0x80 and not data[0] & 0x70 and size < 128
        start = {126: 4, 127: 10}.get(size, 2)
        length = size if start == 2 else int.from_bytes(data[2:start], "big")
        yield Frame(opcode, data[start : start + length])
        assert len(data) >= start + length
        data = data[start + length :]


def spoken(house: House) -> tuple[App, ProxySite]:
    """The routes of a house whose only dialect is `Spoken`, and the factory of its connections."""
    house.dialects = (Spoken(),)
    app = App(house)
    return app, ProxySite(app.resource(), house.config, app.refusal, app.objection, house.clock)


def head(path: str = PATH, **headers: str) -> bytes:
    """The request for a WebSocket; ``headers`` replace or add to its own, with ``_`` for ``-``, and an empty one is left out."""
    given = {
        "host": "127.0.0.1",
        "authorization": f"Bearer {KEY}",
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-version": "13",
        "sec-websocket-key": _NONCE,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value)
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


def turn(model: str = "sim/text", **fields: object) -> dict[str, object]:
    """The message that asks for a turn."""
    return {"type": "ask", "model": model, "messages": [{"role": "user", "content": "hello"}], **fields}


class SpokenDaemon(MemoryDaemon):
    """A daemon whose only dialect is `Spoken`."""

    def __init__(self, agent: IAgent | None = None, **settings: Any) -> None:
        super().__init__(agent, **settings)
        self.app, self.site = spoken(self.house)

    def call(self, **headers: str) -> Caller:
        """A new connection, upgraded."""
        caller = Caller(self)
        self.adopt(caller)
        caller.send(head(**headers))
        return caller


class Caller(Client):
    """A client that speaks over a WebSocket."""

    def turn(self, model: str = "sim/text", **fields: object) -> Caller:
        """Ask for a turn."""
        return self.say(turn(model, **fields))

    def say(self, message: object) -> Caller:
        """Send a message, as JSON."""
        self.send(said(message))
        return self

    @property
    def frames(self) -> list[Frame]:
        """What came after the upgrade."""
        head, _, rest = self.received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        return list(frames(rest))

    @property
    def messages(self) -> list[Any]:
        """The text messages that came; the end of a turn is a string."""
        texts = [frame.payload for frame in self.frames if frame.opcode == TEXT]
        return ["[DONE]" if text == b"[DONE]" else json.loads(text) for text in texts]

    @property
    def last(self) -> Any:
        """The last message."""
        return self.messages[-1]

    @property
    def said(self) -> str:
        """All text of all turns."""
        choices = [message["choices"] for message in self.messages if "choices" in message]
        return "".join(choice[0]["delta"].get("content") or "" for choice in choices if choice)

    @property
    def turns(self) -> int:
        """How many turns ended well."""
        return self.messages.count("[DONE]")

    @property
    def farewell(self) -> Frame | None:
        """The server's closing."""
        return next((frame for frame in self.frames if frame.opcode == CLOSE), None)
