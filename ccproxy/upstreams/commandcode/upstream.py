"""This module is the Command Code upstream as the rest of the house sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ccproxy.codecs import Decoder, HTTPRequest, Identity, Model
from ccproxy.errors import ProxyError
from ccproxy.keys import Key
from ccproxy.prompt import Prompt
from ccproxy.upstreams.commandcode import credentials, diagnosis, models
from ccproxy.upstreams.commandcode.envelope import Envelope
from ccproxy.upstreams.commandcode.records import Records


class CommandCode:
    """Implements `ccproxy.codecs.Upstream`.

    Args:
        api_base: The URL of the API, such as ``https://api.commandcode.ai``.
        project_slug: The name of the project that requests are filed under.
        user_agent: The value of ``User-Agent``; empty for none.
        environment: The name of the platform, such as ``linux``.
        zero_data_retention: Every request asks for routing without retention.
        line_limit: The longest line of an answer, bytes; 0 for no limit.
    """

    def __init__(
        self,
        *,
        api_base: str,
        project_slug: str,
        user_agent: str,
        environment: str,
        zero_data_retention: bool,
        line_limit: int,
    ) -> None:
        self._envelope = Envelope(api_base, project_slug, environment, user_agent, zero_data_retention)
        self._line_limit = line_limit

    def credential(self, headers: Mapping[str, str]) -> Key:
        """Find the caller's key in lower-cased request headers."""
        return credentials.find_key(headers)

    def generate(self, prompt: Prompt, identity: Identity) -> HTTPRequest:
        """Say a prompt as ``POST /alpha/generate``."""
        return self._envelope.generate(prompt, identity)

    def decoder(self) -> Decoder:
        """Make the decoder of one answer."""
        return Records(self._line_limit)

    def diagnose(self, status: int, headers: Mapping[str, str], body: bytes) -> ProxyError:
        """Name the cause of an answer that is not 200."""
        return diagnosis.diagnose(status, headers, body)

    def models_request(self) -> HTTPRequest:
        """The request for the list of models."""
        return self._envelope.models()

    def parse_models(self, body: bytes) -> Sequence[Model]:
        """Read the list of models."""
        return models.parse(body)

    def fallback_models(self) -> Sequence[Model]:
        """The built-in list of models."""
        return models.fallback()
