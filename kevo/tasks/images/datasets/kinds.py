"""Names files that are no pictures that kevo reads, by their first bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from PIL import TiffImagePlugin

NUM_BYTES = 512
"""So many first bytes tell."""

_CONVERT = "convert it to JPEG or PNG"
_FILM = "is a film: export its frames as JPEG or PNG"
RAW = f"is a raw picture of a camera: {_CONVERT}"
_BRANDS = {
    "HEIC": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
    "AVIF": (b"avif", b"avis"),
    "sound": (b"M4A ", b"M4B "),
    "a film": (b"isom", b"iso2", b"mp41", b"mp42", b"qt  ", b"M4V ", b"avc1", b"3gp4", b"3gp5"),
    "a raw picture of a camera": (b"crx ",),
}
_BEGINNINGS = (
    (b"version https://git-lfs", "is a pointer of Git LFS and not the picture itself: run git lfs pull"),
    (b"\xff\x0a", f"is JPEG XL: {_CONVERT}"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", f"is JPEG XL: {_CONVERT}"),
    (b"SIMPLE  =", f"is FITS: {_CONVERT}"),
    (b"8BPS", f"is a file of Photoshop: {_CONVERT}"),
    (b"%PDF", f"is a PDF: {_CONVERT}"),
    (b"%!PS", f"is PostScript: {_CONVERT}"),
    (b"v/1\x01", f"is OpenEXR: {_CONVERT}"),
    (b"#?RADIANCE", f"is Radiance HDR: {_CONVERT}"),
    (b"\x89HDF", "is HDF5: export its pictures as JPEG or PNG"),
    (b"\x93NUMPY", "is an array of NumPy: save pictures and labels as one .npz"),
    (b"PK\x03\x04", "is a zip archive: unpack it"),
    (b"Rar!", "is a RAR archive: unpack it"),
    (b"7z\xbc\xaf", "is a 7z archive: unpack it"),
    (b"\x1f\x8b", "is compressed with gzip: unpack it"),
    (b"BZh", "is compressed with bzip2: unpack it"),
    (b"\xfd7zXZ", "is compressed with xz: unpack it"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstd: unpack it"),
    (b"\x1aE\xdf\xa3", _FILM),
    (b"FLV\x01", _FILM),
    (b"\0\0\x01\xba", _FILM),
    (b"OggS", _FILM),
    (b"ID3", "is sound: kevo learns from pictures"),
    (b"fLaC", "is sound: kevo learns from pictures"),
    (b"FUJIFILM", RAW),
    (b"II\x2a\0\x10\0\0\0CR", RAW),
    (b"IIRO", RAW),
    (b"IIRS", RAW),
    (b"IIU\0", RAW),
    (b"\0MRM", RAW),
    (b"FOVb", RAW),
    (b"II\xbc\x01", f"is JPEG XR: {_CONVERT}"),
    (b"qoif", f"is QOI: {_CONVERT}"),
    (b"BPG\xfb", f"is BPG: {_CONVERT}"),
    (b"FLIF", f"is FLIF: {_CONVERT}"),
    (b"DDS ", f"is a texture (DDS): {_CONVERT}"),
    (b"icns", f"is an icon of macOS: {_CONVERT}"),
    (b"gimp xcf", f"is a file of GIMP: {_CONVERT}"),
    (b"\xd7\xcd\xc6\x9a", f"is WMF: {_CONVERT}"),
    (b"NRRD000", "is NRRD: export its slices as PNG"),
    (b"ObjectType = Image", "is MetaImage: export its slices as PNG"),
    (b"MATLAB 5.0 MAT-file", "is a file of MATLAB: export its pictures as JPEG or PNG"),
    (b"PAR1", "is a table (Parquet): export its pictures as JPEG or PNG"),
    (b"SQLite format 3", "is a database (SQLite): export its pictures as JPEG or PNG"),
    (b"\xd0\xcf\x11\xe0", "is a document of Office: save its pictures as JPEG or PNG"),
)
_TIFF = (b"II*\0", b"MM\0*")
_TIFF_HEAD = 8
_IS_REDUCED, _COMPRESSION, _PHOTOMETRIC, _MORE_PICTURES, _DNG = 254, 259, 262, 330, 50706
_RAW_COMPRESSIONS = (32767, 32769, 32770, 34713, 65000, 65535)
"""Of Sony, Epson, Samsung, Nikon, Kodak and Pentax."""
_RAW_COLORS = (32803, 34892)
"""A filter of colors before the sensor, and its values without it."""
_TAR, _TAR_PLACE = b"ustar", 257
_RIFF = {b"AVI ": _FILM, b"WAVE": "is sound: kevo learns from pictures"}
_TEXT = "is text and no picture"
_UNKNOWN = "is no picture of a known format"


def name(head: bytes) -> str:
    """Says what a file is that could not be read as a picture, and what to do with it.

    Args:
        head: Its first bytes.

    Example:
        >>> name(b"%PDF-1.7")
        'is a PDF: convert it to JPEG or PNG'
    """
    if head[4:8] == b"ftyp":
        brands = {head[place : place + 4] for place in range(8, min(len(head), 64), 4)}
        for kind, known in _BRANDS.items():
            if head[8:12] in known:
                return _named(kind)
        found = next((kind for kind, known in _BRANDS.items() if brands & set(known)), None)
        return _UNKNOWN if found is None else _named(found)
    if head[128:132] == b"DICM":
        return "is DICOM: export it as PNG"
    if head[:4] == b"\x5c\x01\0\0" or head[344:348] in (b"n+1\0", b"ni1\0"):
        return "is NIfTI: export its slices as PNG"
    if head[_TAR_PLACE : _TAR_PLACE + len(_TAR)] == _TAR:
        return "is a tar archive: unpack it"
    if head[:4] == b"RIFF" and head[8:12] in _RIFF:
        return _RIFF[head[8:12]]
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml")) and b"<svg" in text:
        return f"is SVG: {_CONVERT}"
    if text.startswith((b"<!doctype html", b"<html")):
        return "is a web page and not the picture itself: download it again"
    found = next((words for beginning, words in _BEGINNINGS if head.startswith(beginning)), None)
    return found or (_TEXT if _is_text(head) else _UNKNOWN)


def name_file(stream: IO[bytes]) -> str:
    """Says what a file is that could not be read as a picture, and what to do with it.

    Args:
        stream: Its content, at any place.
    """
    stream.seek(0)
    head = stream.read(NUM_BYTES)
    if head.startswith(_TIFF):
        known = name(head)
        return known if known != _UNKNOWN else RAW if is_raw(_tags(stream)) else f"is a TIFF of a rare kind: {_CONVERT}"
    return name(head)


def is_raw(tags: Mapping[int, Any]) -> bool:
    """Tells whether a TIFF is a raw picture of a camera, such as NEF, ARW, PEF or DNG.

    Most begin with a small copy of the picture, which any reader of TIFF finds, and name the raw one beside it.

    Args:
        tags: Those of its first picture.
    """
    return (
        _DNG in tags
        or tags.get(_PHOTOMETRIC) in _RAW_COLORS
        or tags.get(_COMPRESSION) in _RAW_COMPRESSIONS
        or (tags.get(_IS_REDUCED) == 1 and _MORE_PICTURES in tags)
    )


def _tags(stream: IO[bytes]) -> Mapping[int, Any]:
    """Returns the tags of a TIFF that may be damaged, as far as they can be read."""
    try:
        stream.seek(0)
        found = TiffImagePlugin.ImageFileDirectory_v2(stream.read(_TIFF_HEAD))
        stream.seek(found.next)
        found.load(stream)
        return dict(found)
    except Exception:
        # Decoders meet broken files with errors of every kind.
        return {}


def _named(kind: str) -> str:
    return {"a film": _FILM, "sound": "is sound: kevo learns from pictures"}.get(kind, f"is {kind}: {_CONVERT}")


def _is_text(head: bytes) -> bool:
    """Whether all of it is text; the last letter may be cut in the middle."""
    try:
        words = head.decode()
    except UnicodeDecodeError as error:
        if not head or error.start < len(head) - 3:
            return False
        words = head[: error.start].decode()
    return bool(words) and all(letter.isprintable() or letter.isspace() for letter in words)
