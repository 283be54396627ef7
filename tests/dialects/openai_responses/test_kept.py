"""Tests of what a client can ask of an answer that is kept."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.dialects.openai_responses import kept
from ccproxy.errors import Kind, ProxyError

ITEMS = [{"type": "message", "id": f"msg_{number}", "role": "user", "content": f"{number}"} for number in range(1, 31)]


def record(status: str = "completed", *, background: bool = False) -> bytes:
    """The record of a response with thirty items of input and two of output."""
    output = [{"type": "reasoning", "id": "rs_1", "summary": []}, {"type": "message", "id": "msg_out", "content": []}]
    response = {"id": "resp_1", "object": "response", "status": status, "background": background, "output": output}
    return json.dumps({"response": response, "input": ITEMS}).encode()


def page(**query: str) -> dict[str, Any]:
    """One page of the input."""
    listed: dict[str, Any] = json.loads(kept.inputs(record(), query))
    return listed


def ids(listed: dict[str, Any]) -> list[int]:
    """The numbers of the items of a page."""
    return [int(item["id"].removeprefix("msg_")) for item in listed["data"]]


class RecordTests(SynchronousTestCase):
    """The answer itself."""

    def test_shown(self) -> None:
        """The response is shown as it was answered."""
        self.assertEqual(json.loads(kept.shown(record())), json.loads(record())["response"])

    def test_open(self) -> None:
        """Only what is being made or waits for it is open."""
        states = ("queued", "in_progress", "completed", "incomplete", "failed", "cancelled")

        self.assertEqual([state for state in states if kept.is_open(record(state))], ["queued", "in_progress"])

    def test_parts(self) -> None:
        """The items of the output go with their response."""
        self.assertEqual(kept.parts(record()), ["rs_1", "msg_out"])

    def test_deleted(self) -> None:
        """The answer to a deletion names what was deleted."""
        self.assertEqual(json.loads(kept.deleted("resp_1")), {"id": "resp_1", "object": "response", "deleted": True})

    def test_missing(self) -> None:
        """What is not there is named, but not at any length."""
        error = kept.missing("x" * 1000)

        self.assertEqual((error.kind, error.message), (Kind.NOT_FOUND, f"Response with id '{'x' * 100}' not found."))


class ResumeTests(SynchronousTestCase):
    """The stream of an answer that is kept."""

    def test_object(self) -> None:
        """Without a wish it is the response object."""
        for query in ({}, {"stream": "false"}, {"starting_after": "3"}):
            self.assertIsNone(kept.resumed(record(), query))

    def test_from(self) -> None:
        """The stream begins with the event after the last that the client has."""
        made = record(background=True)

        self.assertEqual(kept.resumed(made, {"stream": "true"}), 0)
        self.assertEqual(kept.resumed(made, {"stream": "true", "starting_after": "41"}), 42)

    def test_synchronous(self) -> None:
        """An answer that its client waited for has no stream any more."""
        error: ProxyError = self.assertRaises(ProxyError, kept.resumed, record(), {"stream": "true"})

        self.assertEqual((error.kind, error.field), (Kind.INVALID_REQUEST, "stream"))

    def test_wrong(self) -> None:
        """What is no number is refused."""
        for value in ("-1", "x", "\u0663", "9" * 5000):
            query = {"stream": "true", "starting_after": value}
            error: ProxyError = self.assertRaises(ProxyError, kept.resumed, record(background=True), query)
            self.assertEqual(error.field, "starting_after")


class CancelTests(SynchronousTestCase):
    """Giving up a response."""

    def test_open(self) -> None:
        """One that is being made in the background is cancelled, and keeps everything else."""
        given_up = json.loads(kept.cancelled(record("in_progress", background=True)))

        self.assertEqual(given_up["response"]["status"], "cancelled")
        self.assertEqual(given_up["input"], ITEMS)

    def test_over(self) -> None:
        """One that is over stays as it is, also when it is cancelled again."""
        for state in ("completed", "failed", "cancelled"):
            self.assertEqual(kept.cancelled(record(state, background=True)), record(state, background=True))

    def test_synchronous(self) -> None:
        """One that its client waited for cannot be cancelled."""
        error: ProxyError = self.assertRaises(ProxyError, kept.cancelled, record())

        self.assertEqual(error.message, "Cannot cancel a synchronous response.")


class InputTests(SynchronousTestCase):
    """The pages of an input."""

    def test_first(self) -> None:
        """Without a wish it is the latest twenty, and it says that there are more."""
        listed = page()

        self.assertEqual(ids(listed), list(range(30, 10, -1)))
        self.assertEqual((listed["first_id"], listed["last_id"], listed["has_more"]), ("msg_30", "msg_11", True))
        self.assertEqual(listed["object"], "list")

    def test_next(self) -> None:
        """A page begins after the item that it is asked to follow, in either order."""
        later, earlier = page(after="msg_11"), page(after="msg_11", order="asc", limit="5")

        self.assertEqual((ids(later), later["has_more"]), (list(range(10, 0, -1)), False))
        self.assertEqual((ids(earlier), earlier["has_more"]), ([12, 13, 14, 15, 16], True))

    def test_exact(self) -> None:
        """A page that ends with the last item says that there is nothing more."""
        self.assertFalse(page(limit="30")["has_more"])

    def test_empty(self) -> None:
        """After the last item there is an empty page."""
        listed = page(after="msg_1")

        self.assertEqual((listed["data"], listed["first_id"], listed["has_more"]), ([], None, False))

    def test_wrong(self) -> None:
        """A wrong wish is refused by its name."""
        wrong = (
            ("limit", "0"),
            ("limit", "101"),
            ("limit", "-1"),
            ("limit", "1.5"),
            ("limit", "\u0663"),
            ("limit", "9" * 5000),
            ("order", "up"),
            ("after", "msg_99"),
        )
        for name, value in wrong:
            error: ProxyError = self.assertRaises(ProxyError, page, **{name: value})
            self.assertEqual((error.kind, error.field), (Kind.INVALID_REQUEST, name), value[:10])
