"""Names files that are no pictures that kevo reads, by their first bytes."""

from __future__ import annotations

NUM_BYTES = 512
"""So many first bytes tell."""

_CONVERT = "convert it to JPEG or PNG"
_BRANDS = {
    "HEIC": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
    "AVIF": (b"avif", b"avis"),
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
    (b"\x1f\x8b", "is compressed with gzip: unpack it"),
    (b"\x1aE\xdf\xa3", "is a film: export its frames as JPEG or PNG"),
)
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
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml")) and b"<svg" in text:
        return f"is SVG: {_CONVERT}"
    if text.startswith((b"<!doctype html", b"<html")):
        return "is a web page and not the picture itself: download it again"
    return next((words for beginning, words in _BEGINNINGS if head.startswith(beginning)), _UNKNOWN)


def _named(kind: str) -> str:
    return f"is {kind}: {'export its frames as JPEG or PNG' if kind == 'a film' else _CONVERT}"
