"""This module is what OpenAI's APIs have in common: how effort and documents are asked for, and errors, usage and models shown.

Types and codes of errors that clients act on: https://platform.openai.com/docs/guides/error-codes. ``retry_after`` (seconds) is an
addition, and so is what a model has beyond its id, its time and its owner: inputs and efforts stand where clients look for
them with OpenRouter (https://openrouter.ai/docs/sdks/python/api-reference/components/modelarchitecture and
https://openrouter.ai/docs/guides/best-practices/reasoning-tokens).
"""

from __future__ import annotations

from collections.abc import Sequence

from ccproxy.codecs import Model
from ccproxy.errors import Kind, ProxyError
from ccproxy.events import FinishReason, Usage
from ccproxy.fields import Fields, invalid
from ccproxy.framing import dumps, quote
from ccproxy.prompt import Effort, Note, NoteCode, OutputFormat
from ccproxy.structured import output_format

_WORDS: dict[Kind, tuple[str, str | None]] = {
    Kind.INVALID_REQUEST: ("invalid_request_error", None),
    Kind.CONTEXT_LENGTH: ("invalid_request_error", "context_length_exceeded"),
    Kind.AUTHENTICATION: ("authentication_error", "invalid_api_key"),
    Kind.CREDIT: ("insufficient_quota", "insufficient_quota"),
    Kind.PERMISSION: ("permission_error", "permission_denied"),
    Kind.NOT_FOUND: ("invalid_request_error", "not_found"),
    Kind.MODEL_NOT_FOUND: ("invalid_request_error", "model_not_found"),
    Kind.METHOD_NOT_ALLOWED: ("invalid_request_error", "method_not_allowed"),
    Kind.UPGRADE_REQUIRED: ("invalid_request_error", "upgrade_required"),
    Kind.CLIENT_TIMEOUT: ("invalid_request_error", "request_timeout"),
    Kind.TOO_LARGE: ("invalid_request_error", "request_too_large"),
    Kind.HEADER_TOO_LARGE: ("invalid_request_error", "headers_too_large"),
    Kind.RATE_LIMITED: ("rate_limit_error", "rate_limit_exceeded"),
    Kind.USAGE_EXHAUSTED: ("rate_limit_error", "usage_limit_reached"),
    Kind.INTERNAL: ("server_error", "internal_error"),
    Kind.UPSTREAM: ("server_error", "upstream_error"),
    Kind.UNREACHABLE: ("server_error", "upstream_unreachable"),
    Kind.OVERLOADED: ("server_error", "overloaded"),
    Kind.TIMEOUT: ("server_error", "timeout"),
}

FINISH_REASONS = {
    FinishReason.STOP: "stop",
    FinishReason.STOP_SEQUENCE: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.CONTENT_FILTER: "content_filter",
    FinishReason.PAUSE: "stop",
}
"""Why a turn ended, in OpenAI's words."""


def words(kind: Kind) -> tuple[str, str | None]:
    """Type and code of an error."""
    return _WORDS[kind]


_NO_EFFORT = ("none", "minimal", "off")


def effort(value: str | None, place: str, notes: list[Note]) -> Effort | None:
    """The effort that a word asks for, None for as little as there is; a word that nobody knows is left out with a note of its place."""
    if value is None or value in _NO_EFFORT:
        return None
    try:
        return Effort(value)
    except ValueError:
        notes.append(Note(NoteCode.EFFORT_DROPPED, (place,)))
        return None


def output(form: Fields | None, nested: str = "") -> OutputFormat | None:
    """The form of the answer that is asked for: ``text``, ``json_object``, or ``json_schema`` with a schema.

    Args:
        form: What the client sent, if it did.
        nested: The field in which the schema is described; empty where that is the form itself.

    Raises:
        ProxyError: `Kind.INVALID_REQUEST`, with the field that is wrong.
    """
    kind = form.required_string("type") if form else "text"
    if form is None or kind == "text":
        return None
    if kind == "json_object":
        return OutputFormat()
    if kind != "json_schema":
        raise invalid("has to be one of text, json_object, json_schema.", form.at("type"))
    described = form.object(nested) if nested else form
    if described is None:
        raise invalid("is required.", form.at(nested))
    schema = described.mapping("schema")
    if schema is None:
        raise invalid("is required.", described.at("schema"))
    return output_format(schema, described.at("schema"))


def refusal(error: ProxyError) -> bytes:
    """The JSON of an error, ``{"error": {...}}``, as a status body and inside a stream."""
    kind, code = words(error.kind)
    shown: dict[str, object] = {"message": error.message, "type": kind, "param": error.field, "code": code}
    if error.retry_after is not None:
        shown["retry_after"] = error.retry_after
    return quote({"error": shown})


def usage(spent: Usage) -> dict[str, object] | None:
    """The usage object; ``prompt_tokens`` includes cached tokens. None when nothing is known."""
    if spent.input is None or spent.output is None:
        return None
    shown: dict[str, object] = {
        "prompt_tokens": spent.input,
        "completion_tokens": spent.output,
        "total_tokens": spent.input + spent.output,
    }
    if spent.cache_read is not None:
        shown["prompt_tokens_details"] = {"cached_tokens": spent.cache_read}
    if spent.reasoning is not None:
        shown["completion_tokens_details"] = {"reasoning_tokens": spent.reasoning}
    return shown


def usage_in_stream(spent: Usage, head: bytes, *, apart: bool) -> tuple[bytes, bytes]:
    """How a stream tells the usage: what rides on its last chunk, and the chunk of its own after that one; one of them is empty.

    Args:
        spent: The tokens. On a chunk of its own ``usage`` is null when nothing is known.
        head: The JSON of what is alike in every chunk, without its closing brace.
        apart: Whether the client asked for ``stream_options.include_usage``.
    """
    shown = usage(spent)
    if apart:
        return b"", b'data: %b,"choices":[],"usage":%b}\n\n' % (head, dumps(shown))
    return (b',"usage":' + dumps(shown) if shown else b""), b""


def model(one: Model) -> bytes:
    """The JSON of one model."""
    return dumps(_shown(one))


def models(several: Sequence[Model]) -> bytes:
    """The JSON of a list of models."""
    return dumps({"object": "list", "data": [_shown(one) for one in several]})


def _shown(one: Model) -> dict[str, object]:
    shown: dict[str, object] = {"id": one.id, "object": "model", "created": one.created, "owned_by": one.owner}
    if one.name is not None:
        shown["name"] = one.name
    if one.context_length is not None:
        shown["context_length"] = one.context_length
    if one.max_output is not None:
        shown["max_output_tokens"] = one.max_output
    if one.images is not None:
        inputs = ["text", "image"] if one.images else ["text"]
        shown["architecture"] = {"input_modalities": inputs, "output_modalities": ["text"]}
    if one.efforts is not None:
        shown["reasoning"] = {"supported_efforts": list(one.efforts)}
    if one.endpoints:
        shown["supported_endpoints"] = list(one.endpoints)
    return shown
