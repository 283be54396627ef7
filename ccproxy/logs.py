"""This module is the log observers: what a log line looks like, what it must never hold, and where it goes.

Two formats. *Text* is one line per event, with a failure's traceback indented below it. *JSON* is one object per
line, with the event's own plain fields beside its message. In both, credentials are replaced before anything is
written, and nothing that a stranger puts into a field can start a line of its own.

`text_observer` and `json_observer` may be named on a command line: ``twistd --logger=ccproxy.logs.json_observer``.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from functools import lru_cache
from io import FileIO
from typing import TextIO

from attrs import define, field
from twisted.logger import ILogObserver, LogEvent, formatEvent
from twisted.python.failure import Failure
from twisted.python.log import textFromEventDict
from twisted.python.reflect import safe_str
from zope.interface import implementer

SUMMARY = "{log_summary}"
"""The format of an event whose text is one field: what is logged often is put together by who logs it, at a tenth of the cost."""

_LEVELS = {"debug": 0, "info": 1, "warn": 2, "warning": 2, "error": 3, "critical": 4}

# A short sk- key counts only at the start of a word: "disk-full" is none.
_CREDENTIAL = re.compile(
    r"(?P<user>user_[A-Za-z0-9_-]+)"
    r"|(?P<bearer>(?i:bearer)\s+\S+)"
    r"|(?P<sk>(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]+|sk-[A-Za-z0-9_-]{16,})"
)
_MASKS = {"user": "user_***", "bearer": "Bearer ***", "sk": "sk-***"}
# Control characters, line and paragraph separators, marks that turn the direction of text, lone surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# What `twisted.python.log` puts into each of its events.
_LEGACY_FIELDS = frozenset({"isError", "system", "format", "why"})
# The types of fields that JSON shows as they are.
_PLAIN = (str, int, float, bool, type(None))


def observer(*, log_format: str, level: str, path: str, stream: TextIO | None) -> Observer:
    """Make the observer that the service installs.

    Args:
        log_format: ``text`` or ``json``.
        level: The least level that is logged: debug, info, warn, error or critical.
        path: A file to append to, created readable for its owner only; empty for none.
        stream: The console, which is written to whether there is a file or not; None if there is none.

    Raises:
        ValueError: There is no such level or format.
        OSError: The file cannot be opened.
    """
    if log_format not in _RENDERERS:
        raise ValueError(f"no such log format: {log_format}")
    made = Observer(render=_RENDERERS[log_format], stream=stream, path=path)
    made.configure(log_format=log_format, level=level, path=path)
    return made


def text_observer(stream: TextIO | None = None) -> Observer:
    """Make an observer that writes info and above as text, to the console unless told otherwise."""
    # trap P24: twistd replaces sys.stderr by a file that logs what is written to it.
    return observer(log_format="text", level="info", path="", stream=stream or sys.__stderr__)


def json_observer(stream: TextIO | None = None) -> Observer:
    """Make an observer that writes info and above as JSON, to the console unless told otherwise."""
    return observer(log_format="json", level="info", path="", stream=stream or sys.__stderr__)


@implementer(ILogObserver)
@define(eq=False)
class Observer:
    """Writes the events of a level and above to a stream, a file, or both; calling it never raises."""

    _render: Callable[[LogEvent], str]
    _stream: TextIO | None
    _path: str
    _file: FileIO | None = field(default=None, init=False)
    _least: int = field(default=0, init=False)

    def __call__(self, event: LogEvent) -> None:
        """Log one event; what cannot be written is lost."""
        try:
            if _LEVELS.get(_level(event), _LEVELS["critical"]) < self._least:
                return
            text = self._render(event)
        except Exception as error:
            # Whatever happens while a field turns into text must not reach the code that logged it.
            text = self._render(_complaint(error))
        self._write(text)

    def set_level(self, level: str) -> None:
        """Log what is of this level or above, from now on.

        Raises:
            ValueError: There is no such level.
        """
        if level not in _LEVELS:
            raise ValueError(f"no such log level: {level}")
        self._least = _LEVELS[level]

    def configure(self, *, log_format: str, level: str, path: str) -> None:
        """Change how, what and where is logged.

        Raises:
            OSError: The file cannot be opened; everything stays as it was.
        """
        self._open(path)
        self._render = _RENDERERS[log_format]
        self.set_level(level)

    def reopen(self) -> None:
        """Open the file anew, after it was moved away (log rotation).

        Raises:
            OSError: The file cannot be opened; the previous one stays in use.
        """
        self._open(self._path)

    def _open(self, path: str) -> None:
        opened = FileIO(path, "a", opener=_open_private) if path else None
        self.close()
        self._file, self._path = opened, path

    def close(self) -> None:
        """Close the file; the stream belongs to the caller."""
        closing, self._file = self._file, None
        if closing is not None:
            with suppress(OSError):
                closing.close()

    def _write(self, text: str) -> None:
        # One write per event: lines of several processes do not mix. A full disk or a closed console stops nobody.
        if self._file is not None:
            with suppress(OSError):
                self._file.write(text.encode())
        if self._stream is not None:
            encoding = getattr(self._stream, "encoding", None) or "utf-8"
            with suppress(OSError, ValueError):
                if not text.isascii():
                    text = text.encode(encoding, "backslashreplace").decode(encoding)
                self._stream.write(text)
                self._stream.flush()


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _complaint(error: Exception) -> LogEvent:
    """An event that stands for one which raised ``error`` when it was to be logged."""
    return {"isError": True, "message": (f"An event cannot be logged: {type(error).__name__}",)}


def _render_text(event: LogEvent) -> str:
    head = f"{_time(event)} {_level(event)} {_short_name(event)} {_message(event)}"
    trace = _traceback(event)
    lines = [_redacted(head), *("    " + line for line in _redacted(trace).split("\n") if trace)]
    return "".join(_one_line(line) + "\n" for line in lines)


def _render_json(event: LogEvent) -> str:
    record: dict[str, object] = {
        "time": _time(event),
        "level": _level(event),
        "logger": _namespace(event),
        "message": _message(event),
    }
    trace = _traceback(event)
    if trace:
        record["traceback"] = trace
    record = {**record, **_fields(event), **record}  # in this order, and no field replaces what is ours
    return json.dumps({_redacted(name): _clean(value) for name, value in record.items()}) + "\n"


def _fields(event: LogEvent) -> dict[str, object]:
    """The event's own fields of plain types, without what Twisted adds to them."""
    foreign = _LEGACY_FIELDS if "isError" in event else ()
    return {
        name: value
        for name, value in event.items()
        if isinstance(value, _PLAIN) and not name.startswith("log_") and name not in foreign
    }


_RENDERERS: dict[str, Callable[[LogEvent], str]] = {"text": _render_text, "json": _render_json}


def _time(event: LogEvent) -> str:
    try:
        moment = float(event["log_time" if "log_time" in event else "time"])
        second, microseconds = divmod(round(moment * 1_000_000), 1_000_000)
        return f"{_second(second)}.{microseconds // 1000:03d}Z"
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return datetime.now(timezone.utc).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


@lru_cache(4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def _level(event: LogEvent) -> str:
    level = event.get("log_level")
    if level is None:
        return "critical" if event.get("isError") else "info"
    return str(getattr(level, "name", level))


def _namespace(event: LogEvent) -> str:
    return str(event.get("log_namespace", "log_legacy"))


def _short_name(event: LogEvent) -> str:
    """The last part of the namespace: the class or the module that speaks."""
    return _namespace(event).rpartition(".")[2] or "-"


def _message(event: LogEvent) -> str:
    if "isError" in event and isinstance(event.get("failure"), Failure):
        # Twisted's own text for such an event holds the whole traceback, which is shown apart.
        return safe_str(event.get("why") or "Unhandled Error")
    if event.get("log_format") == SUMMARY:
        return str(event.get("log_summary"))
    if event.get("log_format") is None:
        return textFromEventDict({"message": (), "isError": False, **event}) or ""
    return formatEvent(event)


def _traceback(event: LogEvent) -> str:
    failure = event.get("log_failure") or ("isError" in event and event.get("failure"))
    return failure.getTraceback().rstrip() if isinstance(failure, Failure) else ""  # without the values of locals


def _clean(value: object) -> object:
    if isinstance(value, str):
        return _redacted(value)
    # NaN and infinity are not JSON.
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _redacted(text: str) -> str:
    if "user_" not in text and "sk-" not in text and "bearer" not in text.lower():
        return text  # nearly all are without, and the expression takes twenty times as long
    return _CREDENTIAL.sub(lambda match: _MASKS[str(match.lastgroup)], text)


def _one_line(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
