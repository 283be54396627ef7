"""This module is what the tests of Messages requests share: how to ask, and how to be refused."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from ccproxy.dialects.anthropic_messages.request import parse
from ccproxy.errors import Kind, ProxyError
from ccproxy.fields import body
from ccproxy.framing import dumps
from ccproxy.prompt import Part, Prompt

HELLO = {"role": "user", "content": "hello"}
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}}


def asked(**changes: Any) -> Prompt:
    """The prompt of a minimal request with some fields changed."""
    return parse(body(dumps({"model": "vendor/model-1", "messages": [HELLO], **changes})))


def parts(role: str, *blocks: object) -> tuple[Part, ...]:
    """The parts of all messages that one message with these blocks becomes."""
    prompt = asked(messages=[{"role": role, "content": blocks}])
    return tuple(part for message in prompt.messages for part in message.parts)


class RequestCase(SynchronousTestCase):
    """A test of requests."""

    def refused(self, field: str | None, **changes: Any) -> ProxyError:
        """Check that a request is refused for this field, and give the error."""
        error: ProxyError = self.assertRaises(ProxyError, asked, **changes)
        self.assertIs(error.kind, Kind.INVALID_REQUEST)
        self.assertEqual(error.field, field)
        return error

    def refused_block(self, role: str, block: object, place: str) -> ProxyError:
        """Check that a block is refused for what is at this place in it."""
        message = {"role": role, "content": [{"type": "text", "text": "a"}, block]}
        return self.refused(f"messages[0].content[1].{place}", messages=[message])
