"""This module is the client version that the upstream expects of those who call it.

It is pinned by the configuration, or else the newest published version of the upstream's own client: any JSON document with a
``version`` string tells it. Without a network a built-in version serves.
"""

from __future__ import annotations

import re

from twisted.internet.interfaces import IReactorTime

from ccproxy.codecs import HTTPRequest
from ccproxy.errors import Kind, ProxyError
from ccproxy.framing import MalformedJSONError, loads
from ccproxy.net.client import UpstreamClient
from ccproxy.upkeep.cached import Cached

FALLBACK_VERSION = "1.62.1"
"""Seen to be accepted on 2026-09-22."""

_VERSION = re.compile(r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?", re.ASCII)
_LIMIT = 256 * 1024  # bytes of a package description


class Release:
    """The client version, refreshed from a URL unless it is pinned.

    Args:
        client: Fetches the document.
        url: Where the document is.
        pinned: The version to use whatever the URL says; empty to follow the URL.
        max_age: Seconds after which the version is stale.
        timeout: Seconds for one fetch.
        clock: Where the time comes from.

    Attributes:
        pinned: The same, from now on.
        timeout: The same, for the fetches to come.
    """

    def __init__(
        self, client: UpstreamClient, *, url: str, pinned: str, max_age: float, timeout: float, clock: IReactorTime
    ) -> None:
        self._client = client
        self._url = url
        self.pinned = pinned
        self.timeout = timeout
        self._cached = Cached(self._fetch, FALLBACK_VERSION, max_age, clock)

    def version(self) -> str:
        """The version to report just now; never waits."""
        return self.pinned or self._cached.peek()

    async def refresh(self) -> None:
        """Ask for the newest version, unless it is pinned.

        Raises:
            ProxyError: It could not be had; the old one stays.
        """
        if not self.pinned:
            await self._cached.refresh()

    async def _fetch(self) -> str:
        request = HTTPRequest("GET", self._url, (("Accept", "application/json"),))
        reply = await self._client.fetch(request, limit=_LIMIT, seconds=self.timeout)
        return _read(reply.body) if reply.status == 200 else _unusable(f"status {reply.status}")


def _read(body: bytes) -> str:
    try:
        document = loads(body)
    except MalformedJSONError:
        return _unusable("not JSON")
    version = document.get("version") if isinstance(document, dict) else None
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        return _unusable("no version in it")
    return version


def _unusable(why: str) -> str:
    raise ProxyError(Kind.UPSTREAM, f"the version document cannot be used: {why}")
