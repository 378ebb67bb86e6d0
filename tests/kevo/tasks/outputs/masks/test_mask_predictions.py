"""Predicted masks in lines, as JSON values and as files."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kevo.errors import ModelError, SettingsError
from kevo.tasks.outputs import parsing
from kevo.tasks.outputs.located import Located, free_name
from kevo.tasks.outputs.masks.output import PixelClasses
from kevo.tasks.outputs.masks.predictions import MaskPrediction

MASK = np.array([[1, 0], [0, 0]], np.uint8)


def test_a_mask_is_told_and_written(tmp_path: Path) -> None:
    found, taken = MaskPrediction(MASK, ("disk",), path="a/cat.jpg"), set[str]()
    assert found.line() == "25.00% disk  a/cat.jpg"
    assert found.to_json() == {"path": "a/cat.jpg", "width": 2, "height": 2, "area": {"disk": 0.25}}
    paths = [found.write(tmp_path, taken=taken) for _ in range(2)]
    assert [path.name for path in paths] == ["cat-mask.png", "cat-mask-2.png"]
    with Image.open(paths[0]) as image:
        assert np.asarray(image).tolist() == [[255, 0], [0, 0]]


def test_several_classes_are_a_palette(tmp_path: Path) -> None:
    path = MaskPrediction(2 * MASK, ("a", "b"), row=1).write(tmp_path, taken=set())
    with Image.open(path) as image:
        assert image.mode == "P"
        assert np.asarray(image).tolist() == (2 * MASK).tolist()
        assert image.convert("RGB").getpixel((0, 0)) != image.convert("RGB").getpixel((1, 0)) == (0, 0, 0)


def test_a_mask_is_drawn_over_its_picture() -> None:
    content = io.BytesIO()
    # Of another size than the mask, and of 16 bits, most of which are brighter than 255.
    Image.fromarray(np.array([[400, 800]], np.uint16)).resize((2000, 1000), Image.Resampling.NEAREST).save(
        content, "PNG"
    )
    mask = np.zeros((1000, 2000), np.uint8)
    mask[:, 1000:] = 2
    found = MaskPrediction(mask, ("a", "b"), path="a.png").drawings(content.getvalue())
    with Image.open(io.BytesIO(base64.b64decode(found["mask"]))) as image:
        assert image.mode == "P" and image.size == (2000, 1000) and np.array_equal(np.asarray(image), mask)
    with Image.open(io.BytesIO(base64.b64decode(found["overlay"]))) as image:
        assert image.size == (960, 480)
        dark, mixed = image.getpixel((10, 10)), image.getpixel((950, 10))
    assert dark == (127, 127, 127) and mixed == tuple(round(0.4 * 255 + 0.6 * color) for color in (60, 180, 75))
    assert found["colors"] == {"a": "#e63c3c", "b": "#3cb44b"}
    assert set(MaskPrediction(mask, ("a", "b"), path="a.png").drawings(None)) == {"mask"}
    assert Located(path="a.png").drawings(content.getvalue()) == {}


def test_other_answers_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Leave out --masks"):
        Located(path="a.png").write(tmp_path, taken=set())
    assert free_name("a", "grad-cam.png", {"a-grad-cam.png"}) == "a-grad-cam-2.png"


def test_the_output_is_read_again() -> None:
    for output in (PixelClasses(("disk",), (0, 255)), PixelClasses(("a", "b"), (0, 1, 2))):
        assert parsing.output({"task": "segmentation", **output.to_json()}) == output
    for values in (
        {"classes": [], "values": [0]},
        {"classes": ["a"], "values": [0]},
        {"classes": [1], "values": [0, 1]},
    ):
        with pytest.raises(ValueError, match="classes of its masks"):
            parsing.output({"masks": values})


def test_outputs_are_checked() -> None:
    one, two = PixelClasses(("disk",), (0, 255)), PixelClasses(("a", "b"), (0, 1, 2))
    assert one.are_valid(np.full((1, 2, 2, 1), 0.3)) and two.are_valid(np.full((1, 2, 2, 3), 1 / 3))
    assert not two.are_valid(np.full((1, 2, 2, 3), 0.3)) and not one.are_valid(np.full((1, 2, 2, 1), 1.3))
    with pytest.raises(ModelError, match="no masks"):
        one.check(np.full((1, 2, 2, 1), np.nan), "The model")


def test_strata_need_enough_of_both() -> None:
    output, masks = PixelClasses(("disk",), (0, 1)), np.zeros((24, 2, 2, 1), np.uint8)
    masks[:12, 0, 0] = 1
    assert output.strata(masks)[0].tolist() == [1] * 12 + [0] * 12
    assert output.strata(masks[:16])[1] == ("pictures with masks",)
