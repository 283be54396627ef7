"""This module is a web site in memory, for what is fetched on a timer."""

from __future__ import annotations

from treq.testing import RequestTraversalAgent
from twisted.internet.task import Clock
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from typing_extensions import override

from ccproxy.net.client import UpstreamClient


class Website(Resource):
    """One answer for every request.

    Attributes:
        status: The status of the answer; 0 for a site that never answers.
        body: The body of the answer.
        asked: The paths that were asked for.
        client: What asks.
        clock: The client's clock.
    """

    isLeaf = True  # noqa: N815 - the resource's own name for it

    def __init__(self) -> None:
        super().__init__()
        self.status = 200
        self.body = b""
        self.asked: list[bytes] = []
        self.clock = Clock()
        self.client = UpstreamClient(RequestTraversalAgent(self), self.clock)

    @override
    def render(self, request: Request) -> bytes | int:
        """Answer a request."""
        self.asked.append(request.path)
        if not self.status:
            return NOT_DONE_YET
        request.setResponseCode(self.status)
        return self.body
