"""This module is the two ends of an answer in the background: how it begins, and how a client reads it."""

from __future__ import annotations

from ccproxy.codecs import Dialect, Memory
from ccproxy.errors import ProxyError
from ccproxy.fields import invalid
from ccproxy.keys import Key
from ccproxy.net.deadline import ClientStalledError
from ccproxy.web.background import Begun, journal_name
from ccproxy.web.house import House
from ccproxy.web.journal import Journal, Reader
from ccproxy.web.plan import Plan
from ccproxy.web.sink import Sink, begin_stream


async def begin(house: House, dialect: Dialect, planned: Plan, request_id: str, weight: int) -> Begun:
    """Keep the first record of an answer, whose request weighs so many bytes, and open its journal.

    Raises:
        ProxyError: It cannot be kept, and so nobody could ever read it.
    """
    memory, key = dialect.memory, planned.identity.key
    assert memory is not None  # noqa: S101 - else no request could ask for it
    if not house.config.store_seconds:
        raise invalid("is not possible here: no response is kept (storeSeconds is 0).", "background")
    records = memory.records(dialect.encoder(planned.turn, stream=True))
    name, record = next(iter(records.items()))
    await house.keeping.put(key, lambda: records, weight)
    vault = house.keeping.vault(key)
    journal = Journal(vault, journal_name(name), {"x-request-id": request_id})
    return Begun(key, memory, name, memory.shown(record), vault, journal)


async def follow(house: House, memory: Memory, key: Key, name: str, start: int, sink: Sink) -> None:
    """Send a client the events of an answer from a number on, as far as there are any and then as they come, to their end.

    Nothing is wrong with the answer when this fails: a client that is hung up on can read on where it was.

    Raises:
        ProxyError: The store cannot be reached, and nothing was sent yet.
    """

    async def is_open() -> bool:
        found = await house.keeping.find(key, (name,))
        return name in found and memory.is_open(found[name])

    config, vault = house.config, house.keeping.vault(key)
    begin_stream(sink, "text/event-stream")
    reader = Reader(
        vault,
        journal_name(name),
        is_open,
        house.clock,
        ping_interval=config.ping_interval,
        stall=config.client_stall_timeout,
    )
    try:
        await reader.send(start, sink)
    except ClientStalledError:
        sink.abort()
    except ProxyError:
        if not sink.startedWriting:
            raise
        sink.abort()
    else:
        sink.finish()
