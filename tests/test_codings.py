"""Tests of the codings of a request body."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from zstandard import ZstdCompressor

from ccproxy.codings import plain
from ccproxy.errors import Kind, ProxyError

LIMIT = 1 << 20
TEXT = b"The kettle is on. " * 5000


def raw_deflate(data: bytes) -> bytes:
    """Deflate without the zlib wrapper."""
    writer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return writer.compress(data) + writer.flush()


def zstd(data: bytes) -> bytes:
    """Zstandard as a streaming client writes it, which does not know the size when it begins."""
    writer = ZstdCompressor(write_content_size=False).compressobj()
    return writer.compress(data) + writer.flush()


WRITERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "DEFLATE": raw_deflate,
    "zstd": zstd,
    " Zstd ": ZstdCompressor().compress,
}


class PlainTests(SynchronousTestCase):
    """Bodies that are as they should be."""

    def test_each(self) -> None:
        """Every known coding is taken off, however its name is written."""
        for name, write in WRITERS.items():
            self.assertEqual(plain(write(TEXT), name, LIMIT), TEXT, name)

    @given(st.binary(max_size=300))
    def test_anything(self, data: bytes) -> None:
        """Whatever was compressed comes out."""
        for name, write in WRITERS.items():
            self.assertEqual(plain(write(data), name, LIMIT), data, name)

    def test_none(self) -> None:
        """Without a coding, or with identity, the body is what it is."""
        for header in ("", "identity", " Identity , identity", ","):
            self.assertEqual(plain(TEXT, header, LIMIT), TEXT)

    def test_two(self) -> None:
        """Two codings are taken off, the last one first; identity does not count."""
        self.assertEqual(plain(zstd(gzip.compress(TEXT)), "gzip, identity, zstd", LIMIT), TEXT)

    def test_exactly_at_the_limit(self) -> None:
        """As many bytes as the limit may come out, and without a limit any number."""
        for name, write in WRITERS.items():
            self.assertEqual(plain(write(TEXT), name, len(TEXT)), TEXT, name)
            self.assertEqual(plain(write(TEXT), name, 0), TEXT, name)

    def test_incompressible(self) -> None:
        """A body that compresses badly, and so is read in many slices, comes out whole."""
        noise = b"".join(zlib.crc32(number.to_bytes(4, "big")).to_bytes(4, "big") for number in range(50_000))

        for name, write in WRITERS.items():
            self.assertEqual(plain(write(noise), name, LIMIT), noise, name)


class RefusedTests(SynchronousTestCase):
    """Bodies that are not."""

    def refused(self, data: bytes, header: str, limit: int = LIMIT, kind: Kind = Kind.INVALID_REQUEST) -> str:
        """Check that a body is refused, and give the words."""
        error: ProxyError = self.assertRaises(ProxyError, plain, data, header, limit)
        self.assertIs(error.kind, kind)
        return error.message

    def test_unknown_coding(self) -> None:
        """A coding that nobody here knows is refused; the message names it, the header, and what would be understood."""
        message = self.refused(TEXT, "gzip, br")

        self.assertTrue(message.startswith("Content-Encoding: 'br'"), message)
        self.assertIn("gzip, x-gzip, deflate, zstd and identity", message)

    def test_too_many_codings(self) -> None:
        """Three codings on each other are refused unread."""
        self.assertIn("at most 2", self.refused(TEXT, "gzip, gzip, gzip"))

    def test_damaged(self) -> None:
        """A body that is not in its coding, was cut short, or goes on after its end is refused, and the coding is named."""
        for name, write in WRITERS.items():
            whole = write(TEXT)
            for body in (b"", b"{}", TEXT, whole[:-1], whole[: len(whole) // 2], whole[:1], whole + b"x", whole * 2):
                self.assertIn(f"({name.strip().lower()})", self.refused(body, name), f"{name} {len(body)}")

    def test_followed_after_much_output(self) -> None:
        """What follows the end is found although the end is reached in a later reading of the same bytes."""
        for name, write in WRITERS.items():
            self.refused(write(TEXT) + b"tail", name)

    def test_followed_from_the_next_slice_on(self) -> None:
        """What follows the end is found where it is read separately, too."""
        writer = zlib.compressobj(level=0, wbits=-zlib.MAX_WBITS)
        stored = writer.compress(bytes((1 << 14) - 5)) + writer.flush()

        self.assertEqual(len(stored), 1 << 14)
        self.assertIn("follows", self.refused(stored + b"x", "deflate"))

    def test_dictionary(self) -> None:
        """A stream that needs a dictionary, which nobody sent, is refused."""
        writer = zlib.compressobj(zdict=TEXT[:100])

        self.refused(writer.compress(TEXT) + writer.flush(), "deflate")

    @given(st.sampled_from(sorted(WRITERS)), st.data())
    def test_changed(self, name: str, data: st.DataObject) -> None:
        """A body with a changed byte is read or refused, and nothing else happens."""
        body = bytearray(WRITERS[name](TEXT))
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))

        try:
            plain(bytes(body), name, LIMIT)
        except ProxyError as error:
            self.assertIn(error.kind, (Kind.INVALID_REQUEST, Kind.TOO_LARGE))

    def test_too_large(self) -> None:
        """One byte beyond the limit is too much, whatever the size of the compressed body."""
        for name, write in WRITERS.items():
            message = self.refused(write(TEXT), name, len(TEXT) - 1, Kind.TOO_LARGE)
            self.assertIn("maxBodyBytes", message)

    def test_too_large_between_codings(self) -> None:
        """The limit holds for what comes out of the first coding, too."""
        noise = gzip.compress(bytes(LIMIT), compresslevel=0)

        self.refused(zstd(noise), "gzip, zstd", LIMIT, Kind.TOO_LARGE)

    def test_bomb(self) -> None:
        """A few kilobytes that stand for many megabytes cost no more memory than the limit allows."""
        bombs = {name: write(bytes(50 * LIMIT)) for name, write in WRITERS.items()}

        for name, bomb in bombs.items():
            tracemalloc.start()
            self.refused(bomb, name, LIMIT, Kind.TOO_LARGE)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            self.assertLess(peak, LIMIT + LIMIT // 2, name)

    def test_window(self) -> None:
        """A zstd frame that wants a larger window than clients may use is refused before any memory is set aside for it."""
        # Magic number; no flags; window descriptor 2 ** (10 + 20) bytes; an empty last block.
        frame = bytes.fromhex("28b52ffd") + bytes([0x00, 20 << 3]) + bytes([1, 0, 0])

        self.assertIn("memory", self.refused(frame, "zstd"))
