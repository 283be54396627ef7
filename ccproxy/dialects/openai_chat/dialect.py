"""This module is the Chat Completions dialect: where it answers, and with which codecs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ccproxy.codecs import Encoder, Model, TokenCounter, Turn
from ccproxy.dialects.openai_chat import refusal, request, response
from ccproxy.errors import ProxyError
from ccproxy.framing import dumps
from ccproxy.prompt import Prompt


class OpenAIChat:
    """OpenAI's Chat Completions API."""

    name = "openai_chat"
    paths: Sequence[str] = ("/v1/chat/completions", "/chat/completions")

    counter: TokenCounter | None = None

    def speaks(self, headers: Mapping[str, str]) -> bool:
        """Never: no header is this dialect's own."""
        return False

    def parse(self, body: bytes) -> Prompt:
        """Read a request body."""
        return request.parse(body)

    def encoder(self, turn: Turn, *, stream: bool) -> Encoder:
        """Make the encoder of one turn."""
        return response.ChatStream(turn) if stream else response.ChatDocument(turn)

    def refusal(self, error: ProxyError) -> bytes:
        """The JSON body of a response that is not 200."""
        return refusal.refusal(error)

    def model(self, model: Model) -> bytes:
        """One model, in the shape of OpenAI's model object."""
        return dumps(_shown(model))

    def models(self, models: Sequence[Model]) -> bytes:
        """The list of models, in the shape of OpenAI's list."""
        return dumps({"object": "list", "data": [_shown(model) for model in models]})


def _shown(model: Model) -> dict[str, object]:
    shown: dict[str, object] = {"id": model.id, "object": "model", "created": model.created, "owned_by": model.owner}
    if model.name is not None:
        shown["name"] = model.name
    if model.context_length is not None:
        shown["context_length"] = model.context_length
    if model.max_output is not None:
        shown["max_output_tokens"] = model.max_output
    if model.images is not None:
        shown["architecture"] = {
            "input_modalities": ["text", "image"] if model.images else ["text"],
            "output_modalities": ["text"],
        }
    if model.efforts is not None:
        shown["supported_reasoning_efforts"] = list(model.efforts)
    if model.endpoints:
        shown["supported_endpoints"] = list(model.endpoints)
    return shown
