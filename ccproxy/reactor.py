"""This module is an epoll reactor whose loop does less for each event: ``twistd --reactor=ccproxy``.

Twisted's own puts each read and each write into a logging context of its own, so that a line of a log can say which connection it is
about. Our log lines say that themselves, and a stream is a thousand reads. What a whole round of events writes leaves at its end
(`ccproxy.net.cork`), unless it is one read alone. What is different from `EPollReactor` is ``doPoll`` alone; the members that it uses
(``_poller``, ``_selectables``, ``_doReadOrWrite``, ``_disconnectSelectable``) are private to Twisted, which is why this reactor has to be
asked for.
"""

from __future__ import annotations

import errno
from select import EPOLLIN

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor
from twisted.python import log
from typing_extensions import override

from ccproxy.net.cork import CORK


class SlimReactor(EPollReactor):
    """An epoll reactor without a logging context."""

    @override
    def doPoll(self, timeout: float | None) -> None:
        """Wait for events, and handle those that came."""
        try:
            ready = self._poller.poll(-1 if timeout is None else timeout, len(self._selectables))
        except OSError as problem:
            if problem.errno == errno.EINTR:
                return
            raise
        if len(ready) == 1 and ready[0][1] == EPOLLIN:  # whoever reads has a region of its own, and may send within it
            self._handle(*ready[0])
            return
        with CORK:
            for descriptor, event in ready:
                self._handle(descriptor, event)

    def _handle(self, descriptor: int, event: int) -> None:
        selectable = self._selectables.get(descriptor)
        if selectable is None:
            return
        if event != EPOLLIN:
            self._doReadOrWrite(selectable, descriptor, event)
            return
        try:
            why = selectable.doRead()
        except BaseException as problem:
            log.err()
            why = problem
        if why:
            self._disconnectSelectable(selectable, why, True)

    doIteration = doPoll


def install() -> None:
    """Make it the reactor of this process; twistd calls this."""
    installReactor(SlimReactor())
