"""This module is the Responses dialect: where it answers, and with which codecs; and its second door, where conversations are summed up."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from attrs import evolve

from ccproxy import openai
from ccproxy.codecs import Encoder, Memory, Model, TokenCounter, Turn
from ccproxy.dialects.openai_responses import inputs, refusal, request
from ccproxy.dialects.openai_responses.compaction import CompactionDocument, CompactionStream, asked_for
from ccproxy.dialects.openai_responses.dialogue import ResponsesDialogue
from ccproxy.dialects.openai_responses.document import ResponseDocument
from ccproxy.dialects.openai_responses.memory import ResponseMemory
from ccproxy.dialects.openai_responses.models import codex_catalogue
from ccproxy.dialects.openai_responses.output import asked_of, kept_of
from ccproxy.dialects.openai_responses.response import ResponseStream
from ccproxy.dialogue import Dialogue
from ccproxy.errors import Kind, ProxyError
from ccproxy.fields import Fields, invalid
from ccproxy.prompt import Prompt, View

# Codex, which alone sends this field, acts on these only inside a stream: it then shortens the conversation, stops, or waits.
_CODEX = "client_metadata"
_IN_BAND = frozenset((Kind.CONTEXT_LENGTH, Kind.CREDIT, Kind.RATE_LIMITED))


class OpenAIResponses:
    """OpenAI's Responses API."""

    name = "openai_responses"
    paths: Sequence[str] = ("/v1/responses", "/responses", "/openai/v1/responses")
    counter: TokenCounter | None = None
    memory: Memory | None = ResponseMemory(paths)
    dialogue: Dialogue | None = ResponsesDialogue()

    def speaks(self, headers: Mapping[str, str], query: Collection[str]) -> bool:
        """Whether Codex asks: it names its version in the query, and nothing else tells of it."""
        return "client_version" in query

    def recognises(self, body: Fields) -> bool:
        """Whether there is an input as only this API has it."""
        return request.recognises(body)

    def parse(self, body: Fields) -> Prompt:
        """Read a request body; where the conversation is to be summed up, as the request for that."""
        prompt = request.parse(body)
        asked = kept_of(prompt.view)
        in_band = _IN_BAND if isinstance(body.peek(_CODEX), dict) else frozenset()
        prompt = evolve(prompt, view=evolve(prompt.view, in_band=in_band, detached=asked.background))
        return asked_for(prompt) if asked.compaction else prompt

    def view(self, body: Fields) -> View:
        """What the client asks to see."""
        return request.view(body)

    def encoder(self, turn: Turn, *, stream: bool) -> Encoder:
        """Make the encoder of one turn."""
        if asked_of(turn).compaction:
            return CompactionStream(turn) if stream else CompactionDocument(turn, bare=False)
        return ResponseStream(turn) if stream else ResponseDocument(turn)

    def refusal(self, error: ProxyError) -> bytes:
        """The JSON body of a response that is not 200."""
        return refusal.refusal(error)

    def model(self, model: Model) -> bytes:
        """One model, in the shape of OpenAI's model object."""
        return openai.model(model)

    def models(self, models: Sequence[Model]) -> bytes:
        """The list of models, as Codex reads it; all others who speak this dialect ask for OpenAI's."""
        return codex_catalogue(models)


class ResponsesCompact(OpenAIResponses):
    """Where a client asks for the sum of a conversation and for nothing else."""

    name = "openai_responses_compact"
    paths: Sequence[str] = ("/v1/responses/compact", "/responses/compact", "/openai/v1/responses/compact")
    memory: Memory | None = ResponseMemory(())
    dialogue: Dialogue | None = None

    def speaks(self, headers: Mapping[str, str], query: Collection[str]) -> bool:
        """Never: only the path tells."""
        return False

    def parse(self, body: Fields) -> Prompt:
        """Read a request body as the request for a sum; the answer is one object, whatever the body says of streams."""
        prompt = asked_for(request.parse(body))
        # Kept or not, and waited for or not, it gives back what the user said.
        asked = evolve(kept_of(prompt.view), stored=False, background=False, items=inputs.kept(body))
        return evolve(prompt, stream=False, view=evolve(prompt.view, kept=asked))

    def view(self, body: Fields) -> View:
        """Nothing: a body of another dialect is refused, as it asks for an answer and not for a sum."""
        raise invalid("is required.", "input")

    def encoder(self, turn: Turn, *, stream: bool) -> Encoder:
        """Make the encoder of one turn."""
        return CompactionStream(turn) if stream else CompactionDocument(turn, bare=True)
