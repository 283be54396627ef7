"""This module is the output items of a turn: what each block of it becomes, when it begins and when it is whole.

Shapes: https://platform.openai.com/docs/api-reference/responses/object, ``output``. An item has the same id whenever it is shown. What is
unknown of reasoning is left out: some schemas refuse a null there.
"""

from __future__ import annotations

from attrs import frozen

from ccproxy.blocks import Block, BlockStarted
from ccproxy.codecs import Turn
from ccproxy.dialects.openai_responses.asked import Asked, CallForm, CallKind
from ccproxy.dialects.openai_responses.custom_input import custom_input
from ccproxy.envelopes import Content, Envelopes
from ccproxy.framing import dumps, loads
from ccproxy.prompt import View

_PREFIXES = {CallKind.FUNCTION: "fc", CallKind.CUSTOM: "ctc", CallKind.LOCAL_SHELL: "lsh"}
_NO_REQUEST = Asked(stored=False)


def asked_of(turn: Turn) -> Asked:
    """What the request of a turn asked of the form of its answer."""
    return kept_of(turn.view)


def kept_of(view: View) -> Asked:
    """What was asked of the form of an answer; a body of another dialect asked nothing, and is not kept."""
    return view.kept if isinstance(view.kept, Asked) else _NO_REQUEST


@frozen
class Item:
    """One item that has begun."""

    index: int
    id: str
    block: Block
    form: CallForm = CallForm("")
    call_id: str = ""


class Items:
    """Makes the items of one turn."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._asked = asked_of(turn)
        self._envelopes = Envelopes(turn.sealing_key) if self._asked.sealed else None

    def start(self, started: BlockStarted) -> Item:
        """The item that a block becomes."""
        index, block = started.index, started.block
        if block is not Block.TOOL:
            return Item(index, item_id("rs" if block is Block.THINKING else "msg", self._turn, index), block)
        form = self._asked.forms.get(started.name) or CallForm(started.name)
        return Item(index, item_id(_PREFIXES[form.kind], self._turn, index), block, form, started.call_id)

    def begun(self, item: Item) -> dict[str, object]:
        """The item before anything of it was said."""
        match item.block:
            case Block.THINKING:
                return {"type": "reasoning", "id": item.id, "summary": []}
            case Block.TEXT:
                return _message(item, "in_progress")
            case Block.TOOL:
                return _call(item, "in_progress", "")

    def whole(self, item: Item, text: str, *, cut: bool = False) -> dict[str, object]:
        """The item when all is said.

        Args:
            item: The item.
            text: All of its block: for a call the JSON text of its arguments.
            cut: Whether the turn came to its end before the message did.
        """
        match item.block:
            case Block.THINKING:
                return self._reasoning(item, text)
            case Block.TEXT:
                return _message(item, "incomplete" if cut else "completed", text_part(text))
            case Block.TOOL:
                return _call(item, "completed", text)

    def _reasoning(self, item: Item, text: str) -> dict[str, object]:
        shown: dict[str, object] = {"type": "reasoning", "id": item.id, "summary": []}
        if self._asked.summary:
            shown["summary"] = [{"type": "summary_text", "text": text}]
        else:
            shown["content"] = [{"type": "reasoning_text", "text": text}]
        sealed = self._envelopes and self._envelopes.sealed(text, Content.REASONING)
        if sealed is not None:
            shown["encrypted_content"] = sealed
        return shown


def item_id(prefix: str, turn: Turn, index: int) -> str:
    """The id of one item; turns have ids of one length, so that no two items share one."""
    return f"{prefix}_{turn.id}{index:02x}"


def text_part(text: str) -> dict[str, object]:
    """The one part of a message."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _message(item: Item, status: str, *parts: dict[str, object]) -> dict[str, object]:
    return {"type": "message", "id": item.id, "status": status, "role": "assistant", "content": list(parts)}


def _call(item: Item, status: str, arguments: str) -> dict[str, object]:
    form = item.form
    shown: dict[str, object] = {"type": form.kind.value, "id": item.id, "call_id": item.call_id, "status": status}
    if form.kind is CallKind.LOCAL_SHELL:
        return {**shown, "action": _action(arguments)}
    shown["name"] = form.name
    if form.namespace is not None:
        shown["namespace"] = form.namespace
    if form.kind is CallKind.CUSTOM:
        return {**shown, "input": custom_input(arguments) if arguments else ""}
    return {**shown, "arguments": arguments}


def _action(arguments: str) -> dict[str, object]:
    """What a local shell is to do; every field is there and of its type, for clients that demand it."""
    asked = loads(arguments) if arguments else {}
    return {
        "type": "exec",
        "command": _command(asked.get("command")),
        "timeout_ms": _of_type(asked.get("timeout_ms"), int),
        "working_directory": _of_type(asked.get("working_directory"), str),
        "env": _environment(asked.get("env")),
        "user": _of_type(asked.get("user"), str),
    }


def _command(command: object) -> list[str]:
    """The program and its arguments; a line of text is one for a shell."""
    if isinstance(command, str):
        return ["bash", "-lc", command]
    return (
        [word if isinstance(word, str) else dumps(word).decode() for word in command]
        if isinstance(command, list)
        else []
    )


def _environment(variables: object) -> dict[str, str]:
    given = variables if isinstance(variables, dict) else {}
    return {name: value for name, value in given.items() if isinstance(value, str)}


def _of_type(value: object, kind: type) -> object:
    return value if isinstance(value, kind) and not isinstance(value, bool) else None
