"""This module is the reading of content parts: of messages, and of what tools gave out."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator

from ccproxy import values
from ccproxy.errors import ProxyError
from ccproxy.fields import Fields, invalid
from ccproxy.prompt import Image, Text

_TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")
_IMAGES = ("input_image", "image_url")
_INLINE = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
_PDF = b"%PDF-"


def content(holder: Fields, name: str) -> Iterator[Text | Image]:
    """A string or an array of parts; nothing when it is absent.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the place of what cannot be sent to the upstream.
    """
    if (text := holder.text(name)) is not None:
        yield text
        return
    for part in holder.objects(name):
        yield _part(part)


def output(item: Fields) -> tuple[Text | Image, ...]:
    """What a tool gave out: text, an array of parts, or any other JSON, which is given on as its text.

    Raises:
        ProxyError: `ccproxy.errors.Kind.INVALID_REQUEST`, with the place of what cannot be sent to the upstream.
    """
    if (text := item.text("output")) is not None:
        return (text,)
    if item.elements("output") is not None:
        return tuple(content(item, "output"))
    return (Text(values.arguments_of(item.value("output"))),)


def _part(part: Fields) -> Text | Image:
    kind = part.required_string("type")
    if kind in _TEXTS:
        return part.required_text("text")
    if kind == "refusal":
        return part.required_text("refusal")
    if kind in _IMAGES:
        return _image(part)
    if kind == "input_file":
        return _file(part)
    raise invalid(
        f"Parts of type {kind[:40]!r} cannot be sent to the upstream; text, images and text files can.", part.at("type")
    )


def _image(part: Fields) -> Image:
    if part.has("file_id") and not part.has("image_url"):
        raise invalid("Files are not kept here; send the image itself, as a data URL in image_url.", part.at("file_id"))
    place = part.at("image_url")
    if isinstance(url := part.value("image_url"), dict):
        url = Fields(url, place).required_string("url")
    elif not part.string("image_url"):
        raise invalid("is required.", place)
    try:
        return values.image_from_data_url(url, place)
    except ProxyError as error:
        # Codex takes the picture out of its history when it sees this code with a place that ends in image_url.
        details = {"code": "invalid_value"}
        raise ProxyError(error.kind, error.message, field=error.field, details=details) from None


def _file(part: Fields) -> Text:
    """A text file as text, under its name."""
    if not part.has("file_data"):
        for name in ("file_id", "file_url"):
            if part.has(name):
                raise invalid("Files are neither kept nor fetched here; send the text itself.", part.at(name))
    data = _bytes(part.required_string("file_data"), part.at("file_data"))
    if data.startswith(_PDF):
        raise invalid("A PDF document cannot be sent to the upstream; send its text.", part.at("file_data"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise invalid("Only text files, in UTF-8, can be sent to the upstream.", part.at("file_data"))
    title = part.string("filename") or part.string("file_name")  # n8n writes the second
    return Text(f"{title}\n\n{text}" if title else text)


def _bytes(data: str, place: str) -> bytes:
    head = _INLINE.match(data)
    base64 = "".join(data[head.end() if head else 0 :].split())
    try:
        return b64decode(base64 + "=" * (-len(base64) % 4), validate=True)
    except ValueError:
        raise invalid("has to be base64, or a data URL with base64.", place) from None
