"""This module is the rule that every tool call is answered once, right after it.

The real service checks this after it has accepted the request, so the complaint is an error event inside the stream.
"""

from collections.abc import Iterable

from ccproxy.simulator.asked import Message, ToolCall, ToolResult


def complaint(messages: Iterable[Message]) -> str | None:
    """Say what is wrong with the calls and results of a conversation, in the real service's words."""
    pending: list[str] = []
    seen: set[str] = set()
    for message in messages:
        if pending and message.role != "tool":
            break
        for part in message.content:
            match part:
                case ToolCall(tool_call_id=call):
                    if call in seen:
                        return f"Duplicate tool call id {call}."
                    seen.add(call)
                    pending.append(call)
                case ToolResult(tool_call_id=call):
                    if call not in pending:
                        return _unexpected(call, known=call in seen)
                    pending.remove(call)
                case _:
                    pass
    return _missing(pending)


def _unexpected(call: str, *, known: bool) -> str:
    if known:
        return f"Duplicate tool result for tool call {call}."
    return "Messages with role 'tool' must be a response to a preceding message with 'tool_calls'"


def _missing(calls: list[str]) -> str | None:
    match calls:
        case []:
            return None
        case [call]:
            return f"Tool result is missing for tool call {call}."
        case _:
            return f"Tool results are missing for tool calls {', '.join(calls)}."
