"""This module is how a request comes to its handler: the table of Klein, and a short way to what is asked for all the time.

Klein finds a route by matching, and leaves behind for each request a ring of functions that only the garbage collector can free. For a
path without variable parts the handler is always the same, and all that Klein does around it is here once more: the same answers, a
failure by way of the same handlers, and a cancellation when the client leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.server import NOT_DONE_YET
from typing_extensions import override

from ccproxy.web.request import ProxyRequest

Handler: TypeAlias = "Callable[[ProxyRequest], Deferred[bytes | None]]"


class Routes(KleinResource):
    """The root resource.

    Args:
        klein: All routes.
        short: The handlers of some of them, by method and path.
        answer: Makes the body of the answer to a request whose handler failed.
    """

    _log = Logger()

    def __init__(
        self,
        klein: Klein,
        short: Mapping[tuple[bytes, bytes], Handler],
        answer: Callable[[ProxyRequest, Failure], bytes],
    ) -> None:
        super().__init__(klein)
        self._short = short
        self._answer = answer

    @override
    def render(self, request: ProxyRequest) -> Any:  # type: ignore[override] # our site makes no other requests
        """Have a request answered."""
        handler = self._short.get((request.method, request.path))
        if handler is None:
            request.split_path()
            return super().render(request)
        handled = handler(request)
        request.when_left(handled.cancel)
        handled.addBoth(self._end, request)
        return NOT_DONE_YET

    def _end(self, result: bytes | Failure | None, request: ProxyRequest) -> None:
        """Answer with what the handler made, or with how it failed; nothing is raised."""
        if request.is_over:
            if isinstance(result, Failure) and not result.check(CancelledError):
                self._log.failure("A bug after the answer was whole", result)
            return
        try:
            body = self._answer(request, result) if isinstance(result, Failure) else result
            if body is not None:
                request.write(body)
            request.finish()
        except Exception:
            self._log.failure("A bug in the writing of an answer")
            if not request.is_over:
                request.abort()
