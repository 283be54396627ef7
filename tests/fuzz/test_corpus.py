"""Tests of the fuzzers' targets: that they hold for the corpus, and that they do not hold for what is broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from ccproxy.codecs import Dialect, Encoder, Turn
from ccproxy.dialects import DIALECTS
from ccproxy.dialects.openai_chat.dialect import OpenAIChat
from ccproxy.dialects.openai_chat.response import ChatStream
from ccproxy.events import Event, Finished
from ccproxy.framing import LineSplitter, SurrogateJoiner, dumps
from ccproxy.upstreams.commandcode.records import Records
from tests.fuzz.__main__ import CORPUS, NAMES, ROOT, main
from tests.fuzz.targets import TARGETS, Target, cut, framing, records
from tests.replay import transcript

TEXT = transcript("01_text_only")
EMOJI = transcript("11_unicode_emoji")
_MOST_BYTES = 200_000
_LEAST_FILES = 40


class ForgetfulSplitter(LineSplitter):
    """Loses what it holds when the next bytes complete no line."""

    @override
    def feed(self, data: bytes) -> bytes:
        """Take bytes."""
        if b"\n" not in data:
            self._held.clear()
        return super().feed(data)


class DeafJoiner(SurrogateJoiner):
    """Does not wait for the second half of a character."""

    @override
    def join(self, text: str) -> str:
        """Take a piece of text."""
        return super().join(text) + self.end()


class CuttingRecords(Records):
    """Takes the end of a delivery for the end of a line."""

    @override
    def feed(self, data: bytes) -> list[Event]:
        """Take bytes."""
        return super().feed(data + b"\n")


class EndlessRecords(Records):
    """Never ends a turn."""

    @override
    def feed(self, data: bytes) -> list[Event]:
        """Take bytes."""
        return [event for event in super().feed(data) if not isinstance(event, Finished)]


class FragileRecords(Records):
    """Raises."""

    @override
    def end(self) -> list[Event]:
        """Take the end."""
        raise IndexError


class RawStream(ChatStream):
    """Breaks lines inside its frames."""

    @override
    def encode(self, event: Event) -> bytes:
        """Say one event."""
        return super().encode(event).replace(b"{", b"{\r\n")


class RawChat(OpenAIChat):
    """A dialect that writes what no client can read."""

    @override
    def encoder(self, turn: Turn, *, stream: bool) -> Encoder:
        """Make the encoder of one turn."""
        return RawStream(turn) if stream else super().encoder(turn, stream=stream)


class CorpusTests(SynchronousTestCase):
    """The inputs that are kept."""

    def test_held(self) -> None:
        """No input of the corpus breaks a promise of its target."""
        for name, target in TARGETS.items():
            for path in sorted((CORPUS / name).iterdir()):
                try:
                    target(path.read_bytes())
                except Exception as error:
                    raise AssertionError(f"{name}/{path.name}") from error

    def test_size(self) -> None:
        """There are many inputs for each target, and they are small."""
        files = {name: list((CORPUS / name).iterdir()) for name in TARGETS}

        self.assertTrue(all(len(paths) >= _LEAST_FILES for paths in files.values()))
        self.assertLess(sum(path.stat().st_size for paths in files.values() for path in paths), _MOST_BYTES)


class TargetTests(SynchronousTestCase):
    """What the targets are able to see."""

    def broken(self, target: Target, data: bytes = TEXT) -> None:
        """Check that a target raises."""
        self.assertRaises((AssertionError, IndexError, ValueError), target, data)

    def test_cuts(self) -> None:
        """The cuts follow from the input, lose nothing of it, and are many."""
        self.assertEqual(b"".join(cut(TEXT)), TEXT)
        self.assertEqual(cut(TEXT), cut(TEXT))
        self.assertGreater(len(cut(TEXT)), 10)
        self.assertEqual((cut(b""), cut(b"\x00a"), cut("\x01ab")), ([], [b"\x00", b"a"], ["\x01a", "b"]))

    def test_broken_framing(self) -> None:
        """Lost bytes, halves of characters and frames of two lines are noticed."""
        self.broken(partial(framing, splitter=ForgetfulSplitter))
        self.broken(partial(framing, joiner=DeafJoiner), "\x01🐳".encode("utf-16-le"))
        self.broken(partial(framing, write=dumps), '"\u2028"'.encode())
        self.broken(partial(framing, write=lambda value: b"{}"))

    def test_broken_decoders(self) -> None:
        """A decoder that minds the cuts, never ends or raises is noticed."""
        decoders: Sequence[Callable[[int], Records]] = (CuttingRecords, EndlessRecords, FragileRecords)
        for decoder in decoders:
            self.broken(partial(records, decoder=decoder))

    def test_broken_dialect(self) -> None:
        """A dialect whose streams nobody can read is noticed, and the true ones pass."""
        dialects: Sequence[Dialect] = (RawChat(),)

        self.broken(partial(records, dialects=dialects))
        records(EMOJI, dialects=DIALECTS)


class CommandTests(SynchronousTestCase):
    """The command that starts a fuzzer."""

    def refused(self, *arguments: str, load: Callable[[str], ModuleType] = ModuleType) -> str:
        """What it says when it cannot begin."""
        error = self.assertRaises(SystemExit, main, arguments, load)
        self.assertEqual(len(str(error).splitlines()), 1)
        return str(error)

    def test_names(self) -> None:
        """It knows the targets."""
        self.assertEqual(NAMES, tuple(TARGETS))

    def test_without_atheris(self) -> None:
        """Without atheris it says so in one line."""
        self.assertIn("atheris", self.refused("records", load=_unknown))

    def test_usage(self) -> None:
        """An unknown target, none, and several directories are told how it is used."""
        for arguments in ((), ("nothing",), ("records", "a", "b")):
            self.assertIn("usage", self.refused(*arguments))

    def test_directory_in_the_repository(self) -> None:
        """What is found never goes into the repository by itself."""
        self.assertIn("repository", self.refused("records", str(ROOT / "tests" / "fuzz" / "corpus" / "records")))


def _unknown(name: str) -> ModuleType:
    raise ImportError(name)
