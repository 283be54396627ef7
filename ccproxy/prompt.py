"""This module is the vocabulary of a request: what was asked, free of any client's or upstream's spelling but that of texts.

A dialect parses a body into a `Prompt`, the conversation as the client sent it; on its way up names are resolved in it and signatures taken
off; an upstream repairs the rest and turns it into its own request. No text of a conversation is in any ``repr``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TypeAlias

from attrs import field, frozen

from ccproxy import verbatim
from ccproxy.errors import Kind
from ccproxy.verbatim import Verbatim


class Role(Enum):
    """Who speaks in a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Effort(Enum):
    """How hard the model should think, in rising order."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


@frozen
class Text:
    """Visible text, perhaps in the JSON in which it came; such a one is decoded whenever ``text`` is asked for.

    ``sealed`` is what stands for a text that its client cannot read, such as the sum of an earlier conversation, not opened yet.
    """

    __match_args__ = ("text", "sealed")

    source: str | Verbatim = field(repr=False, eq=verbatim.text)
    """The text, or the JSON string that it came as; `ccproxy.framing.dumps` writes both alike."""
    sealed: str | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """The text."""
        return verbatim.text(self.source)

    @property
    def is_blank(self) -> bool:
        """Whether it has nothing but white space in it."""
        return verbatim.is_blank(self.source)


@frozen
class Image:
    """A picture, inline: ``data`` is base64 text, ``media_type`` such as ``image/png``."""

    media_type: str
    data: str = field(repr=False)


@frozen
class Reasoning:
    """Reasoning of an earlier turn, given back by the client.

    ``signature`` is what a dialect that signs reasoning gave back with it, not checked yet; None where there is nothing to check.
    """

    text: str = field(repr=False)
    signature: str | None = field(default=None, repr=False)


@frozen
class ToolCall:
    """A call that the model made in an earlier turn; ``arguments`` is JSON text as the client holds it, perhaps broken."""

    call_id: str
    name: str
    arguments: str = field(repr=False)


@frozen
class ToolResult:
    """What the client's tool answered to the call ``call_id``."""

    call_id: str
    content: tuple[Text | Image, ...]
    is_error: bool = False


Part: TypeAlias = Text | Image | Reasoning | ToolCall | ToolResult


@frozen
class Message:
    """One message of the conversation."""

    role: Role
    parts: tuple[Part, ...]


@frozen
class Tool:
    """A tool that the client offers; ``schema`` is the JSON Schema of its arguments, passed through untouched."""

    name: str
    description: str | None
    schema: Mapping[str, object] = field(repr=False)


class Choice(Enum):
    """How free the model is to call tools."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"
    NAMED = "named"


@frozen
class ToolChoice:
    """The client's rule for tool calls; ``name`` is set when the choice is `Choice.NAMED`."""

    choice: Choice
    name: str = ""


@frozen
class OutputFormat:
    """The answer has to be one JSON document; ``schema`` is its JSON Schema, None for any JSON object."""

    schema: Mapping[str, object] | None = field(default=None, repr=False)


class NoteCode(Enum):
    """What we did to a request that its sender may want to know: a fixed vocabulary."""

    IGNORED = "ignored-fields"
    SERVER_TOOL_DROPPED = "server-tool-dropped"
    TOOL_CHOICE_DROPPED = "tool-choice-dropped"
    TOOL_RENAMED = "tool-renamed"
    MAX_TOKENS_CLAMPED = "max-tokens-clamped"
    EFFORT_DROPPED = "effort-dropped"
    EFFORT_CLAMPED = "effort-clamped"
    SAMPLING_DROPPED = "sampling-dropped"
    RESULT_MISSING = "tool-result-missing"
    RESULT_ORPHANED = "tool-result-orphaned"
    RESULT_DUPLICATE = "tool-result-duplicate"
    CALL_DUPLICATE = "tool-call-duplicate"
    ARGUMENTS_REPAIRED = "tool-arguments-repaired"
    EMPTY_DROPPED = "empty-message-dropped"
    IMAGE_MOVED = "tool-image-moved"
    REASONING_DROPPED = "reasoning-dropped"
    BILLING_HEADER_DROPPED = "billing-header-dropped"
    SYSTEM_TAGGED = "system-message-tagged"
    MODEL_ALIASED = "model-aliased"
    DOCUMENT_REPAIRED = "document-repaired"
    ITEM_DROPPED = "item-dropped"
    FOREIGN_FORM = "foreign-form"


@frozen
class Note:
    """One thing that was ignored, clamped, renamed or repaired.

    ``subjects`` are the request's fields that it happened to; they are the client's text and leave only in a reply to that client.
    """

    code: NoteCode
    subjects: tuple[str, ...] = field(default=(), repr=False)


@frozen
class View:
    """What the client asked to see of the answer."""

    usage_apart: bool = False
    """Usage comes in a chunk of its own at the end (``stream_options.include_usage``)."""
    reasoning: bool = True
    """Reasoning is shown rather than only keeping the stream alive."""
    styled: bool = False
    """Reasoning is shown in the way that the operator chose, for want of one way in the dialect."""
    reasoning_omitted: bool = False
    """Of reasoning that is shown only the signature is, from which it can be restored (``thinking.display: omitted``)."""
    in_band: frozenset[Kind] = frozenset()
    """What the client acts on only inside a stream, and so is told there, even where nothing was sent before it."""
    whole: bool = False
    """An answer that was cut, or says nothing, is no answer."""
    detached: bool = False
    """The answer is made, and kept, whether or not somebody waits for it."""
    kept: object = field(default=None, repr=False)
    """What a dialect keeps from the reading of a request to the writing of its answer; nobody else looks into it."""


@frozen
class Prompt:
    """One request for one turn, as asked.

    ``max_tokens`` counts tokens; ``stop`` are the texts that end the answer; None in any field means that the client left it open.
    ``place`` is what the client calls its conversation, for errors and notes.
    """

    model: str
    messages: tuple[Message, ...]
    stream: bool = False
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = field(default=(), repr=False)
    effort: Effort | None = None
    output: OutputFormat | None = None
    view: View = View()
    notes: tuple[Note, ...] = ()
    place: str = "messages"
