"""This module is what can go wrong between the daemon and its upstream, one fault for one attempt."""

from __future__ import annotations

from enum import Enum
from random import Random

from attrs import define, field


class Fault(Enum):
    """A fault; those that are harmful spoil the attempt, the others must not be noticed by the client."""

    NONE = "none"
    RESET_UNANSWERED = "reset before the answer"
    CLOSE_UNANSWERED = "close before the answer"
    RESET_IN_HEAD = "reset inside the headers"
    RESET_IN_BODY = "reset inside the body"
    CLOSE_IN_BODY = "close inside the body"
    GARBAGE = "garbage in place of HTTP"
    BAD_CHUNK = "malformed chunks"
    DRIBBLE = "a byte at a time for a second"
    INTERIM = "1xx before the answer"
    DELAY = "half a second of silence"
    CLOSE_AFTER = "close after a whole answer"

    @property
    def harmful(self) -> bool:
        """Whether no answer can come of the attempt."""
        return self in _HARMFUL

    @property
    def silent(self) -> bool:
        """Whether the daemon gets no byte of an answer."""
        return self in (Fault.RESET_UNANSWERED, Fault.CLOSE_UNANSWERED)


_HARMFUL = frozenset(
    {
        Fault.RESET_UNANSWERED,
        Fault.CLOSE_UNANSWERED,
        Fault.RESET_IN_HEAD,
        Fault.RESET_IN_BODY,
        Fault.CLOSE_IN_BODY,
        Fault.GARBAGE,
        Fault.BAD_CHUNK,
    }
)
KINDS = tuple(fault for fault in Fault if fault is not Fault.NONE)
INTERIMS = (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n")
NONSENSE = (
    b"\x16\x03\x03\x00\x7a\x02\x00\x00v\x03\x03",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"220 mail.example ESMTP\r\n",
    b"HTTP/1.1 999999999999999999 \xff\xfe\r\n\r\n",
    b"HTTP/1.1 banana\r\n\r\n",
    b"\r\n\r\n\x00\x00\x00\x00",
    b"HTTP/1.1 200 OK\r\nno colon here\r\n: no name\r\nContent-Length: -7\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
)
BAD_CHUNKS = (
    b"zz\r\nhello\r\n",
    b"-5\r\nhello\r\n",
    b"\r\n\r\n",
    b"5\r\nhello, world\r\n",
    b"ffffffffffffffffffff\r\nhello",
)

_FAULTY_SHARE = 0.25
_FINISH = b'"finish'


def chosen(random: Random) -> Fault:
    """The fault of an attempt, which is mostly none."""
    return random.choice(KINDS) if random.random() < _FAULTY_SHARE else Fault.NONE


@define
class Cutter:
    """Takes an answer's body as it passes, and says where it ends too early: before its finish, in any case.

    Args:
        room: How many bytes may pass.
    """

    _room: int
    _held: bytes = field(default=b"", init=False)

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What may pass of the next bytes, and whether this is the place to cut."""
        data = self._held + data
        finish = data.find(_FINISH)
        end = len(data) - len(_FINISH) + 1 if finish < 0 else finish  # a finish may be split between two reads
        passing, self._held = data[: max(0, min(end, self._room))], data[max(0, end) :]
        self._room -= len(passing)
        return passing, finish >= 0 or self._room <= 0
