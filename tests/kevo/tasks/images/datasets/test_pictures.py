"""Every kind of picture file becomes the right RGB pixels, or is skipped with its reason."""

import io
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kevo.errors import SettingsError
from kevo.tasks.images.datasets import Limits
from kevo.tasks.images.datasets.levels import Whites
from kevo.tasks.images.datasets.pictures import SIZES, File, choose_crop, choose_shape, decode

SIDE = 8
RAMP = np.arange(SIDE * SIDE, dtype=np.uint8).reshape(SIDE, SIDE) * 4
COLORS = np.stack([RAMP, 255 - RAMP, RAMP.T], axis=-1)


def encoded(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, file_format, **options)
    return stream.getvalue()


def file(content: bytes, name: str = "picture") -> File:
    return File(name, len(content), lambda: io.BytesIO(content))


def together(*contents: bytes, image_size: int | None = None, whites: Whites | None = None) -> np.ndarray:
    found = decode(list(map(file, contents)), image_size=image_size, limits=Limits(), whites=whites)
    assert found.reasons == [None] * len(contents)
    return found.pictures


def pixels(content: bytes, *, image_size: int | None = None) -> np.ndarray:
    (found,) = together(content, image_size=image_size)
    return found


def reason(content: bytes, limits: Limits | None = None) -> str:
    (only,) = decode([file(content)], image_size=None, limits=limits or Limits()).reasons
    assert only is not None
    return only


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[..., np.newaxis], 3, axis=2)


def palette() -> Image.Image:
    """Colors 0-3 in quarters; color 3 is transparent."""
    image = Image.new("P", (SIDE, SIDE))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    image.putdata([2 * (row >= 4) + (column >= 4) for row in range(SIDE) for column in range(SIDE)])
    return image


def quarters(*colors: tuple[int, int, int]) -> np.ndarray:
    return np.array(colors, np.uint8).reshape(2, 2, 3).repeat(4, axis=0).repeat(4, axis=1)


RED, GREEN, BLUE, DARK, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9), (255, 255, 255)


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "TIFF", "PPM", "PCX", "SGI", "WEBP", "JPEG2000"])
def test_rgb_keeps_its_pixels(file_format: str) -> None:
    options = {"lossless": True} if file_format == "WEBP" else {}
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(COLORS), file_format, **options)), COLORS)


@pytest.mark.parametrize("file_format", ["JPEG", "AVIF"])
def test_lossy_formats_are_read(file_format: str) -> None:
    flat = Image.new("RGB", (SIDE, SIDE), (200, 100, 50))
    np.testing.assert_allclose(pixels(encoded(flat, file_format)), np.asarray(flat), atol=4)


def test_grey_is_repeated() -> None:
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(RAMP))), grey(RAMP))


def test_one_bit_is_black_and_white() -> None:
    bits = RAMP > 100
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(bits))), grey(np.where(bits, 255, 0)))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_put_on_white(mode: str) -> None:
    alpha = np.full((SIDE, SIDE), 255, np.uint8)
    alpha[:2], alpha[2:4] = 0, 51
    base = COLORS if mode == "RGBA" else RAMP[..., np.newaxis]
    image = Image.fromarray(
        np.concatenate([base, alpha[..., np.newaxis]], axis=2), mode="RGBA" if base is COLORS else "LA"
    )
    expected = (COLORS if mode == "RGBA" else grey(RAMP)).astype(float)
    expected[:2] = 255
    expected[2:4] = expected[2:4] * 0.2 + 255 * 0.8
    found = pixels(encoded(image))
    np.testing.assert_array_equal(found[:2], 255)
    np.testing.assert_array_equal(found[4:], expected[4:])
    np.testing.assert_allclose(found, expected, atol=1)


def test_palette_becomes_its_colors() -> None:
    np.testing.assert_array_equal(pixels(encoded(palette())), quarters(RED, GREEN, BLUE, DARK))


@pytest.mark.parametrize("file_format", ["PNG", "GIF"])
def test_transparent_palette_color_is_white(file_format: str) -> None:
    content = encoded(palette(), file_format, transparency=3)
    np.testing.assert_array_equal(pixels(content), quarters(RED, GREEN, BLUE, WHITE))


def test_transparent_rgb_color_is_white() -> None:
    image = Image.fromarray(quarters(RED, GREEN, BLUE, DARK))
    np.testing.assert_array_equal(pixels(encoded(image, transparency=DARK)), quarters(RED, GREEN, BLUE, WHITE))


def test_cmyk_becomes_rgb() -> None:
    inks = np.zeros((SIDE, SIDE, 4), np.uint8)
    inks[:, :4, 0], inks[:, 4:, 3] = 255, 255
    found = pixels(encoded(Image.fromarray(inks, mode="CMYK"), "TIFF"))
    np.testing.assert_array_equal(found, quarters((0, 255, 255), (0, 0, 0), (0, 255, 255), (0, 0, 0)))


def test_cmyk_jpeg_is_read() -> None:
    found = pixels(encoded(Image.new("CMYK", (SIDE, SIDE), (255, 0, 0, 0)), "JPEG"))
    np.testing.assert_allclose(found, np.broadcast_to((0, 255, 255), found.shape), atol=4)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled_and_not_clipped(file_format: str) -> None:
    deep = RAMP.astype(np.uint16) * 257
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(deep), file_format)), grey(RAMP))


def test_sixteen_bits_are_rounded() -> None:
    deep = np.full((SIDE, SIDE), 128, np.uint16)
    deep[0], deep[-1] = 129, 65535
    assert pixels(encoded(Image.fromarray(deep)))[[0, 1, -1], 0, 0].tolist() == [1, 0, 255]


@pytest.mark.parametrize("white", [255, 1023, 4095, 16383, 65535])
def test_one_white_holds_for_all_pictures_whatever_their_container(white: int) -> None:
    bright = np.rint(RAMP.astype(float) * (white / 255)).astype(np.uint16)
    dark = bright // 8
    found = together(encoded(Image.fromarray(dark)), encoded(Image.fromarray(bright)))
    np.testing.assert_array_equal(found[0], grey(np.rint(dark * (255 / white)).astype(np.uint8)))
    np.testing.assert_array_equal(found[1], grey(RAMP))
    # A new picture is seen with the white of the others, however dark it is.
    new = together(encoded(Image.fromarray(dark)), whites=Whites(integers=white))
    np.testing.assert_array_equal(new[0], found[0])


def test_a_few_hot_pixels_decide_nothing() -> None:
    deep = np.full((64, 64), 3000, np.uint16)
    deep[:32] = 1000
    hot = deep.copy()
    hot[5, 5] = 65535
    found = decode([file(encoded(Image.fromarray(one))) for one in (deep, hot)], image_size=None, limits=Limits())
    assert found.whites == Whites(integers=4095)
    assert found.notes == (
        "2 files hold more than 8 bits. The pictures have values from 1000 to 65535: 4095 is white for all of them. "
        "What lies beyond is cut off.",
    )
    assert found.pictures[1, [0, 5, 63], [0, 5, 63], 0].tolist() == [62, 255, 187]


def test_a_picture_far_beyond_the_models_white_is_skipped() -> None:
    bright = encoded(Image.fromarray(np.full((SIDE, SIDE), 40000, np.uint16)))
    found = decode([file(bright)], image_size=None, limits=Limits(), whites=Whites(integers=4095))
    assert found.reasons == ["has values up to 40000, and white is 4095 in the pictures of this model"]


def test_wide_integers_hold_sixteen_bits() -> None:
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(RAMP.astype(np.int32) * 257), "TIFF")), grey(RAMP))


@pytest.mark.parametrize("white", [1, 255, 65535])
def test_floats_end_at_one_or_at_the_next_white(white: int) -> None:
    values = RAMP.astype(np.float32) / 255
    values[-1, -1] = 1
    expected = np.array(RAMP)
    expected[-1, -1] = 255
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(values * white), "TIFF")), grey(expected))


@pytest.mark.parametrize("value", [-1.0, 70000.0, np.nan])
def test_floats_beyond_every_white_are_skipped(value: float) -> None:
    image = Image.fromarray(np.full((SIDE, SIDE), value, np.float32))
    expected = f"has values from {value:g} to {value:g}: expected up to 16 bits, or floats 0-1 or 0-255"
    assert reason(encoded(image, "TIFF")) == expected


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (SIDE, SIDE), color) for color in (RED, GREEN)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(pixels(content), quarters(RED, RED, RED, RED))


def test_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # The camera was turned: rotate by 90 degrees clockwise to view.
    np.testing.assert_array_equal(pixels(encoded(Image.fromarray(COLORS), exif=exif)), np.rot90(COLORS, -1))


def test_orientation_is_applied_whatever_else_the_metadata_hold() -> None:
    # Orientation 6, and in the tag of the compression a number below zero, which Pillow cannot write again.
    tags = struct.pack("<H HHIHH HHIhH I", 2, 0x0112, 3, 1, 6, 0, 0x0103, 8, 1, -5, 0, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<I", 8) + tags
    for orientation, turn in ((6, -1), (8, 1), (3, 2)):
        content = encoded(Image.fromarray(COLORS), exif=exif.replace(b"\x01\0\0\0\x06", b"\x01\0\0\0%c" % orientation))
        np.testing.assert_array_equal(pixels(content), np.rot90(COLORS, turn))


def test_pictures_are_squashed_without_aliasing() -> None:
    stripes = np.zeros((32, 64), np.uint8)
    stripes[:, ::2] = 255
    found = pixels(encoded(Image.fromarray(stripes)), image_size=16)
    assert found.shape == (16, 16, 3)
    np.testing.assert_allclose(found[:, 2:-2], 127.5, atol=2)


@pytest.mark.parametrize("size", [(100, 140), (140, 100), (101, 120)])
def test_the_middle_of_a_picture_is_taken_where_it_is_cropped(size: tuple[int, int]) -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))
    (middle,) = decode([file(encoded(image))], image_size=min(size), limits=Limits(), crop=True).pictures
    first, second = ((length - min(size)) // 2 for length in size)
    np.testing.assert_array_equal(middle, np.asarray(image)[first:, second:][: min(size), : min(size)])


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([(500, 375), (375, 500), (480, 320)], True),
        ([(224, 224)] * 3, False),
        ([(150, 100)] * 9 + [(1000, 100)], True),
        ([(150, 100)] * 8 + [(1000, 100)] * 2, False),
        # Small pictures mostly show one thing that fills them.
        ([(64, 48)] * 3, False),
        ([], False),
    ],
)
def test_photographs_are_cropped(shapes: list[tuple[int, int]], expected: bool) -> None:
    assert choose_crop(shapes) is expected


def test_a_large_jpeg_looks_the_same_as_without_the_shortcut() -> None:
    wave = (np.sin(np.linspace(0, 20, 640)) * 100 + 128).astype(np.uint8)
    content = encoded(Image.fromarray(np.add.outer(wave // 2, wave // 2)), "JPEG", quality=95)
    plain = Image.open(io.BytesIO(content)).resize((64, 64), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(pixels(content, image_size=64)[..., 0], np.asarray(plain), atol=6)


def half_of(content: bytes) -> bytes:
    return content[: len(content) // 2]


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"not a picture at all", "is text and no picture"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "is SVG: convert it to JPEG or PNG"),
        (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n",
            "is PostScript: convert it to JPEG or PNG",
        ),
        (half_of(encoded(NOISE, "JPEG")), "truncated"),
        (half_of(encoded(NOISE)), "truncated"),
        (encoded(NOISE)[:20], ""),
        (encoded(NOISE, "JPEG")[:3], ""),
    ],
    ids=["empty", "text", "svg", "eps", "half a jpeg", "half a png", "png header", "jpeg header"],
)
def test_what_is_no_picture_is_skipped(content: bytes, expected: str) -> None:
    assert expected in reason(content)


def test_any_damage_skips_one_picture_only() -> None:
    rng = np.random.default_rng(0)
    good = [encoded(NOISE, file_format) for file_format in ("PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP")]
    files = []
    for number in range(300):
        content = bytearray(good[number % len(good)])
        for position in rng.integers(0, len(content), 8):
            content[position] = rng.integers(256)
        files.append(file(bytes(content[: rng.integers(1, len(content) + 1)])))
    sound = file(good[0])
    found = decode([sound, *files, sound], image_size=64, limits=Limits())
    pictures, reasons = found.pictures, found.reasons
    assert reasons[0] is reasons[-1] is None
    assert sum(bool(reason) for reason in reasons) > 100
    np.testing.assert_array_equal(pictures[[0, -1]], np.stack([np.asarray(NOISE)] * 2))


def test_a_file_that_vanishes_is_skipped(tmp_path: Path) -> None:
    gone = File("gone.png", 10, (tmp_path / "gone.png").open)  # type: ignore[arg-type]
    assert decode([gone], image_size=None, limits=Limits()).reasons == ["cannot be read: No such file or directory"]


def test_too_many_pixels_are_skipped_before_they_are_decoded() -> None:
    assert reason(encoded(NOISE), Limits(max_pixels=4000)) == "has more than 4,000 pixels"


@pytest.mark.parametrize("side", [10_000, 13_500])
def test_a_decompression_bomb_is_skipped_in_silence(side: int, recwarn: pytest.WarningsRecorder) -> None:
    filters, most = list(warnings.filters), Image.MAX_IMAGE_PIXELS
    bomb = encoded(Image.new("1", (side, side)))
    assert len(bomb) < 100_000
    recwarn.clear()
    assert reason(bomb) == "has more than 89,478,485 pixels"
    assert recwarn.list == []
    assert (list(warnings.filters), Image.MAX_IMAGE_PIXELS) == (filters, most)


def test_a_file_too_long_is_not_opened() -> None:
    def refuse() -> io.BytesIO:
        raise AssertionError

    reasons = decode([File("long.png", 11, refuse)], image_size=None, limits=Limits(max_file_bytes=10)).reasons
    assert reasons == ["is larger than 10 bytes"]


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([(10, 10)] * 3, 10),
        ([(4, 4)] * 3, 8),
        ([(300, 300)] * 3, 224),
        ([(10, 17)] * 3, 24),
        ([(10, 12), (10, 12), (10, 13)], 16),
        ([(28, 28), (28, 27), (20, 28)], 28),
        ([(100, 30), (30, 100), (10, 10)], 112),
        ([(4000, 3000)], 224),
        ([(5, 40), (5, 40), (900, 900)], 48),
    ],
)
def test_size_comes_from_the_longer_sides(shapes: list[tuple[int, int]], expected: int) -> None:
    assert choose_shape(shapes, image_size=None) == (expected, expected)


def test_small_pictures_of_one_size_stay_as_they_are() -> None:
    assert choose_shape([(6, 7)] * 3, image_size=None) == (6, 7)
    assert choose_shape([(16, 4)] * 3, image_size=None) == (16, 4)
    # Unless a size is asked for, as by the model that is to see them.
    assert choose_shape([(6, 7)] * 3, image_size=8) == (8, 8)
    assert choose_shape([(60, 70)] * 3, image_size=(6, 7)) == (6, 7)


def test_files_of_boards_keep_their_pixels() -> None:
    boards = np.random.default_rng(0).integers(0, 256, (3, 6, 7, 3), np.uint8)
    files = [file(encoded(Image.fromarray(board))) for board in boards]
    np.testing.assert_array_equal(decode(files, image_size=None, limits=Limits()).pictures, boards)


@pytest.mark.parametrize("image_size", [0, 7, -1, 16.0])
def test_size_asked_for_must_make_sense(image_size: int) -> None:
    with pytest.raises(SettingsError, match=f"whole number of pixels, at least 8. Received: {image_size}"):
        choose_shape([(8, 8)], image_size=image_size)


def test_sizes_rise() -> None:
    assert list(SIZES) == sorted(set(SIZES))


@pytest.mark.parametrize("side", [16, 128], ids=["one thread", "many threads"])
def test_rows_stand_in_the_order_of_the_files(side: int) -> None:
    shade: Callable[[int], Image.Image] = lambda value: Image.new("L", (side, side), value)  # noqa: E731
    files = [file(encoded(shade(value))) for value in range(40)]
    found = decode(files, image_size=None, limits=Limits())
    pictures, reasons = found.pictures, found.reasons
    assert set(reasons) == {None}
    assert pictures[:, 0, 0, 0].tolist() == list(range(40))


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        # A small copy of a raw picture is a sound TIFF, and not what was photographed.
        ({254: 1, 330: 8}, "is a raw picture of a camera: convert it to JPEG or PNG"),
        ({50706: 1}, "is a raw picture of a camera: convert it to JPEG or PNG"),
        ({254: 1}, None),
        ({330: 8}, None),
    ],
)
def test_the_small_copy_in_a_raw_picture_is_not_taken_for_it(tags: dict[int, int], expected: str | None) -> None:
    content = encoded(Image.fromarray(COLORS), "TIFF", tiffinfo=tags)
    (found,) = decode([file(content)], image_size=None, limits=Limits()).reasons
    assert found == expected
