"""Tests for the log observers: how a line looks, what it never holds, and where it goes."""

import io
import json
import os
import re
import stat
import sys
import warnings
from pathlib import Path
from typing import Any, TextIO

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import ILogObserver, Logger, LogLevel, LogPublisher
from twisted.python import log
from twisted.python.failure import Failure
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from zope.interface.verify import verifyObject

from ccproxy import logs

STAMP = 1767323045.678
KEYS = st.from_regex(r"user_[A-Za-z0-9_-]{8,40}|sk-[A-Za-z0-9_-]{16,40}|Bearer [!-~]{8,40}", fullmatch=True)
property_test = settings(database=None, deadline=None)


class Awkward:
    """An object that has no text."""

    def __repr__(self) -> str:
        """Fail."""
        raise RuntimeError("no text")


class BrokenConsole(io.StringIO):
    """A console whose reader went away."""

    def write(self, text: str) -> int:
        """Fail."""
        raise BrokenPipeError(text)


class AwkwardEvent(dict[str, Any]):
    """An event whose fields cannot be looked at."""

    def get(self, *_: object) -> object:
        """Fail."""
        raise RuntimeError("no field")


def failure(message: str) -> Failure:
    """A failure that was raised, with a local variable."""
    try:
        hidden = "-".join(["value", "of", "a", "local"])
        raise ValueError(message, len(hidden))
    except ValueError:
        return Failure(captureVars=True)


class LogsTestCase(SynchronousTestCase):
    """Logs into memory."""

    def setUp(self) -> None:
        """Make the console."""
        self.console = io.StringIO()

    def observe(self, log_format: str, event: dict[str, Any]) -> str:
        """What an observer of this format writes for an event."""
        self.console = io.StringIO()
        observer = logs.observer(log_format=log_format, level="debug", path="", stream=self.console)
        observer(event)
        return self.console.getvalue()

    def text(self, log_format: str = "{text}", /, **fields: object) -> str:
        """What is written as text for an event of a format and fields."""
        return self.observe("text", self.event(log_format, **fields))

    def record(self, log_format: str = "{text}", /, **fields: object) -> dict[str, object]:
        """The JSON object that is written for an event of a format and fields."""
        written = self.observe("json", self.event(log_format, **fields))
        record = json.loads(written, parse_constant=self.fail)
        self.assertEqual(written.count("\n"), 1)
        return dict(record)

    def event(self, log_format: str, /, **fields: object) -> dict[str, Any]:
        """An event as `twisted.logger` makes it."""
        frame = {
            "log_format": log_format,
            "log_time": STAMP,
            "log_level": LogLevel.info,
            "log_namespace": "a.b.Exchange",
        }
        return {**frame, **fields}


class TextTests(LogsTestCase):
    """The format for people."""

    def test_line(self) -> None:
        """A line holds the time, the level, the last part of the namespace and the message."""
        line = self.text("{method} done", method="GET")

        self.assertEqual(line, "2026-01-02T03:04:05.678Z info Exchange GET done\n")

    def test_control_characters(self) -> None:
        """Characters that end a line, move a cursor or turn text around are escaped."""
        line = self.text(text="a\r\nb\x1b[31m\x00\x85\u2028\u202e\ud800é")

        self.assertTrue(line.endswith("a\\r\\nb\\x1b[31m\\x00\\x85\\u2028\\u202e\\ud800é\n"), line)

    def test_traceback(self) -> None:
        """A failure's traceback follows, indented, in the same write."""
        writes: list[str] = []

        class Console(io.StringIO):
            def write(self, text: str) -> int:
                writes.append(text)
                return len(text)

        observer = logs.text_observer(Console())
        observer(self.event("oops", log_failure=failure("one\n2026-01-02 forged")))

        (written,) = writes
        head, *rest = written.rstrip("\n").split("\n")
        self.assertTrue(head.endswith("Exchange oops"), head)
        self.assertEqual(rest[0], "    Traceback (most recent call last):")
        self.assertTrue(all(line.startswith("    ") for line in rest), written)

    def test_forged_traceback(self) -> None:
        """A line that an exception's text tries to forge stays indented."""
        written = self.text("oops", log_failure=Failure(ValueError("x\n2026-01-02T03:04:05.678Z info forged\rmore")))

        self.assertIn("\n    2026-01-02T03:04:05.678Z info forged\\rmore\n", written)

    @property_test
    @given(st.text(), st.text())
    def test_one_line(self, text: str, namespace: str) -> None:
        """Whatever a field or a namespace holds, an event is one line."""
        written = self.text(text=text, log_namespace=namespace)

        self.assertEqual(written.splitlines(keepends=True), [written])
        self.assertTrue(written.endswith("\n"))


class JsonTests(LogsTestCase):
    """The format for machines."""

    def test_record(self) -> None:
        """A record holds time, level, logger and message, in this order, then the event's plain fields."""
        record = self.record("{status} done", status=200, ratio=0.5, ok=True, nothing=None, id="a", other=[1], raw=b"x")

        expected = {
            "time": "2026-01-02T03:04:05.678Z",
            "level": "info",
            "logger": "a.b.Exchange",
            "message": "200 done",
            "status": 200,
            "ratio": 0.5,
            "ok": True,
            "nothing": None,
            "id": "a",
        }
        self.assertEqual(list(record.items()), list(expected.items()))

    def test_fields_of_ours(self) -> None:
        """An event's field cannot replace what every record holds."""
        record = self.record("true", level="forged", message="forged", time="forged", logger="forged")

        self.assertNotIn("forged", record.values())

    def test_traceback(self) -> None:
        """A failure's traceback is a text beside the message."""
        record = self.record("oops", log_failure=failure("broken"), traceback="forged")

        self.assertEqual(record["message"], "oops")
        self.assertRegex(str(record["traceback"]), "(?s)^Traceback .*ValueError: .*broken")

    def test_numbers_that_json_lacks(self) -> None:
        """NaN and infinity are written as text."""
        record = self.record("x", nan=float("nan"), infinite=float("-inf"))

        self.assertEqual((record["nan"], record["infinite"]), ("nan", "-inf"))

    def test_no_separator(self) -> None:
        """A line starts with its object, without the record separator of Twisted's own JSON log."""
        self.record("x")

        self.assertTrue(self.console.getvalue().startswith('{"time"'))

    @property_test
    @given(st.text(), st.dictionaries(st.from_regex("[a-z]{1,3}_?", fullmatch=True), st.floats() | st.text()))
    def test_one_line(self, text: str, fields: dict[str, object]) -> None:
        """Whatever the fields hold, a record is one line of ASCII and comes back as it was."""
        record = self.record(text=text, **{"x" + name: value for name, value in fields.items()})

        written = self.console.getvalue()
        self.assertEqual(written.splitlines(keepends=True), [written])
        self.assertTrue(written.isascii())
        self.assertTrue({"x" + name for name in fields} <= record.keys())


class RedactionTests(LogsTestCase):
    """What is never written."""

    def test_masks(self) -> None:
        """Each kind of credential is replaced by a mask of its own."""
        line = self.text(text="token_user_test_key, sk-ant-1 bearer abc.def= end")

        self.assertTrue(line.endswith("token_user_***, sk-*** Bearer *** end\n"), line)

    def test_words_that_are_no_keys(self) -> None:
        """A word that merely contains the start of a key stays."""
        line = self.text(text="disk-full task-force user_ sk-")

        self.assertTrue(line.endswith("disk-full task-force user_ sk-\n"), line)

    def test_bytes_and_objects(self) -> None:
        """A key inside a value that is no text is replaced too."""
        line = self.text("{a} {b}", a=b"\nsk-test_key_of_bytes", b={"Authorization": "Bearer test"})

        self.assertNotIn("test", line)

    def test_locals(self) -> None:
        """A traceback does not tell the values of local variables, even if they were captured."""
        broken = failure("broken")

        for written in (self.text("x", log_failure=broken), json.dumps(self.record("x", log_failure=broken))):
            self.assertIn("ValueError", written)
            self.assertNotIn("value-of-a-local", written)

    @property_test
    @given(st.text(), KEYS, st.sampled_from(["", " ", '"', ",", "\n", "\u2028"]), st.sampled_from(["text", "json"]))
    def test_planted_key(self, before: str, key: str, after: str, log_format: str) -> None:
        """A key never appears, wherever in an event it is, and whatever stands around it."""
        text = before + key + after
        event = self.event(
            "{text} {text!r} {bytes}",
            text=text,
            bytes=text.encode("utf-8", "replace"),
            log_namespace=text,
            log_failure=Failure(ValueError(text)),
            **{key: 1},
        )

        written = self.observe(log_format, event)

        self.assertNotIn(key.removeprefix("Bearer "), written)
        self.assertNotIn(json.dumps(key.removeprefix("Bearer "))[1:-1], written)


class LegacyTests(LogsTestCase):
    """Events of the old API, which Twisted itself still uses."""

    def setUp(self) -> None:
        """Make an old publisher that feeds a JSON observer."""
        super().setUp()
        self.publisher = log.LogPublisher(publishPublisher=LogPublisher(logs.json_observer(self.console)))

    def records(self) -> list[dict[str, Any]]:
        """All records so far."""
        return [json.loads(line) for line in self.console.getvalue().splitlines()]

    def test_message(self) -> None:
        """A plain message is shown, with its own fields and without those of the old API."""
        self.publisher.msg("hello", "world", answer=42)

        (record,) = self.records()
        self.assertEqual(record.keys(), {"time", "level", "logger", "message", "answer"})
        self.assertEqual((record["message"], record["level"], record["answer"]), ("hello world", "info", 42))

    def test_format(self) -> None:
        """A message with a format is formatted."""
        self.publisher.msg(format="%(n)d things", n=3)

        self.assertEqual(self.records()[0]["message"], "3 things")

    def test_error(self) -> None:
        """An error is critical, says why, and has its traceback apart."""
        self.publisher.msg(failure=failure("broken"), why="the reason", isError=1)

        (record,) = self.records()
        self.assertEqual((record["message"], record["level"]), ("the reason", "critical"))
        self.assertRegex(record["traceback"], "(?s)^Traceback .*broken")

    def test_error_without_reason(self) -> None:
        """An error without a reason has Twisted's usual headline."""
        self.publisher.msg(failure=failure("broken"), why=None, isError=1)

        self.assertEqual(self.records()[0]["message"], "Unhandled Error")

    def test_raw_event(self) -> None:
        """An event that nothing translated works, too."""
        self.assertRegex(
            self.observe("text", {"message": ("raw",), "isError": 0, "time": STAMP}), "5.678Z info .* raw\n$"
        )
        self.assertRegex(self.observe("text", {"message": ("raw",), "isError": 1}), "Z critical .* raw\n$")

    def test_empty_event(self) -> None:
        """An event with nothing in it is a line, as well."""
        self.assertRegex(self.observe("text", {}), r"^\d{4}-\S+Z info log_legacy \n$")


class LevelTests(LogsTestCase):
    """Which events are written."""

    def levels(self, observer: logs.Observer) -> list[str]:
        """Log an event of each level; the levels that were written since the last time."""
        self.console.seek(0)
        self.console.truncate()
        for level in LogLevel.iterconstants():
            observer(self.event("x", log_level=level))
        return [line.split(" ")[1] for line in self.console.getvalue().splitlines()]

    def test_threshold(self) -> None:
        """A level means itself and above, and "warning" is "warn"."""
        for level in ("debug", "info", "warn", "error", "critical", "warning"):
            observer = logs.observer(log_format="text", level=level, path="", stream=self.console)

            every = ["debug", "info", "warn", "error", "critical"]
            self.assertEqual(self.levels(observer), every[every.index(level.removesuffix("ing")) :])

    def test_set_level(self) -> None:
        """The level can be changed while the observer is in use."""
        observer = logs.observer(log_format="text", level="info", path="", stream=self.console)

        observer.set_level("error")

        self.assertEqual(self.levels(observer), ["error", "critical"])

    def test_unknown_level(self) -> None:
        """A level that there is not is refused, and the old one stays."""
        observer = logs.observer(log_format="text", level="error", path="", stream=self.console)

        self.assertRaises(ValueError, observer.set_level, "loud")

        self.assertEqual(self.levels(observer), ["error", "critical"])

    def test_unknown_format(self) -> None:
        """A format that there is not is refused."""
        self.assertRaises(ValueError, logs.observer, log_format="xml", level="info", path="", stream=None)

    def test_odd_level(self) -> None:
        """An event whose level is none of Twisted's is written, whatever the threshold."""
        observer = logs.observer(log_format="text", level="critical", path="", stream=self.console)

        observer(self.event("x", log_level="odd\n"))

        self.assertIn(" odd\\n Exchange x\n", self.console.getvalue())


class DestinationTests(LogsTestCase):
    """Where lines go."""

    def setUp(self) -> None:
        """Name a file."""
        super().setUp()
        self.path = self.mktemp()

    def observer(self, stream: TextIO | None = None) -> logs.Observer:
        """An observer that writes text to the file."""
        observer = logs.observer(log_format="text", level="info", path=self.path, stream=stream)
        self.addCleanup(observer.close)
        return observer

    def test_file_and_console(self) -> None:
        """With a file, the console still gets every line."""
        self.observer(self.console)(self.event("é"))

        self.assertTrue(self.console.getvalue().endswith("é\n"))
        self.assertEqual(Path(self.path).read_text("utf-8"), self.console.getvalue())

    def test_private(self) -> None:
        """A file that is made is its owner's only."""
        self.observer()

        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)

    def test_append(self) -> None:
        """What a file holds already is kept."""
        Path(self.path).write_text("old\n")

        self.observer()(self.event("new"))

        self.assertRegex(Path(self.path).read_text(), "^old\n.* new\n$")

    def test_unusable_file(self) -> None:
        """A file that cannot be opened is an error at once."""
        os.mkdir(self.path)

        self.assertRaises(OSError, self.observer)

    def test_rotation(self) -> None:
        """After a rotation, reopening starts a new file; until then the moved one is written to."""
        observer = self.observer()
        os.rename(self.path, self.path + ".1")
        observer(self.event("before"))

        observer.reopen()

        observer(self.event("after"))
        self.assertRegex(Path(self.path + ".1").read_text(), r"^\S+ info Exchange before\n$")
        self.assertRegex(Path(self.path).read_text(), r"^\S+ info Exchange after\n$")

    def test_failed_rotation(self) -> None:
        """When the new file cannot be opened, the old one stays in use."""
        observer = self.observer()
        os.rename(self.path, self.path + ".1")
        os.mkdir(self.path)

        self.assertRaises(OSError, observer.reopen)

        observer(self.event("after"))
        self.assertIn("after", Path(self.path + ".1").read_text())

    def test_reopen_closes(self) -> None:
        """Reopening does not leave the previous file open."""
        observer = self.observer()

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            observer.reopen()
            observer.close()

        self.assertEqual(caught, [])  # Python warns when it has to close a file by itself

    def test_closed(self) -> None:
        """An observer that was closed goes on with its console; closing twice does no harm."""
        observer = self.observer(self.console)

        observer.close()
        observer.close()

        observer(self.event("x"))
        self.assertIn(" x\n", self.console.getvalue())

    def test_reopen_without_file(self) -> None:
        """An observer without a file has nothing to reopen."""
        observer = logs.text_observer(self.console)

        observer.reopen()

        observer(self.event("x"))
        self.assertIn(" x\n", self.console.getvalue())

    def test_narrow_console(self) -> None:
        """A console that lacks a character gets its escape."""
        raw = io.BytesIO()
        console = io.TextIOWrapper(raw, encoding="ascii")

        logs.text_observer(console)(self.event("é"))

        self.assertTrue(raw.getvalue().endswith(b"\\xe9\n"))


class ResilienceTests(LogsTestCase):
    """Calling an observer never raises, and what it can write it does."""

    def test_closed_console(self) -> None:
        """A closed console does not keep a line from the file."""
        path = self.mktemp()
        self.console.close()
        observer = logs.observer(log_format="text", level="info", path=path, stream=self.console)
        self.addCleanup(observer.close)

        observer(self.event("x"))

        self.assertIn(" x\n", Path(path).read_text())

    def test_broken_console(self) -> None:
        """A console whose reader went away is survived."""
        observer = logs.text_observer(BrokenConsole())

        observer(self.event("x"))

        self.assertRaises(BrokenPipeError, BrokenConsole().write, "x")

    def test_full_disk(self) -> None:
        """A full disk does not keep a line from the console."""
        if not os.path.exists("/dev/full"):
            raise SkipTest("needs a device that is always full")
        observer = logs.observer(log_format="text", level="info", path="/dev/full", stream=self.console)
        self.addCleanup(observer.close)

        observer(self.event("x"))

        self.assertIn(" x\n", self.console.getvalue())

    def test_object_without_text(self) -> None:
        """A field that cannot be turned into text is reported in a line."""
        self.assertEqual(self.text("{field}", field=Awkward()).count("\n"), 1)
        self.assertIn("RuntimeError", str(self.record("{field}", field=Awkward())["message"]))

    def test_unloggable_event(self) -> None:
        """An event that cannot be rendered at all leaves a line that says so."""
        written = self.observe("text", AwkwardEvent())

        self.assertTrue(written.endswith("critical log_legacy An event cannot be logged: RuntimeError\n"), written)

    def test_unloggable_number(self) -> None:
        """A number that JSON's writer refuses leaves a record that says so."""
        record = self.record("x", number=10**5000)

        self.assertEqual(record["message"], "An event cannot be logged: ValueError")

    def test_odd_times(self) -> None:
        """An event whose time is none gets the present one."""
        for stamp in (None, "x", float("nan"), 1e300):
            self.assertTrue(re.match(r"20\d\d-\S+\.\d{3}Z info ", self.text("x", log_time=stamp)), stamp)

    @property_test
    @given(
        st.dictionaries(
            st.text()
            | st.sampled_from(["log_format", "log_time", "log_level", "log_namespace", "log_failure", "isError"]),
            st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(Awkward),
        ),
        st.sampled_from(["text", "json"]),
    )
    def test_any_event(self, event: dict[str, Any], log_format: str) -> None:
        """Whatever an event holds, exactly one line is written."""
        written = self.observe(log_format, event)

        self.assertEqual(written.splitlines(keepends=True), [written])


class FactoryTests(LogsTestCase):
    """The observers that a command line can name."""

    def test_interface(self) -> None:
        """Both are observers as Twisted wants them."""
        self.assertTrue(verifyObject(ILogObserver, logs.text_observer()))
        self.assertTrue(verifyObject(ILogObserver, logs.json_observer()))

    def test_console(self) -> None:
        """Without arguments they write to the real standard error, which Twisted does not redirect."""
        self.patch(sys, "__stderr__", self.console)
        self.patch(sys, "stderr", io.StringIO())

        logs.text_observer()(self.event("one"))
        logs.json_observer()(self.event("two"))

        self.assertRegex(self.console.getvalue(), '^.* one\n{.*"two"}\n$')

    def test_formats(self) -> None:
        """Each writes its format, and info is the least level."""
        other = io.StringIO()
        texts, records = logs.text_observer(self.console), logs.json_observer(other)
        logger = Logger(namespace="a.B", observer=LogPublisher(texts, records))

        logger.debug("quiet")
        logger.info("loud")

        self.assertRegex(self.console.getvalue(), r"^\S+ info B loud\n$")
        self.assertEqual(json.loads(other.getvalue())["message"], "loud")
