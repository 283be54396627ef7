"""This module is the reading of values that several dialects have."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ccproxy.fields import Fields, invalid
from ccproxy.framing import dumps
from ccproxy.prompt import Image

_LONGEST_MODEL_ID = 256
_LONGEST_SEQUENCE = 1000
_MOST_SEQUENCES = 64
_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)(?:;[\w.+-]+=[^;,]*)*;base64,", re.ASCII | re.IGNORECASE)


def model_of(body: Fields) -> str:
    """The model that a request body names."""
    model = body.required_string("model")
    if len(model) > _LONGEST_MODEL_ID:
        raise invalid(f"has to be at most {_LONGEST_MODEL_ID} characters long.", body.at("model"))
    return model


def stop_of(sequences: Sequence[str], place: str) -> tuple[str, ...]:
    """Stop sequences without those that are empty.

    Raises:
        ProxyError: There are so many, or one is so long, that looking for them would be felt.
    """
    if len(sequences) > _MOST_SEQUENCES or any(len(sequence) > _LONGEST_SEQUENCE for sequence in sequences):
        raise invalid(
            f"has to be at most {_MOST_SEQUENCES} sequences of at most {_LONGEST_SEQUENCE} characters.", place
        )
    return tuple(sequence for sequence in sequences if sequence)


def arguments_of(value: object) -> str:
    """A call's arguments in a history as JSON text: some clients keep a string, some the object."""
    if value is None:
        return ""
    return value if isinstance(value, str) else dumps(value).decode()


def image_from_data_url(url: str, place: str) -> Image:
    """Read an inline image.

    Raises:
        ProxyError: It is the address of a remote image, which is never fetched, or does not say that it is base64.
    """
    head = _DATA_URL.match(url)
    if head is None:
        raise invalid(
            "has to be a data URL (data:image/png;base64,...). Remote images are not fetched, and the upstream ignores them.",
            place,
        )
    return Image(head["type"].lower(), url[head.end() :])
