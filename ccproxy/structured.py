"""This module is structured output: an answer that has to be one JSON document.

The upstream has no field for it. So the model is told in words, after the system text; its document is checked when the answer is
complete, and one that does not fit may be given back to the model, once, with the reason. What is not enforced of a schema,
`ccproxy.schemas` tells.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from ccproxy.fields import invalid
from ccproxy.framing import MalformedJSONError, dumps, loads
from ccproxy.prompt import Message, OutputFormat, Prompt, Role, Text

_LONGEST_COMPLAINT = 500
_BARE = "nothing before or after it, and no code fence"


def output_format(schema: Mapping[str, object], place: str) -> OutputFormat:
    """The form that a schema describes.

    Args:
        schema: A JSON Schema as the client sent it.
        place: Where in the request it stands.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the place, when documents cannot be checked with it.
    """
    from ccproxy import schemas  # loaded with the first schema: 2 MB that most daemons never need

    fault = schemas.fault(schema)
    if fault is not None:
        raise invalid(fault, place)
    return OutputFormat(schema)


def instruction(output: OutputFormat) -> str:
    """What the model is told; the same bytes for the same schema, as the upstream's prompt cache keys on them."""
    if output.schema is None:
        return f"Your final answer has to be one JSON object: {_BARE}."
    schema = dumps(output.schema).decode()
    return f"Your final answer has to be one JSON document that conforms to this JSON Schema: {_BARE}.\n{schema}"


def complaint(output: OutputFormat, document: str) -> str | None:
    """Why a document is not what was asked for, in one sentence of at most 500 characters; None when it is."""
    if not document.strip():
        return "The answer holds no JSON document."
    try:
        value = loads(document)
    except MalformedJSONError as error:
        return f"The answer is not valid JSON: {error}."[:_LONGEST_COMPLAINT]
    if output.schema is None:
        return None if isinstance(value, dict) else "The answer is valid JSON, but no JSON object."
    from ccproxy import schemas

    mismatch = schemas.mismatch(output.schema, value)
    return mismatch and f"The answer does not fit the JSON Schema: {mismatch}."


def repair(prompt: Prompt, document: str, complaint: str) -> Prompt:
    """The conversation that asks the model once more, with its document and what is wrong with it."""
    said = (Message(Role.ASSISTANT, (Text(document),)),) if document.strip() else ()
    request = f"{complaint} Answer with the corrected JSON document only: {_BARE}."
    return evolve(
        prompt,
        messages=(*prompt.messages, *said, Message(Role.USER, (Text(request),))),
    )
