"""This module is how a daemon of ours fails to start: with one line and a status that is not zero."""

from __future__ import annotations

from typing import Any

from twisted.application import strports
from twisted.application.service import IService, MultiService
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IProtocolFactory
from typing_extensions import override


class StartupError(SystemExit, Exception):
    """Ends the program with one line (trap P23).

    It is an ``Exception`` as well, because twistd removes its pid file, and tells the parent of a daemon that there is nothing to wait
    for, only after one of those.
    """


class Daemon(MultiService):
    """A service whose busy port ends the program with one line."""

    @override
    def privilegedStartService(self) -> None:
        """Open the ports.

        Raises:
            StartupError: One of them cannot be opened.
        """
        try:
            super().privilegedStartService()
        except (CannotListenError, OSError) as problem:  # the second is of Unix sockets whose directory is missing
            raise StartupError(f"ccproxy: {problem}") from None


def listening(description: str, factory: IProtocolFactory, reactor: Any) -> IService:  # noqa: ANN401 - many interfaces
    """The service that listens on an endpoint.

    Args:
        description: A Twisted endpoint, such as ``tcp:3000:interface=127.0.0.1``.
        factory: Makes the protocols.
        reactor: What opens the port.

    Raises:
        StartupError: There is no such endpoint.
    """
    try:
        service: IService = strports.service(description, factory, reactor)
    except Exception as problem:  # endpoint parsers raise whatever they meet: ValueError, KeyError, TypeError, OSError
        raise StartupError(f"ccproxy: cannot listen on {description!r}: {problem}") from None
    return service
