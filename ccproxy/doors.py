"""This module is the reading of a body that came to a dialect's path, in whatever dialect it is written.

Clients know a path and not always its language: Cursor posts bodies of Messages to Chat Completions when the model's name looks like
Claude's. The dialect of the path, here its door, always answers; it also reads, unless the body is plainly another one's.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from ccproxy.codecs import Dialect
from ccproxy.fields import Fields
from ccproxy.prompt import Note, NoteCode, Prompt


def read(body: Fields, door: Dialect, dialects: Sequence[Dialect]) -> Prompt:
    """Read a request body as what it is, for an answer in the dialect of its path.

    Args:
        body: The body.
        door: The dialect of the path.
        dialects: All that the body may be written in, in the order in which they are asked.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the field that is wrong.
    """
    reader = _reader(body, door, dialects)
    if reader is door:
        return door.parse(body)
    # First the view: what the door understands of a body is not unknown, although the reader does not know it.
    view = door.view(body)
    prompt = reader.parse(body)
    return evolve(prompt, view=view, notes=(Note(NoteCode.FOREIGN_FORM), *prompt.notes))


def _reader(body: Fields, door: Dialect, dialects: Sequence[Dialect]) -> Dialect:
    if door.recognises(body):
        return door
    return next((dialect for dialect in dialects if dialect is not door and dialect.recognises(body)), door)
