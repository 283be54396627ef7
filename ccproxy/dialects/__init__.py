"""This module is the registry of dialects, in the order in which a request that fits several is answered."""

from __future__ import annotations

from ccproxy.codecs import Dialect
from ccproxy.dialects.anthropic_messages.dialect import AnthropicMessages
from ccproxy.dialects.openai_chat.dialect import OpenAIChat
from ccproxy.dialects.openai_completions.dialect import OpenAICompletions
from ccproxy.dialects.openai_responses.dialect import OpenAIResponses, ResponsesCompact

DIALECTS: tuple[Dialect, ...] = (
    OpenAIChat(),
    AnthropicMessages(),
    OpenAICompletions(),
    OpenAIResponses(),
    ResponsesCompact(),
)
