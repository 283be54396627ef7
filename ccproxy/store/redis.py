"""This module is the store in a Redis that many processes and machines share.

It speaks through txredisapi, on one connection that is made when it is needed and made anew when it is lost. What has to happen together
goes between MULTI and EXEC, in one go: commands on the connection keep their order. The package takes the reactor when it is imported, and
is an extra, so that only a store that is opened imports it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime
from twisted.internet.ssl import optionsForClientTLS
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from ccproxy.errors import Kind, ProxyError

PREFIX = "ccproxy:"
"""How the names of all that is ours begin in Redis."""

_PATIENCE = 5.0
_PART = 0.8  # of the patience, for one connection and for one reply
_POLL_SECONDS = 0.25
_LONGEST_MS = 10 * 365 * 86_400_000
_MESSAGE = "The store of responses cannot be reached; try again."

_Command = tuple[str | bytes | int, ...]


@frozen
class Address:
    """Where a Redis is, and who asks it."""

    host: str
    port: int = 6379
    database: int = 0
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    tls: bool = False


class RedisStore:
    """A store that every process with the same address sees.

    Args:
        address: Where the Redis is.
        seconds: How long something lives.
        clock: The reactor.
        patience: Seconds that anything may take.
    """

    shared = True
    _log = Logger()

    def __init__(self, address: Address, *, seconds: float, clock: IReactorTime, patience: float = _PATIENCE) -> None:
        import txredisapi

        self._api = txredisapi
        self._address = address
        self._milliseconds = max(1, int(min(seconds * 1000, _LONGEST_MS)))
        self._clock = clock
        self._patience = patience
        self._connection: Any = None
        self._connecting = False
        self._waiting: list[Deferred[Any]] = []
        self._closed = False
        self._failing = False

    async def get(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """The values that are there; their life begins anew."""
        if not names:
            return {}
        places = [_named(name) for name in names]
        again = [("PEXPIRE", place, self._milliseconds) for place in places]
        values, *_ = await self._ask([("MGET", *places), *again])
        return {name: value for name, value in zip(names, values, strict=True) if value is not None}

    async def put(self, values: Mapping[str, bytes], owner: str = "") -> None:
        """Keep values, in place of older ones, all at once; Redis divides its room by use alone."""
        await self._do([("SET", _named(name), value, "PX", self._milliseconds) for name, value in values.items()])

    async def delete(self, names: Sequence[str]) -> int:
        """Drop values and logs; gives how many were there."""
        if not names:
            return 0
        (count,) = await self._ask([("DEL", *map(_named, names))])
        return int(count)

    async def append(self, name: str, entries: Sequence[bytes], owner: str = "") -> None:
        """Add to the end of a log, and begin its life anew."""
        if entries:
            place = _named(name)
            await self._do([("RPUSH", place, *entries), ("PEXPIRE", place, self._milliseconds)])

    async def read(self, name: str, start: int, most: int = 0) -> Sequence[bytes]:
        """The entries of a log from an index on."""
        (entries,) = await self._ask([("LRANGE", _named(name), start, start + most - 1 if most else -1)])
        found: Sequence[bytes] = entries
        return found

    async def changed(self, name: str, seconds: float) -> None:
        """Return soon: whether something has changed is for the caller to see."""
        await deferLater(self._clock, min(seconds, _POLL_SECONDS))

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        self._lose(self._connection)

    async def _do(self, commands: Sequence[_Command]) -> None:
        """Do several things, or none of them."""
        if commands:
            *_, replies = await self._ask([("MULTI",), *commands, ("EXEC",)])
            for reply in replies:
                if isinstance(reply, Exception):
                    raise self._failure(reply)

    async def _ask(self, commands: Sequence[_Command]) -> list[Any]:
        """The replies to commands that go out together.

        Raises:
            ProxyError: There are none, or not in time.
        """
        asked = Deferred.fromCoroutine(self._replies(commands)).addTimeout(self._patience, self._clock)
        try:
            replies = await asked
        except (self._api.RedisError, TookTooLong, ValueError) as problem:  # the last: no connection, or no entry
            raise self._failure(problem) from None
        if self._failing:
            self._failing = False
            self._log.info("the store of responses is back")
        return replies

    async def _replies(self, commands: Sequence[_Command]) -> list[Any]:
        if self._connection is not None:
            replies = self._send(self._connection, commands)
            if not (replies.called and isinstance(replies.result, Failure)):
                return await replies
            # What fails at once was never sent: the connection was lost while nobody used it.
            replies.addErrback(lambda _: None)
        return await self._send(await self._connected(), commands)

    def _send(self, connection: Any, commands: Sequence[_Command]) -> Deferred[list[Any]]:  # noqa: ANN401 - the package has no types
        sent = [connection.execute_command(*command) for command in commands]
        return gatherResults(sent, consumeErrors=True).addErrback(self._unanswered, connection)

    def _unanswered(self, reason: Failure, connection: Any) -> Failure:  # noqa: ANN401
        first: Failure = reason.value.subFailure  # type: ignore[union-attr] # a FirstError
        if first.check(self._api.ConnectionError):
            self._lose(connection)
        return first

    def _connected(self) -> Deferred[Any]:
        """Fires with a connection; there is one attempt at a time, which goes on when somebody ceases to wait for it."""
        waiting: Deferred[Any] = Deferred()
        self._waiting.append(waiting)
        if not self._connecting:
            connecting = self._connect()
            self._connecting = True
            connecting.addCallbacks(self._arrived, self._failed)
        return waiting

    def _connect(self) -> Deferred[Any]:
        address, seconds = self._address, self._patience * _PART
        connecting: Deferred[Any] = self._api.Connection(
            address.host,
            address.port,
            dbid=address.database or None,
            reconnect=False,
            charset=None,
            username=address.username,
            password=address.password,
            ssl_context_factory=optionsForClientTLS(address.host) if address.tls else False,
            connectTimeout=seconds,
            replyTimeout=seconds,
            convertNumbers=False,
        )
        return connecting

    def _arrived(self, connection: Any) -> None:  # noqa: ANN401
        self._connecting = False
        self._connection = connection
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(connection)
        if self._closed:
            self._lose(connection)

    def _failed(self, reason: Failure) -> None:
        self._connecting = False
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.errback(reason)

    def _lose(self, connection: Any) -> None:  # noqa: ANN401
        if connection is not None and connection is self._connection:
            self._connection = None
            connection.disconnect()

    def _failure(self, problem: BaseException) -> ProxyError:
        """What the client is told; the log says why, once for each time that it begins."""
        if not self._failing:
            self._failing = True
            # Redis quotes a command that it does not know, which may be the one with the password.
            reason = str(problem).partition(", with args")[0] or type(problem).__name__
            self._log.warn("the store of responses cannot be reached: {reason}", reason=reason)
        return ProxyError(Kind.OVERLOADED, _MESSAGE)


def _named(name: str) -> str:
    return PREFIX + name
