"""This module is an upstream that says what a test wants, one answer after the other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from twisted.web.resource import Resource
from twisted.web.server import Request
from zope.interface import implementer

USAGE = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}


def texts(*pieces: str, usage: dict[str, int] | None = USAGE) -> bytes:
    """An answer of one text in pieces."""
    return records(*({"type": "text-delta", "id": "t", "text": piece} for piece in pieces), _finish(usage))


def thoughts(thought: str, text: str) -> bytes:
    """An answer of reasoning and then text."""
    said = ({"type": "reasoning-delta", "id": "r", "text": thought}, {"type": "text-delta", "id": "t", "text": text})
    return records(*said, _finish(USAGE))


def records(*lines: dict[str, Any]) -> bytes:
    """An answer of these records."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _finish(usage: dict[str, int] | None) -> dict[str, Any]:
    return {"type": "finish", "finishReason": "stop", "totalUsage": usage}


@implementer(IAgent)
class Scripted:
    """An agent to an upstream with a script; the last answer is repeated.

    Attributes:
        asked: The bodies of the requests, in order.
    """

    def __init__(self, *answers: bytes) -> None:
        self.asked: list[Any] = []
        self._agent = RequestTraversalAgent(_Script(answers, self.asked))

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        """Ask the upstream."""
        sent: Deferred[IResponse] = self._agent.request(method, uri, headers, bodyProducer)
        return sent

    def flush(self) -> None:
        """Let everything run that can."""
        self._agent.flush()


class _Script(Resource):
    isLeaf = True  # noqa: N815 - twisted.web's name

    def __init__(self, answers: Sequence[bytes], asked: list[Any]) -> None:
        super().__init__()
        self._answers = answers
        self._asked = asked

    def render_POST(self, request: Request) -> bytes:
        """Say the next answer."""
        self._asked.append(json.loads(request.content.read()))  # type: ignore[union-attr] # a whole request has a body
        return self._answers[min(len(self._asked), len(self._answers)) - 1]
