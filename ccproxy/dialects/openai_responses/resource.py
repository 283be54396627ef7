"""This module is the response object: what is told of a turn around its items, and what of it is kept.

Shape: https://platform.openai.com/docs/api-reference/responses/object. Every field that the schema of Open Responses demands is there.
"""

from __future__ import annotations

from collections.abc import Mapping

from ccproxy.codecs import Turn
from ccproxy.dialects.openai_responses.echo import echo
from ccproxy.dialects.openai_responses.output import asked_of
from ccproxy.dialects.openai_responses.refusal import in_band
from ccproxy.events import Failed, Finished, FinishReason, Usage
from ccproxy.fields import Fields
from ccproxy.framing import quote

INCOMPLETE = {FinishReason.LENGTH: "max_output_tokens", FinishReason.CONTENT_FILTER: "content_filter"}
"""The finish reasons after which a response is incomplete, in the dialect's words."""

_ECHO = echo(Fields({"store": False}, ""))
"""What is repeated of a request that asked for none of it."""


class Response:
    """The response object of one turn, from its first to its last form."""

    def __init__(self, turn: Turn) -> None:
        self.id = f"resp_{turn.id}"
        self._asked = asked_of(turn)
        self._turn = turn
        self._head = b'"id":%b,"object":"response","created_at":%d,"model":%b' % (
            quote(self.id),
            turn.created,
            quote(turn.model),
        )
        self._echo = quote({**_ECHO, **self._asked.echo})[1:-1]
        self._output: dict[str, bytes] = {}
        self._final = b""

    def add(self, item: Mapping[str, object]) -> bytes:
        """Take the next item that is whole, and give its JSON."""
        shown = self._output[str(item["id"])] = quote(item)
        return shown

    def begun(self) -> bytes:
        """The JSON while the turn goes on."""
        return self._json(b'"status":"in_progress","completed_at":null,"incomplete_details":null,"error":null', b"null")

    def ended(self, finished: Finished) -> bytes:
        """The JSON of the turn as it ended."""
        if reason := INCOMPLETE.get(finished.reason):
            state = b'"status":"incomplete","completed_at":null,"incomplete_details":%b,"error":null'
            said = state % quote({"reason": reason})
        else:
            # An encoder knows no time but that of the request.
            said = b'"status":"completed","completed_at":%d,"incomplete_details":null,"error":null' % self._turn.created
        self._final = self._json(said, quote(usage(finished.usage)))
        return self._final

    def failed(self, failed: Failed) -> bytes:
        """The JSON of a turn that failed; items that were not whole by then are not in it."""
        state = b'"status":"failed","completed_at":null,"incomplete_details":null,"error":%b'
        shown = self._json(state % quote(in_band(failed.error)), quote(usage(failed.usage)))
        if self._asked.background:  # for any other, the error itself was the answer
            self._final = shown
        return shown

    def records(self, *, always: bool) -> Mapping[str, bytes]:
        """What to keep of a turn: the response with its input, and each of its items.

        It is nothing where that is not wanted, unless ``always``, which means a good end. An answer in the background is asked for while
        it is made, and to learn that it failed; of any other that came to no good end the items are kept that its client has seen whole.
        """
        shown = self._final or (self.begun() if self._asked.background else b"")
        if not (self._asked.stored or (always and shown)):
            return {}
        if not shown:
            return {} if always else dict(self._output)
        whole = b'{"response":%b,"input":%b}' % (shown, quote(list(self._asked.items)))
        return {self.id: whole, **self._output}

    def _json(self, state: bytes, spent: bytes) -> bytes:
        output = b",".join(self._output.values())
        return b'{%b,%b,"output":[%b],"usage":%b,%b}' % (self._head, state, output, spent, self._echo)


def usage(spent: Usage) -> dict[str, object]:
    """The usage object, whole: strict clients take no null in it, and so what is unknown is 0."""
    read, written, reasoning = spent.cache_read or 0, spent.cache_write or 0, spent.reasoning or 0
    return {
        "input_tokens": spent.input or 0,
        "input_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        "output_tokens": spent.output or 0,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": (spent.input or 0) + (spent.output or 0),
    }
