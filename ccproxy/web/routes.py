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
            request.locate()
            return super().render(request)
        handled = handler(request)
        request.notifyFinish().addErrback(lambda left: handled.cancel())
        handled.addErrback(self._failed, request)
        handled.addCallback(self._finish, request)
        handled.addErrback(self._give_up, request)
        return NOT_DONE_YET

    def _failed(self, failure: Failure, request: ProxyRequest) -> bytes | None:
        if not request.is_over:
            return self._answer(request, failure)
        if not failure.check(CancelledError):
            self._log.failure("A bug after the answer was whole", failure)
        return None

    def _give_up(self, failure: Failure, request: ProxyRequest) -> None:
        self._log.failure("A bug in the writing of an answer", failure)
        if not request.is_over:
            request.abort()

    def _finish(self, body: bytes | None, request: ProxyRequest) -> None:
        if request.is_over:
            return
        if body is not None:
            request.write(body)
        request.finish()
