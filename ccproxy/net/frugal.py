"""This module is pyOpenSSL's connection as Twisted's TLS should use it: what is known already, OpenSSL is not asked."""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL


class Frugal:
    """A client's connection over memory BIOs; whatever is not here is that of pyOpenSSL.

    Args:
        connection: What does the work.
    """

    def __init__(self, connection: SSL.Connection) -> None:
        self.inner = connection

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - of any type
        return getattr(self.inner, name)

    def bio_shutdown(self) -> None:
        """Nothing more comes. OpenSSL takes that for an attack, and forgets the session, even where we said good-bye."""
        if not self.inner.get_shutdown() & SSL.SENT_SHUTDOWN:
            self.inner.bio_shutdown()
