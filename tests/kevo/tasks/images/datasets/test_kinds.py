"""Files that are no pictures that kevo reads are named."""

import pytest

from kevo.tasks.images.datasets.kinds import name


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is HEIC: convert it to JPEG or PNG"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "is HEIC: convert it to JPEG or PNG"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "is AVIF: convert it to JPEG or PNG"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "is a film: export its frames as JPEG or PNG"),
        (b"\0\0\0\x18ftypnone\0\0\0\0", "is no picture of a known format"),
        (bytes(128) + b"DICM" + bytes(99), "is DICOM: export it as PNG"),
        (b"\xff\x0a\xfa\x1f", "is JPEG XL: convert it to JPEG or PNG"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0", "is JPEG XL: convert it to JPEG or PNG"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
            "is a pointer of Git LFS and not the picture itself: run git lfs pull",
        ),
        (b"<?xml version='1.0'?>\n<svg>", "is SVG: convert it to JPEG or PNG"),
        (b"<!DOCTYPE html><title>404", "is a web page and not the picture itself: download it again"),
        (b"%PDF-1.7", "is a PDF: convert it to JPEG or PNG"),
        (b"PK\x03\x04", "is a zip archive: unpack it"),
        (b"words", "is no picture of a known format"),
        (b"", "is no picture of a known format"),
    ],
)
def test_each_kind_is_named_with_the_way_out(head: bytes, expected: str) -> None:
    assert name(head) == expected
