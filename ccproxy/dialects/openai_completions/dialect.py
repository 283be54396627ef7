"""This module is the legacy Completions dialect: where it answers, and with which codecs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ccproxy import openai
from ccproxy.codecs import Encoder, Memory, Model, TokenCounter, Turn
from ccproxy.dialects.openai_completions import request, response
from ccproxy.dialogue import Dialogue
from ccproxy.errors import ProxyError
from ccproxy.fields import Fields
from ccproxy.prompt import Prompt, View


class OpenAICompletions:
    """OpenAI's legacy Completions API."""

    name = "openai_completions"
    paths: Sequence[str] = ("/v1/completions", "/completions", "/openai/v1/completions")

    counter: TokenCounter | None = None
    dialogue: Dialogue | None = None
    memory: Memory | None = None

    def speaks(self, headers: Mapping[str, str], query: Collection[str]) -> bool:
        """Never: no header is this dialect's own."""
        return False

    def recognises(self, body: Fields) -> bool:
        """Whether there is a ``prompt`` and no conversation."""
        return body.shows("prompt") and not body.shows("messages")

    def parse(self, body: Fields) -> Prompt:
        """Read a request body."""
        return request.parse(body)

    def view(self, body: Fields) -> View:
        """What the client asks to see."""
        return request.view(body)

    def encoder(self, turn: Turn, *, stream: bool) -> Encoder:
        """Make the encoder of one turn."""
        return response.CompletionStream(turn) if stream else response.CompletionDocument(turn)

    def refusal(self, error: ProxyError) -> bytes:
        """The JSON body of a response that is not 200."""
        return openai.refusal(error)

    def model(self, model: Model) -> bytes:
        """One model, in the shape of OpenAI's model object."""
        return openai.model(model)

    def models(self, models: Sequence[Model]) -> bytes:
        """The list of models, in the shape of OpenAI's list."""
        return openai.models(models)
