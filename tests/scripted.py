"""This module is simple pieces to put a turn together from: a decoder with a script, an encoder that listens, and some stages."""

from __future__ import annotations

from collections.abc import Iterable

from ccproxy.events import Event, ReasoningDelta, TextDelta, TextStarted


class Script:
    """A decoder whose n-th byte stands for the n-th event of a script, and whose end for the rest."""

    def __init__(self, *script: Event) -> None:
        self._rest = list(script)

    def feed(self, data: bytes) -> Iterable[Event]:
        """Say as many events as there are bytes."""
        said, self._rest = self._rest[: len(data)], self._rest[len(data) :]
        return iter(said)

    def end(self) -> Iterable[Event]:
        """Say what is left."""
        return iter(self._rest)


class Listener:
    """An encoder that remembers what it was told, and writes a word of it in brackets."""

    content_type = "text/plain"

    def __init__(self) -> None:
        self.heard: list[Event] = []

    def encode(self, event: Event) -> bytes:
        """Write the event's name."""
        self.heard.append(event)
        return b"" if isinstance(event, TextStarted) else b"[%b]" % type(event).__name__.encode()

    def ping(self) -> bytes:
        """Write a ping."""
        return b"[ping]"


class Twice:
    """A stage that says every text twice, and nothing of reasoning."""

    def feed(self, event: Event) -> Iterable[Event]:
        """Double, drop or pass."""
        if isinstance(event, TextDelta):
            return (event, event)
        return () if isinstance(event, ReasoningDelta) else (event,)


class Hoard:
    """A stage that holds text back until the turn ends, however it ends."""

    def __init__(self) -> None:
        self._held: list[Event] = []

    def feed(self, event: Event) -> Iterable[Event]:
        """Hold or release."""
        if isinstance(event, TextDelta):
            self._held.append(event)
            return ()
        return (*self._held, event)


class Mark:
    """A stage that adds a letter to every text."""

    def __init__(self, letter: str) -> None:
        self._letter = letter

    def feed(self, event: Event) -> Iterable[Event]:
        """Add it."""
        return (TextDelta(event.text + self._letter),) if isinstance(event, TextDelta) else (event,)
