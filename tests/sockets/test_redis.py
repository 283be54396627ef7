"""Tests of two daemons that share a Redis: what one has answered or is answering, the other one knows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import TestCase

from tests.daemons import KEY, DaemonProcess
from tests.store.server import RedisServer
from tests.web.responses import PATH, events, text_of

_PATIENCE_SECONDS = 10.0


def until(came_true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not came_true():
        if time.monotonic() > deadline:
            raise AssertionError("it did not come about")
        time.sleep(0.02)


class SharedStoreTests(TestCase):
    """Two daemons and a Redis."""

    def setUp(self) -> None:
        """Start them."""
        directory = Path(self.mktemp())
        directory.mkdir()
        redis = RedisServer(directory / "redis")
        self.addCleanup(redis.end)
        until(lambda: redis.serves)
        environ = {"CCPROXY_STORE_URL": f"redis://127.0.0.1:{redis.port}"}
        self.daemons = [DaemonProcess(directory / name, "--simulator", environ=environ) for name in ("one", "other")]
        for daemon in self.daemons:
            self.addCleanup(daemon.end)

    def ask(self, daemon: DaemonProcess, method: str, path: str = "", body: object = None) -> tuple[int, bytes]:
        """The answer of a daemon."""
        connection = daemon.connect()
        content = None if body is None else json.dumps(body)
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        connection.request(method, PATH + path, content, headers)
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer

    def check_previous_response(self) -> None:
        """A conversation goes on at the other daemon, from an answer in one piece and from a streamed one."""
        one, other = self.daemons
        _, streamed = self.ask(one, "POST", body={"model": "sim/text", "input": "hello", "stream": True})
        first = events(streamed)[-1]["response"]

        status, answer = self.ask(
            other, "POST", body={"model": "sim/echo", "input": "go on", "previous_response_id": first["id"]}
        )

        self.assertEqual(status, 200, answer)
        self.assertEqual(json.loads(self.ask(one, "GET", f"/{json.loads(answer)['id']}")[1]), json.loads(answer))
        _, listed = self.ask(other, "GET", f"/{json.loads(answer)['id']}/input_items?order=asc")
        self.assertEqual([item["role"] for item in json.loads(listed)["data"]], ["user", "assistant", "user"])

    def test_shared(self) -> None:
        """One test of all, as two daemons take their time to start."""
        self.check_previous_response()
        self.check_background()

    def check_background(self) -> None:
        """The other daemon tells an answer in the background as it comes and as a whole, and has another one cancelled."""
        one, other = self.daemons
        _, begun = self.ask(one, "POST", body={"model": "sim/slow", "input": "hello", "background": True})
        name = json.loads(begun)["id"]

        _, streamed = self.ask(other, "GET", f"/{name}?stream=true")
        told = events(streamed)

        self.assertEqual([event["sequence_number"] for event in told], list(range(len(told))))
        self.assertEqual(told[-1]["type"], "response.completed")
        until(lambda: json.loads(self.ask(other, "GET", f"/{name}")[1])["status"] == "completed")
        self.assertTrue(text_of(json.loads(self.ask(one, "GET", f"/{name}")[1])))

        _, begun = self.ask(one, "POST", body={"model": "sim/silent", "input": "hello", "background": True})
        name = json.loads(begun)["id"]

        _, cancelled = self.ask(other, "POST", f"/{name}/cancel")

        self.assertEqual(json.loads(cancelled)["status"], "cancelled")
        until(lambda: "-> 499 cancelled" in one.log)
        self.assertEqual(json.loads(self.ask(one, "GET", f"/{name}")[1])["status"], "cancelled")
