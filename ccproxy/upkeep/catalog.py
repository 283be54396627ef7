"""This module is the cached list of the upstream's models."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from twisted.internet.interfaces import IReactorTime

from ccproxy.codecs import Model, Upstream
from ccproxy.errors import Kind, ProxyError
from ccproxy.net.client import UpstreamClient
from ccproxy.upkeep.cached import Cached

_SUGGESTIONS = 3
_LONGEST_ID = 256
_LIMIT = 4 * 1024 * 1024  # bytes of a model list


class Catalog:
    """The list of models, refreshed from the upstream unless that is turned off.

    Args:
        client: Fetches the list.
        upstream: Knows where it is and how to read it.
        live: Whether to fetch it at all; if not, the built-in list serves.
        max_age: Seconds after which the list is stale.
        timeout: Seconds for one fetch.
        clock: Where the time comes from.

    Attributes:
        upstream: The same, from now on.
        timeout: The same, for the fetches to come.
    """

    def __init__(
        self,
        client: UpstreamClient,
        upstream: Upstream,
        *,
        live: bool,
        max_age: float,
        timeout: float,
        clock: IReactorTime,
    ) -> None:
        self._client = client
        self.upstream = upstream
        self._live = live
        self.timeout = timeout
        self._read: Sequence[Model] = ()
        self._ids: tuple[str, ...] = ()
        self._cached: Cached[Sequence[Model]] = Cached(self._fetch, upstream.fallback_models(), max_age, clock)

    async def models(self) -> Sequence[Model]:
        """The list; it waits only for the very first fetch, and never fails."""
        return await self._cached.get() if self._live else self._cached.peek()

    def known(self) -> Sequence[Model]:
        """The list as it is just now; never waits."""
        return self._cached.peek()

    def ids(self) -> Sequence[str]:
        """The ids of the list as it is just now; the same object as long as it is the same list."""
        known = self.known()
        if self._read is not known:
            self._read, self._ids = known, tuple(model.id for model in known)
        return self._ids

    def explained(self, error: ProxyError, wanted: str) -> ProxyError:
        """An error, with help where the upstream does not know the model that was wanted."""
        if error.kind is not Kind.MODEL_NOT_FOUND:
            return error
        said = error.message if error.message.endswith((".", "!", "?")) else f"{error.message}."
        message = f"{said} The nearest known models: {', '.join(self.nearest(wanted))}."
        return ProxyError(error.kind, message, field=error.field)

    def nearest(self, model_id: str) -> Sequence[str]:
        """The three known ids that look most like this one; case and vendor prefix weigh little."""
        wanted = model_id[:_LONGEST_ID].lower()  # the comparison is quadratic in its length
        return sorted(self.ids(), key=lambda candidate: -_likeness(wanted, candidate.lower()))[:_SUGGESTIONS]

    async def refresh(self) -> None:
        """Fetch the list.

        Raises:
            ProxyError: It could not be had; the old one stays.
        """
        if self._live:
            await self._cached.refresh()

    async def _fetch(self) -> Sequence[Model]:
        reply = await self._client.fetch(self.upstream.models_request(), limit=_LIMIT, seconds=self.timeout)
        if reply.status != 200:
            raise self.upstream.diagnose(reply.status, reply.headers, reply.body)
        return self.upstream.parse_models(reply.body)


def _likeness(wanted: str, candidate: str) -> float:
    pairs = ((wanted, candidate), (wanted.rpartition("/")[2], candidate.rpartition("/")[2]))
    return sum(SequenceMatcher(None, one, other, autojunk=False).ratio() for one, other in pairs)
