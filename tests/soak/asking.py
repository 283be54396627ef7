"""This module is what the clients of the soak ask, and what a whole answer to it says.

Every ask has a number of its own, which is quoted in the answer and in the arguments of tool calls: an answer that went to the wrong
client is seen. All that is random about an ask comes from its number and the seed.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from enum import Enum

from attrs import frozen

SENTENCE = "the heron folds its umbrella"
"""What every client says; no log may hold it."""

_THOUGHTS = "Let me think about it. A short answer will do."
_BEGINNING = "This is the beginning of an answer that"
_LINES = "".join(f"line {number} of 1000\n" for number in range(1, 1001))
_FLOOD = "All work and no play makes a dull stream. " * 390
_TOOLS = ("look_up", "look_again")


class Dialect(Enum):
    """A language of clients; the value is the path where it is spoken."""

    CHAT = "/v1/chat/completions"
    MESSAGES = "/v1/messages"


@frozen
class Said:
    """What an answer says, in no dialect's words; a call is the tool's name and the JSON of its arguments."""

    text: str
    reasoning: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    reason: str = "stop"


@frozen
class Scenario:
    """A model of the simulator.

    Attributes:
        model: Its id.
        weight: How often it is asked, relative to the others.
        statuses: The statuses of a failure that the scenario itself is; empty when it answers well.
        tools: How many tools are offered.
        pace: Seconds that the client waits between two reads; None: it never reads.
    """

    model: str
    weight: int
    statuses: tuple[int, ...] = ()
    tools: int = 0
    pace: float | None = 0.0


SCENARIOS: Sequence[Scenario] = (
    Scenario("sim/text", 16),
    Scenario("sim/reasoning", 8),
    Scenario("sim/tool", 7, tools=1),
    Scenario("sim/parallel-tools", 7, tools=2),
    Scenario("sim/long", 4),
    Scenario("sim/slow", 8),
    Scenario("sim/flood-2", 2, pace=0.005),
    Scenario("sim/flood-20", 1, pace=None),
    Scenario("sim/error-first", 4, statuses=(402,)),
    Scenario("sim/error-mid", 5, statuses=(503,)),
    Scenario("sim/no-finish", 4, statuses=(502,)),
    Scenario("sim/cut", 4, statuses=(502,)),
    Scenario("sim/http-429", 4, statuses=(429,)),
    Scenario("sim/http-503", 3, statuses=(503,)),
)
TEXT, SLOW = SCENARIOS[0], SCENARIOS[5]
STALL = Scenario("sim/stall", 0, statuses=(503,))
"""An answer that begins and never ends: only a daemon that stops ends it."""


@frozen
class Ask:
    """One request, before it is bytes.

    Attributes:
        number: Its own number.
        scenario: What it asks for.
        dialect: The language it is in.
        stream: Whether the answer is to be a stream.
        key: The caller's key.
        keep: Whether the connection may serve again.
        form: How the body is sent: ``plain``, ``chunked`` or ``gzip``.
    """

    number: int
    scenario: Scenario
    dialect: Dialect
    stream: bool
    key: str
    keep: bool = True
    form: str = "plain"

    @property
    def id(self) -> str:
        """The number as it is written into the request, and found again in what goes to the upstream."""
        return f"ask-{self.number:07d}"

    @property
    def words(self) -> str:
        """What the user says."""
        return f"{self.id} {SENTENCE}"

    @property
    def answer(self) -> Said | None:
        """What a whole answer says; None: there is none."""
        if self.scenario.statuses or self.scenario.pace is None:
            return None
        hello = f"Hello from the simulator! You said: {self.words}"
        arguments = json.dumps({"word": self.id})
        match self.scenario.model:
            case "sim/reasoning":
                return Said(hello, reasoning=_THOUGHTS)
            case "sim/tool":
                return Said("Let me look that up.", calls=((_TOOLS[0], arguments),), reason="tools")
            case "sim/parallel-tools":
                return Said("Let me look up both.", calls=tuple((tool, arguments) for tool in _TOOLS), reason="tools")
            case "sim/long":
                return Said(_LINES)
            case "sim/flood-2":
                return Said(_FLOOD * (2_000_000 // len(_FLOOD) + 1))
            case _:
                return Said(hello)

    @property
    def beginning(self) -> str:
        """The text of which a failing answer may have given some."""
        whole = self.answer
        return whole.text if whole else _BEGINNING

    def request(self) -> bytes:
        """The request, whole."""
        headers = [
            f"POST {self.dialect.value} HTTP/1.1",
            "Host: soak.test",
            "Content-Type: application/json",
            f"X-Request-Id: {self.id}",
            f"x-api-key: {self.key}" if self.dialect is Dialect.MESSAGES else f"Authorization: Bearer {self.key}",
        ]
        if not self.keep:
            headers.append("Connection: close")
        body = json.dumps(self.body()).encode()
        if self.form == "gzip":
            body = gzip.compress(body)
            headers.append("Content-Encoding: gzip")
        if self.form == "chunked":
            half = len(body) // 2
            headers.append("Transfer-Encoding: chunked")
            body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:half], body[half:], b""))
        else:
            headers.append(f"Content-Length: {len(body)}")
        return "\r\n".join((*headers, "\r\n")).encode() + body

    def body(self) -> dict[str, object]:
        """The fields of the request."""
        messages = self.dialect is Dialect.MESSAGES
        body: dict[str, object] = {
            "model": self.scenario.model,
            "stream": self.stream,
            "messages": [{"role": "user", "content": self.words}],
            "tools": [self._tool(name) for name in _TOOLS[: self.scenario.tools]],
        }
        if not self.scenario.tools:
            del body["tools"]
        if messages:
            body["max_tokens"] = 4000
            body["thinking"] = {"type": "enabled", "budget_tokens": 2000}
        return body

    def _tool(self, name: str) -> dict[str, object]:
        word = {"type": "string", "enum": [self.id]}
        schema = {"type": "object", "properties": {"word": word}, "required": ["word"]}
        if self.dialect is Dialect.MESSAGES:
            return {"name": name, "description": "Looks a word up.", "input_schema": schema}
        function = {"name": name, "description": "Looks a word up.", "parameters": schema}
        return {"type": "function", "function": function}
