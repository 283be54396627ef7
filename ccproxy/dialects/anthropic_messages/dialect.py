"""This module is the Messages dialect: where it answers, and with which codecs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timezone

from ccproxy.codecs import Encoder, Memory, Model, TokenCounter, Turn
from ccproxy.dialects.anthropic_messages import refusal, request, response
from ccproxy.dialogue import Dialogue
from ccproxy.errors import ProxyError
from ccproxy.fields import Fields
from ccproxy.framing import dumps
from ccproxy.prompt import Prompt, View


class CountTokens:
    """``POST /v1/messages/count_tokens`` (https://docs.anthropic.com/en/api/messages-count-tokens)."""

    paths: Sequence[str] = (
        "/v1/messages/count_tokens",
        "/messages/count_tokens",
        "/anthropic/v1/messages/count_tokens",
    )

    def answer(self, tokens: int) -> bytes:
        """The JSON body that tells how many tokens a request has."""
        return dumps({"input_tokens": tokens})


class AnthropicMessages:
    """Anthropic's Messages API."""

    name = "anthropic_messages"
    paths: Sequence[str] = ("/v1/messages", "/messages", "/anthropic/v1/messages")

    counter: TokenCounter | None = CountTokens()
    dialogue: Dialogue | None = None
    memory: Memory | None = None

    def speaks(self, headers: Mapping[str, str], query: Collection[str]) -> bool:
        """Whether there is an ``anthropic-version``, which every client of this API has to send."""
        return "anthropic-version" in headers

    def recognises(self, body: Fields) -> bool:
        """Whether there is a block that only this API has."""
        return request.recognises(body)

    def parse(self, body: Fields) -> Prompt:
        """Read a request body."""
        return request.parse(body)

    def view(self, body: Fields) -> View:
        """What the client asks to see."""
        return request.view(body)

    def encoder(self, turn: Turn, *, stream: bool) -> Encoder:
        """Make the encoder of one turn."""
        return response.MessageStream(turn) if stream else response.MessageDocument(turn)

    def refusal(self, error: ProxyError) -> bytes:
        """The JSON body of a response that is not 200."""
        return refusal.refusal(error)

    def model(self, model: Model) -> bytes:
        """One model, in the shape of Anthropic's model object."""
        return dumps(_shown(model))

    def models(self, models: Sequence[Model]) -> bytes:
        """The list of models, in the shape of Anthropic's list: one page that holds all."""
        ends = (models[0].id, models[-1].id) if models else (None, None)
        page = {"data": [_shown(model) for model in models], "has_more": False, "first_id": ends[0], "last_id": ends[1]}
        return dumps(page)


def _shown(model: Model) -> dict[str, object]:
    created = datetime.fromtimestamp(model.created, timezone.utc)
    shown: dict[str, object] = {
        "type": "model",
        "id": model.id,
        "display_name": model.name or model.id,
        "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if model.context_length is not None:
        shown["max_input_tokens"] = model.context_length
    if model.max_output is not None:
        shown["max_tokens"] = model.max_output
    if model.images is not None:
        shown["input_modalities"] = ["text", "image"] if model.images else ["text"]
    if model.efforts is not None:
        shown["supported_efforts"] = list(model.efforts)
    return shown
