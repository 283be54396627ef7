"""This module is the transcripts, and what each dialect makes of them: in a stream and in a document, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ccproxy.codecs import Dialect, Turn
from ccproxy.dialects import DIALECTS
from ccproxy.events import Failed
from ccproxy.translator import Translator
from ccproxy.upstreams.commandcode.records import Records

HERE = Path(__file__).parent
GOLDEN = HERE / "golden"
TRANSCRIPTS = tuple(sorted(path.stem for path in (HERE / "transcripts").glob("*.ndjson")))
SHOWN = tuple(dialect for dialect in DIALECTS if dialect.name != "openai_responses_compact")
"""The dialects whose answers can be read: the sum of a conversation is sealed, by libraries that may not make the same bytes everywhere."""

TURN = Turn(
    id="0123456789abcdef01234567",
    created=1_790_000_000,
    model="vendor/example-model",
    sealing_key=bytes(range(32)),
)


@cache
def transcript(name: str) -> bytes:
    """The bytes of a transcript."""
    return (HERE / "transcripts" / f"{name}.ndjson").read_bytes()


def answer(dialect: Dialect, upstream: Iterable[bytes], *, stream: bool) -> bytes:
    """What a client gets for an answer of the upstream that arrives in these pieces.

    A stream that fails ends with the failure's frame; a document that fails is the refusal alone.
    """
    translator = Translator(Records(0), (), dialect.encoder(TURN, stream=stream))
    said = b"".join([*map(translator.feed, upstream), translator.end()])
    if not isinstance(translator.outcome, Failed):
        return said
    error = translator.outcome.error
    return said + translator.fail(error) if stream else dialect.refusal(error)


def golden(dialect: Dialect, name: str, *, stream: bool) -> Path:
    """Where the answer to a transcript is kept."""
    return GOLDEN / dialect.name / f"{name}.{'sse' if stream else 'json'}"


def goldens() -> dict[Path, bytes]:
    """Every answer, by the file that keeps it."""
    return {
        golden(dialect, name, stream=stream): answer(dialect, [transcript(name)], stream=stream)
        for dialect in SHOWN
        for name in TRANSCRIPTS
        for stream in (True, False)
    }
