"""Files that are no pictures that kevo reads are named."""

import io
import struct

import pytest

from kevo.tasks.images.datasets.kinds import name, name_file


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
        (b"words", "is text and no picture"),
        ("na\u00efve, 5\n".encode()[:4], "is text and no picture"),
        (b"Rar!\x1a\x07", "is a RAR archive: unpack it"),
        (b"7z\xbc\xaf\x27\x1c", "is a 7z archive: unpack it"),
        (b"x.png".ljust(257, b"\0") + b"ustar\x0000", "is a tar archive: unpack it"),
        (b"RIFF\0\0\0\0AVI LIST", "is a film: export its frames as JPEG or PNG"),
        (b"RIFF\0\0\0\0WAVEfmt ", "is sound: kevo learns from pictures"),
        (b"ID3\x03", "is sound: kevo learns from pictures"),
        (b"FUJIFILMCCD-RAW", "is a raw picture of a camera: convert it to JPEG or PNG"),
        (b"II\x2a\0\x10\0\0\0CR\x02\0", "is a raw picture of a camera: convert it to JPEG or PNG"),
        (b"qoif", "is QOI: convert it to JPEG or PNG"),
        (b"gimp xcf v011", "is a file of GIMP: convert it to JPEG or PNG"),
        (b"NRRD0004", "is NRRD: export its slices as PNG"),
        (b"PAR1\x15", "is a table (Parquet): export its pictures as JPEG or PNG"),
        (b"\xff\xfe\0\x01", "is no picture of a known format"),
        (b"", "is no picture of a known format"),
    ],
)
def test_each_kind_is_named_with_the_way_out(head: bytes, expected: str) -> None:
    assert name(head) == expected


def tiff(tags: dict[int, int], order: str) -> bytes:
    """A TIFF that holds these tags, a short number each, and no picture."""
    entries = b"".join(struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0) for tag, value in sorted(tags.items()))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    return head + entries + bytes(4)


RARE = "is a TIFF of a rare kind: convert it to JPEG or PNG"
RAW = "is a raw picture of a camera: convert it to JPEG or PNG"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        # Of Nikon, Sony and Adobe: a small copy first, and what the sensor saw below it.
        ({254: 1, 262: 2, 330: 200}, RAW),
        ({262: 32803}, RAW),
        ({262: 34892}, RAW),
        ({259: 65535}, RAW),
        ({259: 34713}, RAW),
        ({262: 1, 50706: 1}, RAW),
        # A picture with smaller copies, and a kind that no camera writes.
        ({254: 0, 262: 2, 330: 200}, RARE),
        ({262: 8}, RARE),
        ({}, RARE),
    ],
)
def test_raw_pictures_that_are_tiff_inside_are_named(tags: dict[int, int], expected: str, order: str) -> None:
    assert name_file(io.BytesIO(tiff(tags, order))) == expected


def test_a_tiff_that_is_cut_in_its_tags_is_named() -> None:
    whole = tiff({259: 65535}, "<")
    for num_bytes in range(4, len(whole)):
        assert name_file(io.BytesIO(whole[:num_bytes])) in (RARE, RAW)
