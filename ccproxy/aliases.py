"""This module is which model serves the name that a client asked for.

The operator's aliases come first, exact names before patterns; then the known ids, whatever their case, dots or date suffix. A name that
fits nothing goes up as it is: the list may be old, and the upstream decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

_DATE_SUFFIX = re.compile(r"-(?:20\d{6}|20\d\d-\d\d-\d\d)$", re.ASCII)


def resolve(wanted: str, aliases: Sequence[tuple[str, str]], known: Sequence[str]) -> str:
    """The id of the model that serves ``wanted``.

    Args:
        wanted: The name that the client asked for.
        aliases: Names or patterns (``claude-haiku-*``), and the model for each; of several patterns the first counts.
        known: The ids of the upstream's list.
    """
    name = wanted.lower()
    exact = (model for alias, model in aliases if alias.lower() == name)
    pattern = (model for alias, model in aliases if fnmatchcase(name, alias.lower()))
    target = next(exact, None) or next(pattern, None) or wanted
    return target if target in known else _by_plain_name(tuple(known)).get(_plain(target), target)


@lru_cache(2)  # the list is the same for many requests
def _by_plain_name(known: tuple[str, ...]) -> Mapping[str, str]:
    """The models by their plain names; of several the first."""
    return {_plain(model): model for model in reversed(known)}


def _plain(model: str) -> str:
    return _DATE_SUFFIX.sub("", model.lower()).replace(".", "-")
