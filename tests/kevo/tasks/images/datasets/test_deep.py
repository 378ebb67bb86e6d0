"""16-bit colors keep all of their bits, and one value is white for all of a source."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kevo.tasks.images.datasets import Limits
from kevo.tasks.images.datasets.levels import Whites
from kevo.tasks.images.datasets.pictures import Decoded, File, decode

SIDE = 8
RNG = np.random.default_rng(0)
COLORS = RNG.integers(0, 256, (SIDE, SIDE, 3))
COLORS[0, 0], COLORS[0, 1] = 255, 0
_PNG_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}


def png(values: np.ndarray, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG with 16 bits of each channel, as Pillow cannot write it; `more` are chunks to put before the pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = values.shape
    head = struct.pack(">IIBBBBB", width, height, 16, _PNG_TYPES[channels], 0, 0, 0)
    rows = b"".join(b"\0" + line.astype(">u2").tobytes() for line in values)
    chunks = [(b"IHDR", head), *more, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def tiff(values: np.ndarray, order: str, *, planar: bool = False, packed: bool = False) -> bytes:
    """A TIFF with 16 bits of each channel."""
    height, width, channels = values.shape
    planes = [values[..., place] for place in range(channels)] if planar else [values]
    strips = [plane.astype(f"{order}u2").tobytes() for plane in planes]
    strips = list(map(zlib.compress, strips)) if packed else strips
    num = len(strips)
    tags = 11 + (channels == 4)
    after = 8 + 2 + 12 * tags + 4
    bits = (channels, struct.pack(f"{order}{channels}H", *[16] * channels))
    starts = np.cumsum([after + 8 + 8 * num, *map(len, strips)])[:num].tolist()
    places = struct.pack(f"{order}{num}I", *starts) + struct.pack(f"{order}{num}I", *map(len, strips))
    entries = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, bits[0], after), (259, 3, 1, 8 if packed else 1)]
    entries += [(262, 3, 1, 2), (273, 4, num, after + 8 if num > 1 else starts[0]), (277, 3, 1, channels)]
    entries += [(278, 3, 1, height), (279, 4, num, after + 8 + 4 * num if num > 1 else len(strips[0]))]
    entries += [(284, 3, 1, 2 if planar else 1), (317, 3, 1, 1)]
    entries += [(338, 3, 1, 2)] if channels == 4 else []
    listed = b"".join(
        struct.pack(f"{order}HHIHH", tag, kind, count, value, 0)
        if kind == 3 and count == 1
        else struct.pack(f"{order}HHII", tag, kind, count, value)
        for tag, kind, count, value in entries
    )
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return b"".join(
        [
            magic,
            struct.pack(f"{order}IH", 8, tags),
            listed,
            bytes(4),
            bits[1].ljust(8, b"\0"),
            places,
            *strips,
        ]
    )


def read(*contents: bytes, whites: Whites | None = None) -> Decoded:
    def opener(content: bytes) -> File:
        return File("picture", len(content), lambda: io.BytesIO(content))

    found = decode(list(map(opener, contents)), image_size=None, limits=Limits(), whites=whites)
    assert found.reasons == [None] * len(contents)
    return found


@pytest.mark.parametrize("white", [255, 1023, 4095, 16383, 65535])
def test_colors_have_one_white_like_grey(white: int) -> None:
    bright = np.rint(COLORS * (white / 255))
    dark = bright // 8
    found = read(png(dark), png(bright))
    assert found.whites == Whites(integers=white)
    np.testing.assert_array_equal(found.pictures[0], np.rint(dark * (255 / white)))
    np.testing.assert_array_equal(found.pictures[1], COLORS)
    # A new picture is seen with the white of the others, however dark it is.
    np.testing.assert_array_equal(read(png(dark), whites=Whites(integers=white)).pictures[0], found.pictures[0])


def test_grey_and_colors_have_the_same_white() -> None:
    grey = Image.fromarray((COLORS[..., 0] * 16).astype(np.uint16))
    stream = io.BytesIO()
    grey.save(stream, "PNG")
    found = read(stream.getvalue(), png(COLORS * 16))
    assert found.whites == Whites(integers=4095)
    np.testing.assert_array_equal(found.pictures[0, ..., 0], found.pictures[1, ..., 0])


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("options", [{}, {"planar": True}, {"packed": True}], ids=["plain", "planar", "packed"])
def test_every_layout_of_a_tiff_keeps_all_bits(order: str, options: dict[str, bool]) -> None:
    # The lower byte alone tells these: the upper one is 15 or less.
    values = np.rint(COLORS * (4095 / 255))
    np.testing.assert_array_equal(read(tiff(values, order, **options)).pictures[0], COLORS)


def test_packed_planes_keep_their_upper_byte() -> None:
    found = read(tiff(COLORS * 257, "<", planar=True, packed=True), png(COLORS * 257))
    np.testing.assert_array_equal(found.pictures[0], COLORS)
    assert found.notes[-1].startswith(
        "Of 1 file with 16 bits of each color only the upper 8 are read (picture): save them as PNG"
    )


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_sgi_keeps_the_upper_byte_and_says_so(mode: str) -> None:
    stream = io.BytesIO()
    whole = Image.fromarray(COLORS.astype(np.uint8)).convert(mode)
    whole.save(stream, "SGI", bpc=2)
    found = read(stream.getvalue())
    assert "only the upper 8 are read" in found.notes[0]
    stream = io.BytesIO()
    whole.save(stream, "SGI", bpc=1)
    assert read(stream.getvalue()).notes == ()


def test_transparency_of_16_bits_is_put_on_white() -> None:
    alpha = np.full((SIDE, SIDE, 1), 65535)
    alpha[2:4] = 0
    expected = COLORS.copy()
    expected[2:4] = 255
    for content in (png(np.concatenate([COLORS * 257, alpha], 2)), tiff(np.concatenate([COLORS * 257, alpha], 2), "<")):
        np.testing.assert_array_equal(read(content).pictures[0], expected)
    grey = read(png(np.concatenate([COLORS[..., :1] * 257, alpha], 2))).pictures[0]
    np.testing.assert_array_equal(grey, expected[..., :1].repeat(3, axis=2))


def test_a_transparent_color_of_16_bits_is_white() -> None:
    values = COLORS * 257
    values[3, 3] = (1, 2, 3)
    values[4, 4] = (1, 2, 259)
    found = read(png(values, (b"tRNS", struct.pack(">HHH", 1, 2, 3)))).pictures[0]
    assert found[[3, 4], [3, 4]].tolist() == [[255, 255, 255], [0, 0, 1]]
    grey = read(png(values[..., :1], (b"tRNS", struct.pack(">H", 1)))).pictures[0]
    assert (grey[[3, 4], [3, 4]] == 255).all()


def test_colors_of_16_bits_are_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    found = read(png(COLORS * 257, (b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))))
    np.testing.assert_array_equal(found.pictures[0], np.rot90(COLORS, -1))


def test_a_picture_cut_off_in_its_colors_is_skipped() -> None:
    content = png(COLORS * 257)[:-60]
    (reason,) = decode([File("x", len(content), lambda: io.BytesIO(content))], image_size=None, limits=Limits()).reasons
    assert reason is not None and reason.startswith(("is broken", "cannot be read"))
