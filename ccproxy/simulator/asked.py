"""This module is what a valid request asks, as values; read after ``validation`` has passed it."""

import re
from typing import Final, TypeAlias

import msgspec

INJECTED_TOKENS: Final = 7500
"""The size of the prompt of its own that the real service adds to a request without system text."""

_IMAGE_TOKENS: Final = 1000
_DATA_URL: Final = re.compile(r"data:([^;]+);base64,(.*?)(=*)", re.DOTALL)


class Text(msgspec.Struct, frozen=True, tag="text"):
    """Words of the user or of the model."""

    text: str


class Reasoning(msgspec.Struct, frozen=True, tag="reasoning"):
    """What the model thought in an earlier turn."""

    text: str


class Image(msgspec.Struct, frozen=True, tag="image"):
    """A picture inside a data URL."""

    image: str

    def describe(self) -> str:
        """Its media type and its size, as in ``image/png 68 bytes``."""
        found = _DATA_URL.fullmatch(self.image)
        mime, payload = (found[1], found[2]) if found else ("unknown", "")
        return f"{mime} {len(payload) * 3 // 4} bytes"


class ToolCall(msgspec.Struct, frozen=True, tag="tool-call", rename="camel"):
    """A call that the model made in an earlier turn."""

    tool_call_id: str
    tool_name: str
    input: dict[str, object]


class Output(msgspec.Struct, frozen=True):
    """What a tool said; ``type`` is ``text`` or ``error-text``."""

    type: str
    value: str


class ToolResult(msgspec.Struct, frozen=True, tag="tool-result", rename="camel"):
    """The answer to a tool call."""

    tool_call_id: str
    tool_name: str
    output: Output


Part: TypeAlias = Text | Reasoning | Image | ToolCall | ToolResult


class Message(msgspec.Struct, frozen=True):
    """One message; ``role`` is ``user``, ``assistant`` or ``tool``."""

    role: str
    content: tuple[Part, ...]


class Tool(msgspec.Struct, frozen=True):
    """A tool that the model may call."""

    name: str
    input_schema: dict[str, object]
    description: str = ""


class ToolChoice(msgspec.Struct, frozen=True):
    """How free the model is to call; ``name`` is set when ``type`` is ``tool``."""

    type: str
    name: str = ""


class Asked(msgspec.Struct, frozen=True):
    """The ``params`` of a request, as far as an answer depends on them."""

    model: str
    messages: tuple[Message, ...]
    system: str | tuple[Text, ...] = ""
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    max_tokens: int = 64000

    @property
    def system_text(self) -> str:
        """All the system text, as one string."""
        return self.system if isinstance(self.system, str) else "".join(block.text for block in self.system)

    @property
    def last_turn(self) -> tuple[Part, ...]:
        """Every part after the last assistant message: what the model has to answer."""
        parts: list[Part] = []
        for message in self.messages:
            parts = [] if message.role == "assistant" else [*parts, *message.content]
        return tuple(parts)

    @property
    def input_tokens(self) -> int:
        """A count that grows with the request: a token for four characters, a flat amount for an image."""
        parts = [part for message in self.messages for part in message.content]
        characters = len(self.system_text) + sum(map(_characters, parts))
        characters += sum(len(tool.name) + len(tool.description) + len(str(tool.input_schema)) for tool in self.tools)
        images = sum(isinstance(part, Image) for part in parts)
        injected = 0 if self.system_text else INJECTED_TOKENS
        return tokens(characters) + images * _IMAGE_TOKENS + injected


def tokens(characters: int) -> int:
    """Tokens in a text of that length, never less than one."""
    return max(1, (characters + 3) // 4)


def _characters(part: Part) -> int:
    match part:
        case Text(text=text) | Reasoning(text=text):
            return len(text)
        case ToolCall(tool_name=name, input=arguments):
            return len(name) + len(str(arguments))
        case ToolResult(output=output):
            return len(output.value)
        case Image():
            return 0


def asked(body: object) -> Asked:
    """Read the ``params`` of a body that ``validation`` has passed."""
    return msgspec.convert(body, _Body).params


class _Body(msgspec.Struct, frozen=True):
    params: Asked
