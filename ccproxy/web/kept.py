"""This module is the routes to answers that are kept: show one, page through what it answered, give it up, keep it no longer.

A caller reaches its own answers only: they are sealed with its key, and another key finds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from klein import Klein

from ccproxy.codecs import Memory
from ccproxy.keys import Key
from ccproxy.web.background import journal_name
from ccproxy.web.following import follow
from ccproxy.web.house import House
from ccproxy.web.request import ProxyRequest


class KeptAnswers:
    """The routes of one dialect.

    Args:
        house: What they need.
        memory: What the dialect says of its records.
    """

    def __init__(self, house: House, memory: Memory) -> None:
        self._house = house
        self._memory = memory

    def route(self, klein: Klein) -> None:
        """Add the routes below each of the dialect's paths."""
        for path in self._memory.paths:
            klein.route(f"{path}/<name>", methods=["GET"])(self._show)
            klein.route(f"{path}/<name>", methods=["DELETE"])(self._delete)
            klein.route(f"{path}/<name>/input_items", methods=["GET"])(self._inputs)
            klein.route(f"{path}/<name>/cancel", methods=["POST"])(self._cancel)

    async def _show(self, request: ProxyRequest, name: str) -> bytes | None:
        key, record = await self._found(request, name)
        start = self._memory.resumed(record, _query(request))
        if start is None:
            return request.json(self._memory.shown(record))
        await follow(self._house, self._memory, key, name, start, request)
        return None

    async def _inputs(self, request: ProxyRequest, name: str) -> bytes:
        _, record = await self._found(request, name)
        return request.json(self._memory.inputs(record, _query(request)))

    async def _delete(self, request: ProxyRequest, name: str) -> bytes:
        key, record = await self._found(request, name)
        if self._memory.is_open(record):
            await self._house.background.end(key, name)
        await self._house.keeping.forget(key, (name, journal_name(name), *self._memory.parts(record)))
        return request.json(self._memory.deleted(name))

    async def _cancel(self, request: ProxyRequest, name: str) -> bytes:
        key, record = await self._found(request, name)
        if self._memory.cancelled(record) != record:
            await self._house.background.end(key, name)
            _, record = await self._found(request, name)  # it may have come to its end meanwhile
        given_up = self._memory.cancelled(record)
        if given_up != record:
            self._house.keeping.keep(key, lambda: {name: given_up}, len(given_up))
        return request.json(self._memory.shown(given_up))

    async def _found(self, request: ProxyRequest, name: str) -> tuple[Key, bytes]:
        key = self._house.upstream.credential(request.plain_headers)
        found = await self._house.keeping.find(key, (name,))
        if name not in found:
            raise self._memory.missing(name)
        return key, found[name]


def _query(request: ProxyRequest) -> Mapping[str, str]:
    return {name.decode("latin-1"): values[-1].decode("latin-1") for name, values in request.args.items()}
