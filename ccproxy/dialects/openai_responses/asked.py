"""This module is what the answer to a Responses request has to know of the request.

The response object repeats the fields of its request (https://platform.openai.com/docs/api-reference/responses/object), a call is shown
in the form in which its tool was offered, and what is kept for later requests begins with the input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from attrs import field, frozen


class CallKind(Enum):
    """How the call of a tool is shown; the value is the type of its item."""

    FUNCTION = "function_call"
    CUSTOM = "custom_tool_call"
    LOCAL_SHELL = "local_shell_call"


@frozen
class CallForm:
    """How a tool's calls are shown to the client: by which name, of which namespace, in which form."""

    name: str
    kind: CallKind = CallKind.FUNCTION
    namespace: str | None = None


@frozen
class Asked:
    """What a request asked of the form of its answer.

    Attributes:
        echo: The fields of the response object that repeat the request, as JSON, each with its default where the request had none.
        forms: How calls are shown, by the name under which the tool went up; a tool that is not here is a plain function.
        summary: Reasoning is shown as a summary, for the request asked for one; else as the reasoning that it is.
        sealed: Reasoning is given in sealed form too (``include: ["reasoning.encrypted_content"]``).
        stored: The answer is kept, for ``previous_response_id`` and references.
        background: The answer is made whether or not somebody waits for it.
        compaction: The answer is a compaction item (``compaction_trigger``).
        items: The whole input as items, what it referred to included.
    """

    echo: Mapping[str, object] = field(factory=dict, repr=False)
    forms: Mapping[str, CallForm] = field(factory=dict, repr=False)
    summary: bool = False
    sealed: bool = False
    stored: bool = True
    background: bool = False
    compaction: bool = False
    items: Sequence[Mapping[str, object]] = field(default=(), repr=False)
