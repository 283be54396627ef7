"""This module is when bytes leave: what is written while a read is handled goes out at its end, or when it is whole, one send a connection.

A reactor sends in its next turn, and registers the socket for that and takes it off again, which costs an event of a stream two system
calls and the wait for a turn. Here the head of a response, its first frame and its end, when they come together, leave together and now.

The hook is ``startWriting`` of Twisted's TCP transports, which is how they say that there is something to send; while a read is handled
it is answered here; what is left after a send is seen in ``dataBuffer``, ``offset`` and the private ``_tempDataLen``. What the socket does
not take at once goes the usual way, and so does everything that is written at other times.
"""

from __future__ import annotations

from types import MethodType, TracebackType
from typing import Any

from twisted.internet.tcp import Connection
from twisted.logger import Logger


class Cork:
    """Holds back what is written, ``with cork``, until its end or until `send`; regions may nest."""

    _log = Logger()

    def __init__(self) -> None:
        self._depth = 0
        self._held: dict[Connection, None] = {}  # in order

    def watch(self, transport: object) -> None:
        """From now on a transport, TCP or TLS over it, may be held back; any other is left alone."""
        tcp: Any = getattr(transport, "transport", transport)  # under TLS
        if isinstance(tcp, Connection):
            # Not a subclass: the reactor makes these transports itself.
            tcp.startWriting = MethodType(self._start_writing, tcp)  # type: ignore[method-assign]

    def send(self, transport: object) -> None:
        """Send now what is held back for a transport: nothing will be added, and whoever waits for it need not wait for the rest.

        Nothing is sent in a nested region: where many events are handled together, all leave together. Nor over TLS, whose small
        writes Twisted itself holds back for a turn.
        """
        tcp: Any = getattr(transport, "transport", transport)
        if self._depth == 1 and tcp in self._held:
            del self._held[tcp]
            self._send(tcp)

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        while not self._depth and self._held:
            held, self._held = self._held, {}
            for transport in held:
                self._send(transport)

    def _start_writing(self, transport: Connection) -> None:
        if self._depth:
            self._held[transport] = None
        else:
            _as_usual(transport)

    def _send(self, transport: Connection) -> None:
        if not transport.connected:
            return
        if transport.disconnecting:  # the reactor has to see the end of it
            _as_usual(transport)
            return
        self._depth += 1  # what becomes writable now may write more
        try:
            failed = transport.doWrite()
        except Exception:  # a bug of whoever produces for this one; the others' bytes have to leave
            self._log.failure("A bug while bytes were sent")
            transport.abortConnection()
            return
        finally:
            self._depth -= 1
        if failed is not None or len(transport.dataBuffer) > transport.offset or transport._tempDataLen:
            _as_usual(transport)


def _as_usual(transport: Connection) -> None:
    type(transport).startWriting(transport)


CORK = Cork()
"""One for the process, as there is one reactor."""
