"""This module is who may come in now: caps on what is under way, and a short queue per key."""

from __future__ import annotations

from types import TracebackType

from attrs import define, field
from twisted.internet.defer import DeferredSemaphore
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.interfaces import IReactorTime

from ccproxy.errors import Kind, ProxyError
from ccproxy.keys import Key

_QUEUE_SECONDS = 30.0


@define
class _Tenant:
    """What one key has under way."""

    semaphore: DeferredSemaphore | None
    present: int = field(default=0)


class Admission:
    """Counts the exchanges that are under way, and lets in what fits.

    Args:
        most: Exchanges at once; 0 for any number. More are refused with 503.
        most_per_key: Exchanges of one key at once; 0 for any number. More are refused with 429.
        running_per_key: Exchanges of one key that run at once; 0 for any number. More wait, and are refused with 429 after 30 s.
        clock: Where the time comes from.
    """

    def __init__(self, *, most: int, most_per_key: int, running_per_key: int, clock: IReactorTime) -> None:
        self.present = 0
        self._clock = clock
        self._tenants: dict[str, _Tenant] = {}
        self._closed = False
        self.limit(most=most, most_per_key=most_per_key, running_per_key=running_per_key)

    def limit(self, *, most: int, most_per_key: int, running_per_key: int) -> None:
        """Change the caps; how many run at once changes for a key when it has nothing under way."""
        self._most = most
        self._most_per_key = most_per_key
        self._running_per_key = running_per_key

    def close(self) -> None:
        """Let nobody in any more: the daemon is going down."""
        self._closed = True

    def place(self, key: Key) -> Place:
        """A place for one exchange, to be held with ``async with``."""
        return Place(self, key.digest)

    async def enter(self, digest: str) -> None:
        """Take a place.

        Raises:
            ProxyError: There is none.
        """
        if self._closed:
            raise _closing()
        if self._most and self.present >= self._most:
            raise ProxyError(Kind.OVERLOADED, "The proxy is serving as many requests as it may.")
        tenant = self._tenants.get(digest) or self._tenants.setdefault(digest, self._tenant())
        if self._most_per_key and tenant.present >= self._most_per_key:
            message = f"This key has {tenant.present} requests under way, as many as it may."
            raise ProxyError(Kind.RATE_LIMITED, message, retry_after=1)
        self.present += 1
        tenant.present += 1
        try:
            await self._wait_in_line(tenant)
        except BaseException:
            self._forget(digest, tenant)
            raise

    def leave(self, digest: str) -> None:
        """Give a place back."""
        tenant = self._tenants[digest]
        if tenant.semaphore is not None:
            self._free(tenant.semaphore)
        self._forget(digest, tenant)

    def _free(self, semaphore: DeferredSemaphore) -> None:
        # From a fresh stack: the next in line runs inside release(), and hundreds that fail at once would nest.
        self._clock.callLater(0, semaphore.release)

    def _tenant(self) -> _Tenant:
        return _Tenant(DeferredSemaphore(self._running_per_key) if self._running_per_key else None)

    async def _wait_in_line(self, tenant: _Tenant) -> None:
        if tenant.semaphore is None:
            return
        try:
            await tenant.semaphore.acquire().addTimeout(_QUEUE_SECONDS, self._clock)
        except DeferredTimeoutError:
            message = f"This key's other requests are still running after {_QUEUE_SECONDS:g} seconds of waiting."
            raise ProxyError(Kind.RATE_LIMITED, message) from None
        if self._closed:  # its turn came only because those before it were given up
            self._free(tenant.semaphore)
            raise _closing()

    def _forget(self, digest: str, tenant: _Tenant) -> None:
        self.present -= 1
        tenant.present -= 1
        if not tenant.present:
            del self._tenants[digest]


class Place:
    """A place among the exchanges; ``async with`` takes it and gives it back."""

    def __init__(self, admission: Admission, digest: str) -> None:
        self._admission = admission
        self._digest = digest

    async def __aenter__(self) -> None:
        await self._admission.enter(self._digest)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admission.leave(self._digest)


def _closing() -> ProxyError:
    return ProxyError(Kind.OVERLOADED, "The proxy is shutting down.")
