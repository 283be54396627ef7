"""Tests of the input of a request as a list of items."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.dialects.openai_responses.inputs import objects_in


class ObjectsTests(SynchronousTestCase):
    """The objects of what may be an array."""

    def test_objects_in(self) -> None:
        """Of an array its objects are found; of anything else there are none."""
        self.assertEqual(objects_in([1, {"a": 1}, None, [], {}]), [{"a": 1}, {}])
        others: tuple[object, ...] = (None, "a", {"a": {}}, 5)
        self.assertEqual([objects_in(value) for value in others], [[]] * 4)
