"""This module is the reading of the configuration: defaults < file < environment < options.

Error messages end up in logs and in bug reports, so they never echo a value that may be a secret.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from attrs import frozen

from ccproxy.config import PREFIX, Config, Setting, settings

_FILE_NAME = "config.json"
_SHOWN_LENGTH = 60
_SECRET = re.compile(r"user_|sk-|bearer|://.*@|(?=[a-z_-]*[0-9])[a-z0-9_-]{32,}", re.IGNORECASE)
_SEARCHED_LENGTH = 1000
_HIDDEN = "a value that may be secret"


class ConfigError(Exception):
    """The configuration cannot be used; the text is one line that names the source and the field."""


@frozen
class Loaded:
    """What `load` made: the configuration, the file that was read (if any), and lines worth logging."""

    config: Config
    source: str | None
    warnings: tuple[str, ...]


def load(
    *, path: str | None, environ: Mapping[str, str], options: Mapping[str, object], directory: str = "."
) -> Loaded:
    """Make the configuration.

    Args:
        path: The file to read; None means ``config.json`` in ``directory``, if there is one.
        environ: The environment.
        options: Attribute names and their values, as command-line text or already parsed; None stands for
            "not given", and names that are no setting are ignored.
        directory: Where to look for the file.

    Raises:
        ConfigError: A source cannot be read, or a value in it cannot be used.
    """
    usual = os.path.normpath(os.path.join(directory, _FILE_NAME))
    source = usual if path is None and os.path.lexists(usual) else path
    values = {**(_from_file(source) if source is not None else {}), **_from_environment(environ)}
    given = _from_options(options)
    if given.keys() & {"port", "host"}:
        values["listen"] = ()  # --port and --host are short for --listen, so they replace weaker endpoints
    make: Callable[..., Config] = Config
    return Loaded(make(**{**values, **given}), source, tuple(_environment_warnings(environ)))


def _from_file(source: str) -> dict[str, object]:
    name = _one_line(source)
    known = {setting.key: setting for setting in settings()}
    values = {}
    for key, value in _document(source, name).items():
        place = f"{name}: field {_shown(key)}"
        if key not in known:
            raise ConfigError(f'{place}: unknown, the nearest known one is "{_nearest(key, known)}"')
        values[known[key].attribute] = _checked(known[key], value, place)
    return values


def _document(source: str, name: str) -> dict[str, object]:
    try:
        with open(source, encoding="utf-8-sig") as file:
            document = json.loads(file.read(), object_pairs_hook=partial(_object, name))
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{name}: line {error.lineno}, column {error.colno}: {_one_line(error.msg)}") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{name}: not a usable JSON file in UTF-8") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{name}: expected a JSON object, got {_shown(document)}")
    return document


def _object(name: str, pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for key, value in pairs:
        if key in members:
            raise ConfigError(f"{name}: field {_shown(key)}: given twice")
        members[key] = value
    return members


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    values = {}
    for setting in settings():
        usable = (name for name in setting.environment if environ.get(name) and not _is_link(environ[name]))
        name = next(usable, None)
        if name is not None:
            values[setting.attribute] = _parsed(setting, environ[name], f"environment variable {name}")
    return values


def _environment_warnings(environ: Mapping[str, str]) -> Iterable[str]:
    known = {name: setting for setting in settings() for name in setting.environment}
    for name in sorted(environ):
        if name in known and _is_link(environ[name]):
            yield f"environment variable {name}: ignored, a container platform's link to a service"
        elif name.startswith(PREFIX) and name not in known:
            yield f"environment variable {_shown(name)}: ignored, the nearest known one is {_nearest(name, known)}"


def _is_link(text: str) -> bool:
    # Kubernetes sets CCPROXY_PORT=tcp://10.0.0.1:3000 in every pod beside a service that is named ccproxy.
    return text.startswith(("tcp://", "udp://", "sctp://"))


def _from_options(options: Mapping[str, object]) -> dict[str, object]:
    values = {}
    for setting in settings():
        value, place = options.get(setting.attribute), f"option {setting.option}"
        if isinstance(value, str):
            values[setting.attribute] = _parsed(setting, value, place)
        elif value is not None:
            values[setting.attribute] = _checked(setting, value, place)
    return values


def _checked(setting: Setting, value: object, place: str) -> object:
    try:
        return setting.shape.check(value)
    except ValueError:
        raise ConfigError(f"{place}: expected {setting.shape.expected}, got {_given(setting, value)}") from None


def _parsed(setting: Setting, text: str, place: str) -> object:
    try:
        return setting.shape.check(setting.shape.read(text))
    except ValueError:
        raise ConfigError(f"{place}: expected {setting.shape.expected}, got {_given(setting, text)}") from None


def _nearest(name: str, known: Iterable[str]) -> str:
    by_lower_case = {candidate.lower(): candidate for candidate in known}
    return by_lower_case[difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0)[0]]


def _given(setting: Setting, value: object) -> str:
    return _HIDDEN if setting.shape.secret else _shown(value)


def _shown(value: object) -> str:
    """Say a value in an error message: short, on one line, and nothing that may be a secret."""
    if isinstance(value, tuple) and all(isinstance(item, str) for item in value):
        value = " ".join(value)
    if not isinstance(value, (str, int, float, type(None))):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=False)
    if _SECRET.search(text, 0, _SEARCHED_LENGTH):
        return _HIDDEN
    return _one_line(text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "…")


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
