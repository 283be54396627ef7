"""This module is a client of the Responses API in memory."""

from __future__ import annotations

import json
from typing import Any

from tests.web.house import KEY, Answer, Client, HouseTestCase

PATH = "/v1/responses"
OTHER_KEY = "user_test_other"


def events(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream."""
    lines = (line.removeprefix("data: ") for line in stream.decode().split("\n") if line.startswith("data: "))
    return [json.loads(line) for line in lines]


def text_of(response: dict[str, Any]) -> str:
    """What a response says."""
    messages = (item for item in response["output"] if item["type"] == "message")
    return "".join(part["text"] for item in messages for part in item["content"])


class ResponsesTestCase(HouseTestCase):
    """A test with a client of the Responses API."""

    def setUp(self) -> None:
        """A daemon."""
        self.house = self.daemon()

    def ask(self, text: object = "hello", model: str = "sim/text", *, key: str = KEY, **fields: object) -> Client:
        """Ask for a turn."""
        body = {"model": model, "input": text, **fields}
        return self.house.connect().ask("POST", PATH, body, {"authorization": f"Bearer {key}"})

    def get(self, path: str, method: str = "GET", *, key: str = KEY) -> Answer:
        """What is at a path below the API's."""
        return self.reading(path, method, key=key).answer

    def reading(self, path: str, method: str = "GET", *, key: str = KEY) -> Client:
        """A client of what is at a path below the API's."""
        return self.house.connect().ask(method, f"{PATH}/{path}", None, {"authorization": f"Bearer {key}"})

    def said(self) -> list[tuple[str, str]]:
        """The conversation that went up last: who said what."""
        body: Any = self.house.simulator.requests[-1].body
        messages = body["params"]["messages"]
        return [
            (message["role"], "".join(part.get("text", part["type"]) for part in message["content"]))
            for message in messages
        ]
