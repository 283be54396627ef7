"""This module is the reading of a legacy Completions request.

Field names and shapes: https://platform.openai.com/docs/api-reference/completions/create. The models of today answer messages and do not
continue texts: the prompt becomes one message of the user, and what would need more than that is refused.
"""

from __future__ import annotations

from attrs import evolve

from ccproxy import values
from ccproxy.fields import Fields, invalid
from ccproxy.prompt import Message, Note, NoteCode, Prompt, Role, Text, View


def parse(body: Fields) -> Prompt:
    """Read a request body.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the field that is wrong.
    """
    _refuse_unanswerable(body)
    prompt = Prompt(
        model=values.model_of(body),
        messages=(Message(Role.USER, (Text(_text(body)),)),),
        stream=body.boolean("stream") or False,
        max_tokens=body.integer("max_tokens", least=1),
        temperature=body.number("temperature", least=0, most=2),
        top_p=body.number("top_p", least=0, most=1),
        stop=values.stop_of(body.one_or_more("stop"), "stop"),
        view=view(body),
        place="prompt",
    )
    unread = body.unread()
    return evolve(prompt, notes=(Note(NoteCode.IGNORED, unread),)) if unread else prompt


def view(body: Fields) -> View:
    """What the client asks to see: text only, as this API has no place for reasoning."""
    options = body.object("stream_options")
    return View(usage_apart=options is not None and options.boolean("include_usage") is True, reasoning=False)


def _refuse_unanswerable(body: Fields) -> None:
    """Refuse what would change the answer if it were ignored."""
    for name in ("n", "best_of"):
        if (body.integer(name, least=1) or 1) > 1:
            raise invalid("The upstream gives one choice per request; only 1 is possible.", name)
    # 0 asks for the probability of each token that was chosen; false, the word of Chat Completions, asks for nothing.
    if body.has("logprobs") and body.value("logprobs") is not False:
        raise invalid("The upstream gives no log probabilities.", "logprobs")
    if body.boolean("echo"):
        raise invalid("The prompt is not given back.", "echo")
    if body.string("suffix"):
        raise invalid("The upstream answers a prompt; it cannot fill a gap in a text.", "suffix")


def _text(body: Fields) -> str:
    texts = body.one_or_more("prompt")
    if len(texts) > 1:
        raise invalid("The upstream answers one prompt per request.", "prompt")
    if not texts or not texts[0]:
        raise invalid("is required.", "prompt")
    return texts[0]
