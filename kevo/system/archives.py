"""Members of zip archives that come from anywhere, unpacked up to the size that the archive states and no further.

`zipfile` unpacks whole buffers before it looks at that size: a few kilobytes may then take gigabytes of memory.
"""

from __future__ import annotations

import bz2
import copy
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Protocol

DAMAGED = (zipfile.BadZipFile, EOFError, OSError, RuntimeError, ValueError, zlib.error, lzma.LZMAError)
"""What reading a damaged archive, or an encrypted member of one, may raise."""
_PIECE = 2**20
_LEAST_DICTIONARY = 4096


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def pieces(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yields the content of a member, at most a megabyte at a time.

    Args:
        archive: The archive.
        member: One of its members.

    Raises:
        zipfile.BadZipFile: the member is damaged, is packed in an unknown way, or holds more or less than it states.
        EOFError, OSError, RuntimeError, ValueError, zlib.error, lzma.LZMAError: the member is damaged.
    """
    packed = copy.copy(member)
    packed.compress_type, packed.file_size = zipfile.ZIP_STORED, member.compress_size
    # It is of the unpacked content.
    del packed.CRC
    num_bytes = checksum = 0
    with archive.open(packed) as stream:
        for piece in _unpacked(stream, member):
            num_bytes += len(piece)
            if num_bytes > member.file_size:
                raise zipfile.BadZipFile(f"it states {member.file_size:,} bytes and holds more")
            checksum = zlib.crc32(piece, checksum)
            yield piece
    if num_bytes < member.file_size:
        raise zipfile.BadZipFile(f"it states {member.file_size:,} bytes and holds {num_bytes:,}")
    if checksum != member.CRC:
        raise zipfile.BadZipFile("Bad CRC-32: the content is not what was packed")


def unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """Returns the content of a member; errors as for `pieces`."""
    return b"".join(pieces(archive, member))


def _unpacked(stream: IO[bytes], member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yields content up to one byte more than a member states."""
    left = member.file_size + 1
    decompressor = _decompressor(stream, member)
    while left > 0 and not decompressor.eof:
        data = stream.read(_PIECE) if decompressor.needs_input else b""
        if not data and decompressor.needs_input:
            return
        piece = decompressor.decompress(data, min(left, _PIECE))
        left -= len(piece)
        yield piece


def _decompressor(stream: IO[bytes], member: zipfile.ZipInfo) -> _Decompressor:
    match member.compress_type:
        case zipfile.ZIP_STORED:
            return _Stored()
        case zipfile.ZIP_DEFLATED:
            return _Inflater()
        case zipfile.ZIP_BZIP2:
            return bz2.BZ2Decompressor()
        case zipfile.ZIP_LZMA:
            return _lzma_decompressor(stream, member.file_size)
    raise zipfile.BadZipFile(f"it is packed in an unknown way, number {member.compress_type}")


def _lzma_decompressor(stream: IO[bytes], num_bytes: int) -> lzma.LZMADecompressor:
    """Reads the properties of the packed content: APPNOTE.TXT of the zip format, 5.8.8."""
    _, _, size = struct.unpack("<BBH", stream.read(4))
    bits, dictionary = struct.unpack("<BL", stream.read(size)[:5])
    # It is made at once, and need not be larger than all content.
    dictionary = max(_LEAST_DICTIONARY, min(dictionary, num_bytes))
    properties = {"lc": bits % 9, "lp": bits // 9 % 5, "pb": bits // 45}
    return lzma.LZMADecompressor(
        lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA1, "dict_size": dictionary, **properties}]
    )


class _Stored:
    """Content that is not packed."""

    def __init__(self) -> None:
        self._waiting = b""

    @property
    def eof(self) -> bool:
        return False

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    def decompress(self, data: bytes, max_length: int) -> bytes:
        content = self._waiting + data
        self._waiting = content[max_length:]
        return content[:max_length]


class _Inflater:
    """`zlib` with the methods that `bz2` and `lzma` have."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(-zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
