"""This module is the one log line that an exchange leaves, without a word of what was said in it."""

from __future__ import annotations

from attrs import define
from twisted.logger import Logger

from ccproxy.errors import ProxyError
from ccproxy.events import Failed, Finished, Usage
from ccproxy.logs import SUMMARY

_CLIENT_CLOSED_REQUEST = 499  # for the log only; no client ever sees it
_MODEL_LENGTH = 80

_log = Logger()


@define
class Report:
    """What became of an exchange.

    Attributes:
        id: The id that the client gave it in ``x-request-id``, else a random one; the client gets it back in that header.
        dialect: The dialect's name.
        began_at: When it began, seconds.
        model: The model that was asked for.
        status: The HTTP status, or what it would have been; 499 when the client left.
        outcome: ``ok``, ``cancelled``, ``stalled``, or the kind of the failure.
        tries: How often the upstream was asked.
        decided_at: When the upstream first said something decisive, seconds.
        usage: Tokens.
        sent: Bytes to the client.
        trace: The upstream's own id of the request, which its support asks for.
    """

    id: str
    dialect: str
    began_at: float
    model: str = "-"
    status: int = 200
    outcome: str = "ok"
    tries: int = 0
    decided_at: float | None = None
    usage: Usage = Usage()
    sent: int = 0
    trace: str = "-"

    def ended(self, ended: Finished | Failed) -> None:
        """The turn came to its end after something was sent."""
        if isinstance(ended, Failed):
            self.outcome = ended.error.kind.value[0]

    def failed(self, error: ProxyError) -> None:
        """Nothing was sent, or nothing but pings."""
        self.status = error.status
        self.outcome = error.kind.value[0]

    def cancelled(self) -> None:
        """The client left."""
        self.status, self.outcome = _CLIENT_CLOSED_REQUEST, "cancelled"

    def stalled(self) -> None:
        """The client did not read, and was given up."""
        self.status, self.outcome = _CLIENT_CLOSED_REQUEST, "stalled"

    def write(self, now: float) -> None:
        """Write the line."""
        first = "-" if self.decided_at is None else f"{self.decided_at - self.began_at:.3f}"
        model, seconds = self.model[:_MODEL_LENGTH], f"{now - self.began_at:.3f}"
        tokens_in, tokens_out = _shown(self.usage.input), _shown(self.usage.output)
        _log.info(
            SUMMARY,
            log_summary=(
                f"{self.id} {self.dialect} {model} -> {self.status} {self.outcome} in {seconds}s, first event after {first}s, "
                f"tokens {tokens_in}/{tokens_out}, {self.sent} bytes, tries {self.tries}, upstream trace {self.trace}"
            ),
            id=self.id,
            dialect=self.dialect,
            model=model,
            status=self.status,
            outcome=self.outcome,
            seconds=seconds,
            first=first,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            sent=self.sent,
            tries=self.tries,
            trace=self.trace,
        )


def _shown(count: int | None) -> int | str:
    return "-" if count is None else count
