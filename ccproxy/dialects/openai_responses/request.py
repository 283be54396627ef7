"""This module is the reading of a Responses request, apart from its conversation and its tools.

Field names and shapes: https://platform.openai.com/docs/api-reference/responses/create, and for the two penalties, which nobody here
applies, https://www.openresponses.org. Fields that only concern the vendor's servers are known and without effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve

from ccproxy import openai, tools, values
from ccproxy.dialects.openai_responses import inputs
from ccproxy.dialects.openai_responses.asked import Asked, CallForm
from ccproxy.dialects.openai_responses.echo import echo
from ccproxy.dialects.openai_responses.items import conversation
from ccproxy.dialects.openai_responses.offered import Names, choice, offered
from ccproxy.dialects.openai_responses.recall import not_found
from ccproxy.fields import Fields, invalid
from ccproxy.prompt import Note, NoteCode, Prompt, View

_WITHOUT_EFFECT = (
    *("metadata", "user", "safety_identifier", "client_metadata", "service_tier", "truncation", "max_tool_calls"),
    *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "stream_options", "background_options"),
    *("type", "generate", "stream_id"),  # of a request in a WebSocket
)
_SEALED = "reasoning.encrypted_content"
_LOGPROBS = "message.output_text.logprobs"


def recognises(body: Fields) -> bool:
    """Whether there is an input of texts or items, or an earlier answer to go on from, and no conversation of another API."""
    if body.shows("messages"):
        return False
    if any(body.glimpse("input")) or body.peek("previous_response_id"):
        return True
    return isinstance(body.peek("input"), str)


def parse(body: Fields) -> Prompt:
    """Read a request body.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the field that is wrong.
    """
    _refuse_unanswerable(body)
    notes: list[Note] = []
    offer, forms = offered(body, notes)
    callable_tools, rule = choice(body, offer, forms, notes)
    reasoning, text = body.object("reasoning"), body.object("text")
    form = text and text.object("format")
    prompt = Prompt(
        model=values.model_of(body),
        messages=conversation(body, Names(forms), notes),
        stream=body.boolean("stream") or False,
        tools=callable_tools,
        tool_choice=rule,
        parallel_tool_calls=tools.parallel(body),
        max_tokens=body.integer("max_output_tokens", least=1),
        temperature=body.number("temperature", least=0, most=2),
        top_p=body.number("top_p", least=0, most=1),
        effort=openai.effort(reasoning.string("effort") if reasoning else None, "reasoning.effort", notes),
        output=openai.output(form),
        view=_view(body, forms),
        place="input",
    )
    ignored = (
        *_logprobs(body),
        *_ignored(body, *_WITHOUT_EFFECT),
        *_ignored(reasoning, "summary", "generate_summary", "context", "mode"),
        *_ignored(text, "verbosity"),
    )
    if ignored:
        notes.append(Note(NoteCode.IGNORED, ignored))
    return evolve(prompt, notes=tuple(notes)) if notes else prompt


def view(body: Fields) -> View:
    """What the client asks to see; of a body of another dialect, only what response objects have in common with it.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the field that is wrong.
    """
    if not recognises(body):
        # Its conversation is in no form in which a later request could refer to it.
        return View(reasoning=True, kept=Asked({**echo(body), "store": False}, stored=False))
    return _view(body, offered(body, [])[1])


def _view(body: Fields, forms: Mapping[str, CallForm]) -> View:
    reasoning = body.object("reasoning")
    stored = body.boolean("store") is not False
    asked = Asked(
        echo=echo(body),
        forms=forms,
        summary=reasoning is not None and bool(reasoning.string("summary") or reasoning.string("generate_summary")),
        sealed=_SEALED in body.strings("include"),
        stored=stored,
        background=body.boolean("background") or False,
        compaction=any(item.peek("type") == inputs.TRIGGER for item in inputs.items(body)),
        # A connection goes on from its latest answer, stored or not; its requests have the type of their message.
        items=inputs.kept(body) if stored or body.peek("type") == "response.create" else (),
    )
    return View(reasoning=True, kept=asked)


def _refuse_unanswerable(body: Fields) -> None:
    """Refuse what would change the answer if it were ignored."""
    if body.has("conversation"):
        message = "Conversations are not kept here; send all items, or previous_response_id."
        raise invalid(message, "conversation")
    if body.has("prompt"):
        raise invalid("Prompts are not kept here; send instructions and input.", "prompt")
    if (previous := body.string("previous_response_id")) and not isinstance(body, inputs.Completed):
        raise not_found(previous)
    if body.boolean("background") and body.boolean("store") is False:
        raise invalid("is only possible where the response is stored.", "background")


def _ignored(part: Fields | None, *known: str) -> Sequence[str]:
    """The fields of a part of the body that are not known here; some that were not read are."""
    if part is None:
        return ()
    part.ignore(*known)
    return part.unread()


def _logprobs(body: Fields) -> Sequence[str]:
    """The fields that ask for log probabilities: the upstream gives none, and n8n asks as a matter of course."""
    asked = {"top_logprobs": body.integer("top_logprobs", least=0), "include": _LOGPROBS in body.strings("include")}
    return [name for name, value in asked.items() if value]
