"""Members of zip archives, unpacked up to the size that they state."""

import io
import tracemalloc
import zipfile

import pytest

from kevo.system import archives

METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


def packed(content: bytes, method: int, *, stated: int | None = None) -> zipfile.ZipFile:
    """An archive with one member, whose size its directory may state otherwise."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("member", content)
    archive = zipfile.ZipFile(stream)
    if stated is not None:
        archive.infolist()[0].file_size = stated
    return archive


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("content", [b"", b"a", bytes(range(256)) * 20_000, bytes(3_000_000)])
def test_content_is_what_was_packed(method: int, content: bytes) -> None:
    with packed(content, method) as archive:
        (member,) = archive.infolist()
        assert archives.unpack(archive, member) == content
        assert all(len(piece) <= 2**20 for piece in archives.pieces(archive, member))


@pytest.mark.parametrize("method", METHODS)
def test_no_more_is_unpacked_than_is_stated(method: int) -> None:
    with packed(bytes(8_000_000), method, stated=1000) as archive:
        (member,) = archive.infolist()
        tracemalloc.start()
        with pytest.raises(zipfile.BadZipFile, match="it states 1,000 bytes and holds more"):
            archives.unpack(archive, member)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # What is read of the file, and tables of the decompressors.
    assert peak < 5_000_000


@pytest.mark.parametrize("method", METHODS)
def test_less_than_is_stated_is_damage(method: int) -> None:
    with packed(b"content", method, stated=8) as archive:
        (member,) = archive.infolist()
        with pytest.raises(zipfile.BadZipFile, match="it states 8 bytes and holds 7"):
            archives.unpack(archive, member)


@pytest.mark.parametrize("method", METHODS)
def test_another_content_is_damage(method: int) -> None:
    with packed(b"content", method) as archive:
        (member,) = archive.infolist()
        member.CRC ^= 1
        with pytest.raises(zipfile.BadZipFile, match="Bad CRC-32"):
            archives.unpack(archive, member)


def test_an_unknown_method_is_named() -> None:
    with packed(b"content", zipfile.ZIP_STORED) as archive:
        (member,) = archive.infolist()
        member.compress_type = 98
        with pytest.raises(zipfile.BadZipFile, match="packed in an unknown way, number 98"):
            archives.unpack(archive, member)
