"""This module is the codings of a request body (``Content-Encoding``), taken off without ever making more than a limit.

Clients compress long conversations. gzip and deflate are those of RFC 9110, section 8.4.1, and deflate also comes without its zlib
wrapper; zstd is that of RFC 8878, with the window of RFC 9659. A few kilobytes can stand for gigabytes: what comes out is made in small
pieces, and the first piece beyond the limit is the last. A body is one member, stream or frame; what follows it is damage.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator

from zstandard import ZstdDecompressor, ZstdError

from ccproxy.errors import Kind, ProxyError

_MOST_CODINGS = 2
_SLICE = 1 << 14  # bytes read at once
_PIECE = 1 << 16  # bytes made at once
_LARGEST_WINDOW = 1 << 23  # bytes of a zstd frame's window that RFC 9659 lets a sender use
_GZIP, _ZLIB, _RAW = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS, -zlib.MAX_WBITS


def plain(data: bytes, header: str, limit: int) -> bytes:
    """Take every coding off a body.

    Args:
        data: The body as it came.
        header: The value of ``Content-Encoding``: the codings, in the order in which they were put on.
        limit: The most bytes that may come out of any of them; 0 for any number.

    Raises:
        ProxyError: `Kind.INVALID_REQUEST` for a coding that nobody here knows and for data that is damaged; `Kind.TOO_LARGE`.
    """
    names = [name for item in header.lower().split(",") if (name := item.strip()) not in ("", "identity")]
    if len(names) > _MOST_CODINGS:
        raise ProxyError(Kind.INVALID_REQUEST, f"Content-Encoding: at most {_MOST_CODINGS} codings are taken off.")
    for name in reversed(names):
        reader = _READERS.get(name)
        if reader is None:
            known = ", ".join(_READERS)
            message = f"Content-Encoding: {name[:40]!r} is not understood; {known} and identity are."
            raise ProxyError(Kind.INVALID_REQUEST, message)
        try:
            data = reader(data, limit)
        except (zlib.error, ZstdError, EOFError) as error:
            message = f"The request body is not in the coding that Content-Encoding names ({name}): {error}."
            raise ProxyError(Kind.INVALID_REQUEST, message) from None
    return data


def _from_gzip(data: bytes, limit: int) -> bytes:
    return b"".join(_bounded(_inflated(data, _GZIP), limit))


def _from_deflate(data: bytes, limit: int) -> bytes:
    # No compressor begins a raw stream like this: it would be a stored block with a bit set in its padding.
    wrapped = len(data) > 1 and data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0
    return b"".join(_bounded(_inflated(data, _ZLIB if wrapped else _RAW), limit))


def _from_zstd(data: bytes, limit: int) -> bytes:
    # Only this reader makes no more than it is asked for, and only the other one tells whether the frame was whole.
    for _ in _bounded(_unpacked(data), limit):
        pass
    frame = ZstdDecompressor(max_window_size=_LARGEST_WINDOW).decompressobj()
    unpacked = frame.decompress(data)
    _check_end(whole=frame.eof, followed=bool(frame.unused_data))
    return unpacked


def _inflated(data: bytes, window_bits: int) -> Iterator[bytes]:
    reader = zlib.decompressobj(window_bits)
    # In slices, because each call copies what it leaves unread.
    for start in range(0, len(data), _SLICE):
        _check_end(whole=True, followed=reader.eof)
        pending = data[start : start + _SLICE]
        # At the end, what is left is in the unused data, and sometimes in the unconsumed tail as well.
        while pending and not reader.eof:
            yield reader.decompress(pending, _PIECE)
            pending = reader.unconsumed_tail
    yield reader.flush()
    _check_end(whole=reader.eof, followed=bool(reader.unused_data))


def _unpacked(data: bytes) -> Iterator[bytes]:
    reader = ZstdDecompressor(max_window_size=_LARGEST_WINDOW).stream_reader(data)
    while piece := reader.read(_PIECE):
        yield piece


def _check_end(*, whole: bool, followed: bool) -> None:
    if followed:
        raise EOFError("something follows its end")
    if not whole:
        raise EOFError("it is cut short")


def _bounded(pieces: Iterable[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if limit and size > limit:
            message = "The request body, decompressed, is larger than the limit of the proxy (maxBodyBytes)."
            raise ProxyError(Kind.TOO_LARGE, message)
        yield piece


_READERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _from_gzip,
    "x-gzip": _from_gzip,
    "deflate": _from_deflate,
    "zstd": _from_zstd,
}
