"""This module is what the tests of Responses requests share: how to ask, and how to be refused."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.dialects.openai_responses.asked import Asked
from ccproxy.dialects.openai_responses.request import parse
from ccproxy.errors import Kind, ProxyError
from ccproxy.fields import body
from ccproxy.framing import dumps
from ccproxy.prompt import Message, Prompt

HELLO = {"role": "user", "content": "hello"}
PNG = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0K", "detail": "auto"}


def asked(**changes: Any) -> Prompt:
    """The prompt of a minimal request with some fields changed."""
    return parse(body(dumps({"model": "vendor/model-1", "input": "hello", **changes})))


def kept(prompt: Prompt) -> Asked:
    """What a prompt keeps for its answer."""
    assert isinstance(prompt.view.kept, Asked)
    return prompt.view.kept


def said(*items: object, **changes: Any) -> tuple[Message, ...]:
    """The messages that an input of these items becomes."""
    return asked(input=list(items), **changes).messages


class RequestCase(SynchronousTestCase):
    """A test of requests."""

    def refused(self, field: str | None, **changes: Any) -> ProxyError:
        """Check that a request is refused for this field, and give the error."""
        error: ProxyError = self.assertRaises(ProxyError, asked, **changes)
        self.assertIs(error.kind, Kind.INVALID_REQUEST)
        self.assertEqual(error.field, field)
        return error

    def refused_item(self, place: str, item: object) -> ProxyError:
        """Check that an item is refused for what is at this place in it."""
        return self.refused(f"input[1]{place}", input=[HELLO, item])

    def refused_part(self, place: str, part: object) -> ProxyError:
        """Check that a part of a message is refused for what is at this place in it."""
        text = {"type": "input_text", "text": "a"}
        return self.refused_item(f".content[1]{place}", {"role": "user", "content": [text, part]})
