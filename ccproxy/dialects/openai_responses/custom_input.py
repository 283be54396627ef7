"""This module is the text that a custom tool is called with, read out of the JSON that the model writes.

Upstream a custom tool is a function with one string, ``{"input": "..."}``; its client wants the string alone, while it grows
(https://platform.openai.com/docs/api-reference/responses-streaming/response/custom_tool_call_input). What is not of this form is shown at
its end: the one text among the arguments, or else their JSON.
"""

from __future__ import annotations

import re

from ccproxy.framing import SurrogateJoiner, loads

_LONGEST_BEGINNING = 64  # characters in which the text has to begin; whatever begins later is shown at its end
_BEGINNING = re.compile(r'[ \t\r\n]*\{[ \t\r\n]*"input"[ \t\r\n]*:[ \t\r\n]*"')
_WHOLE_CHARACTERS = re.compile(r'(?:[^"\\\x00-\x1f]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
_CUT_CHARACTER = re.compile(r"(?:\\(?:u[0-9a-fA-F]{0,3})?)?")


class InputReader:
    """Reads the arguments of one call, cut anywhere; all that it gives, joined, is what `custom_input` gives."""

    def __init__(self) -> None:
        self._held = ""
        self._begun = False
        self._over = False
        self._joiner = SurrogateJoiner()

    def feed(self, fragment: str) -> str:
        """Take the next fragment and give the next piece of the text, perhaps an empty one."""
        if self._over:
            return ""
        held = self._held + fragment
        start = 0
        if not self._begun:
            beginning = _BEGINNING.match(held, 0, _LONGEST_BEGINNING)
            if beginning is None:
                self._over = len(held) >= _LONGEST_BEGINNING
                self._held = held
                return ""
            self._begun, start = True, beginning.end()
        return self._read(held, start)

    def end(self, arguments: str) -> str:
        """Give what is left, now that all arguments are known."""
        return "" if self._begun else _only_text(arguments)

    def _read(self, held: str, start: int) -> str:
        characters = _WHOLE_CHARACTERS.match(held, start)
        end = characters.end() if characters else start
        # What is no character of JSON ends the text as a quote does: the call is broken then, and fails as any other.
        self._over = _CUT_CHARACTER.fullmatch(held, end) is None
        self._held = "" if self._over else held[end:]
        text: str = loads(f'"{held[start:end]}"')
        piece = self._joiner.join(text)
        return piece + self._joiner.end() if self._over else piece


def custom_input(arguments: str) -> str:
    """The text of a call whose arguments are all there."""
    reader = InputReader()
    return reader.feed(arguments) + reader.end(arguments)


def _only_text(arguments: str) -> str:
    values = loads(arguments)
    if isinstance(values, dict):
        if isinstance(text := values.get("input"), str):
            return text
        texts = [value for value in values.values() if isinstance(value, str)]
        if len(texts) == 1:
            return texts[0]
    return arguments
