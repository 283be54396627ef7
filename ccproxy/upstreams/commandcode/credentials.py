"""This module is the finding of the caller's Command Code key in request headers.

Users paste keys with whatever surrounds them: quotes, spaces, a label before, a path after. A key is the part that begins with
``user_``. Keys of other services are refused here, before they could travel anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ccproxy.errors import Kind, ProxyError
from ccproxy.keys import Key

_HEADERS = ("authorization", "x-api-key")
_KEY = re.compile(r"user_[a-zA-Z0-9_-]+")
_NEEDED = "a Command Code key, which begins with user_ and is made at https://commandcode.ai/settings/keys"


def find_key(headers: Mapping[str, str]) -> Key:
    """Find the key: in the first of ``Authorization`` and ``x-api-key`` that holds one.

    Args:
        headers: Request headers with lower-case names.

    Raises:
        ProxyError: `Kind.AUTHENTICATION`. What was sent is not repeated, as it may be the key of another service.
    """
    values = [headers.get(name, "") for name in _HEADERS]
    for value in values:
        if found := _KEY.search(value):
            return Key(found[0])
    if all(value.strip(" \t\"'").lower() in ("", "bearer") for value in values):
        message = f"No API key. Send {_NEEDED}, as Authorization: Bearer user_... or as x-api-key."
    else:
        message = f"The API key is of the wrong kind. What is needed is {_NEEDED}."
    raise ProxyError(Kind.AUTHENTICATION, message)
