"""This module is the seams of the house: what a decoder, a stage, an encoder, a dialect and an upstream must do.

Two families of codecs, dialects and upstreams, meet here and nowhere else; neither knows the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from attrs import field, frozen

from ccproxy.dialogue import Dialogue
from ccproxy.errors import ProxyError
from ccproxy.events import Event
from ccproxy.fields import Fields
from ccproxy.keys import Key
from ccproxy.prompt import Note, Prompt, View


@frozen
class Identity:
    """Who asks the upstream, completed by what only the running daemon knows.

    Attributes:
        key: The caller's key.
        session: UUID of the conversation.
        version: Client version that the upstream expects.
        trace_id: 32 hex digits of a W3C trace context.
        span_id: 16 hex digits, new for each request.
        date: Today in UTC, ``YYYY-MM-DD``.
        zero_data_retention: Whether the caller asked for routing without retention.
    """

    key: Key
    session: str
    version: str
    trace_id: str
    span_id: str
    date: str
    zero_data_retention: bool = False


@frozen
class HTTPRequest:
    """A request to the upstream as a value; ``headers`` hold the key, and so they hide from ``repr``."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    notes: tuple[Note, ...] = ()


@frozen
class Model:
    """One model of the upstream's list; None is unknown.

    Attributes:
        id: The name that requests use.
        name: The name that people use.
        owner: Who offers it.
        created: Unix time, seconds.
        context_length: Tokens of input and output together.
        max_output: Tokens of one answer.
        images: Whether it sees images.
        efforts: The efforts that it takes, in rising order; none when the effort cannot be chosen.
        endpoints: The upstream's other APIs that serve it.
    """

    id: str
    name: str | None = None
    owner: str = "command-code"
    created: int = 0
    context_length: int | None = None
    max_output: int | None = None
    images: bool | None = None
    efforts: tuple[str, ...] | None = None
    endpoints: tuple[str, ...] = ()


@frozen
class Turn:
    """What an encoder must know of a turn before its first event.

    Attributes:
        id: Random token, unique per turn; dialects put their own prefix before it.
        created: Unix time, seconds.
        model: The model id that the client asked for.
        view: What the client asked to see.
        estimated_input: How many tokens the prompt is taken for, for a dialect that says so before anybody knows; None where none does.
        sealing_key: With what a dialect that signs reasoning signs it (`ccproxy.seal`).
    """

    id: str
    created: int
    model: str
    view: View = View()
    sealing_key: bytes = field(default=b"", repr=False)
    estimated_input: int | None = None


class Decoder(Protocol):
    """Upstream bytes to events. It never raises: what cannot be understood becomes `ccproxy.events.Failed`."""

    def feed(self, data: bytes) -> Iterable[Event]:
        """Take the next bytes, cut anywhere, and say what they complete."""

    def end(self) -> Iterable[Event]:
        """Take the end of the stream; without a finish it is a failure."""


class Stage(Protocol):
    """Events to events, between decoder and encoder."""

    def feed(self, event: Event) -> Iterable[Event]:
        """Take one event and say what becomes of it."""


class Encoder(Protocol):
    """Events to client bytes; ``b""`` means that there is nothing to send yet.

    An encoder of a document says nothing before `ccproxy.events.Finished`, and then everything.
    """

    content_type: str

    def encode(self, event: Event) -> bytes:
        """Say one event in the dialect; `ccproxy.events.Failed` becomes the dialect's in-band error."""

    def ping(self) -> bytes:
        """Something harmless that keeps the client waiting, in the dialect's own form."""


class TokenCounter(Protocol):
    """A dialect's way to ask how many tokens a request has, without sending it.

    Attributes:
        paths: Where it is served.
    """

    paths: Sequence[str]

    def answer(self, tokens: int) -> bytes:
        """The JSON body that tells it."""


class Memory(Protocol):
    """A dialect's way to refer to what was said before, so that answers are kept for a while, by their names.

    Names and records are the dialect's own; whose they are, and where and how long they live, is not its concern.

    Attributes:
        paths: Below which kept answers are served by their names.
    """

    paths: Sequence[str]

    def wanted(self, body: Fields) -> Sequence[str]:
        """The names that a request body refers to; nothing of it counts as read."""

    def completed(self, body: Fields, found: Mapping[str, bytes]) -> Fields:
        """The body with what was found in the place of what refers to it.

        Raises:
            ProxyError: `Kind.INVALID_REQUEST`, when something is not there.
        """

    def records(self, encoder: Encoder, *, always: bool = False) -> Mapping[str, bytes]:
        """What to keep, by names, of an answer as far as one of the dialect's encoders wrote it.

        It is nothing where that is not wanted, unless ``always``: then it is what there is of an answer that ended well.
        """

    def shown(self, record: bytes) -> bytes:
        """The JSON of a kept answer, as a client gets it again."""

    def resumed(self, record: bytes, query: Mapping[str, str]) -> int | None:
        """The number of the event from which a client wants the stream of a kept answer; None when it wants the answer.

        Raises:
            ProxyError: `Kind.INVALID_REQUEST`, where there is no stream to be had.
        """

    def inputs(self, record: bytes, query: Mapping[str, str]) -> bytes:
        """The JSON of one page of what a kept answer answered.

        Raises:
            ProxyError: `Kind.INVALID_REQUEST`, for a page that cannot be.
        """

    def is_open(self, record: bytes) -> bool:
        """Whether a kept answer is still being made."""

    def cancelled(self, record: bytes) -> bytes:
        """The record of an answer that is given up.

        Raises:
            ProxyError: `Kind.INVALID_REQUEST`, for one that is not made in the background.
        """

    def parts(self, record: bytes) -> Sequence[str]:
        """The names that are kept for parts of an answer, and go with it."""

    def deleted(self, name: str) -> bytes:
        """The JSON that tells that an answer is not kept any more."""

    def missing(self, name: str) -> ProxyError:
        """The error for an answer that is not kept, or is another caller's."""


class Dialect(Protocol):
    """One client-facing API.

    Attributes:
        name: What the log calls it.
        paths: Where it is served; the first is the one to name.
        counter: How it tells how many tokens a request has; None if it has no such thing.
        dialogue: How it is spoken over WebSockets; None if it is not.
        memory: How its requests refer to earlier answers; None if they hold all that they mean.
    """

    name: str
    paths: Sequence[str]
    counter: TokenCounter | None
    dialogue: Dialogue | None
    memory: Memory | None

    def speaks(self, headers: Mapping[str, str], query: Collection[str]) -> bool:
        """Whether lower-cased request headers, or the names in the query, show that the client expects this dialect."""

    def recognises(self, body: Fields) -> bool:
        """Whether a body has something that only this dialect has, wherever it was sent; nothing of it counts as read."""

    def parse(self, body: Fields) -> Prompt:
        """Read a request body.

        Raises:
            ProxyError: `Kind.INVALID_REQUEST`, with the field that is wrong.
        """

    def view(self, body: Fields) -> View:
        """What the client asks to see of an answer in this dialect, in whatever dialect the rest of the body is.

        Raises:
            ProxyError: `Kind.INVALID_REQUEST`, with the field that is wrong.
        """

    def encoder(self, turn: Turn, *, stream: bool) -> Encoder:
        """Make the encoder of one turn."""

    def refusal(self, error: ProxyError) -> bytes:
        """The JSON body of a response that is not 200."""

    def model(self, model: Model) -> bytes:
        """One model, as ``GET /v1/models/{id}`` shows it."""

    def models(self, models: Sequence[Model]) -> bytes:
        """The list of models, as ``GET /v1/models`` shows it."""


class Upstream(Protocol):
    """One server-facing API."""

    def credential(self, headers: Mapping[str, str]) -> Key:
        """Find the caller's key in lower-cased request headers.

        Raises:
            ProxyError: `Kind.AUTHENTICATION`, when there is none that the upstream could know.
        """

    def generate(self, prompt: Prompt, identity: Identity) -> HTTPRequest:
        """Say a prompt in the upstream's language.

        Raises:
            ProxyError: `Kind.INVALID_REQUEST`, for what cannot be said in it.
        """

    def decoder(self) -> Decoder:
        """Make the decoder of one answer."""

    def diagnose(self, status: int, headers: Mapping[str, str], body: bytes) -> ProxyError:
        """Name the cause of an answer that is not 200; ``headers`` are lower-cased, ``body`` may be cut short."""

    def models_request(self) -> HTTPRequest:
        """The request for the list of models."""

    def parse_models(self, body: bytes) -> Sequence[Model]:
        """Read the list of models.

        Raises:
            ProxyError: `Kind.UPSTREAM`, when it is not one.
        """

    def fallback_models(self) -> Sequence[Model]:
        """The list to show while the live one cannot be had."""
