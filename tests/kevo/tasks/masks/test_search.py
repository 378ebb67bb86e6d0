"""A whole search by the command, from a folder of pictures and masks to a model that takes pictures of any size."""

import csv
import dataclasses
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import kevo
from kevo.cli import main
from kevo.errors import DataError, SettingsError
from kevo.result import SearchResult
from kevo.runs import layout, reader
from kevo.tasks.masks.predictor import MaskPredictor
from tests.support.masks import disks, write_folder
from tests.support.searches import Diary
from tests.support.stranger import Stranger

SETTINGS = kevo.Settings(max_trials=1, epochs=8, num_finalists=1, population=2, space="small", workers=0)


class Search(NamedTuple):
    """A search that has ended, its data, and what it said."""

    data: Path
    result: SearchResult
    notes: list[str]


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Search:
    folder = tmp_path_factory.mktemp("masks")
    path, diary = write_folder(folder / "disks"), Diary()
    return Search(path, kevo.search(path, SETTINGS, out=folder / "run", listener=diary), diary.notes)


def test_a_search_finds_a_good_network(search: Search) -> None:
    assert search.result.kind.name == "segmentation"
    assert search.result.test.value("dice") > 0.8
    assert search.notes[0].startswith("disks: 24 pictures of 32 x 32 px, masks of 1 class")
    for words in ("images/ and masks/: segmentation", "The masks hold 0", "Boosted trees of pixels", "All background"):
        assert any(note.startswith(words) for note in search.notes)
    assert not any(note.startswith("No model card") for note in search.notes)


@pytest.mark.long
def test_a_search_with_the_genes_of_nasgp_net(tmp_path: Path) -> None:
    short = dataclasses.replace(SETTINGS, max_trials=2, epochs=1, final_epochs=1)
    settings = dataclasses.replace(short, space="nasgp", minimize=("params",))
    result = kevo.search(disks(12), settings, out=tmp_path / "run")
    assert result.kind.name == "segmentation" and result.trials_completed >= 2
    assert result.best_model.count_params() == result.num_parameters


def test_the_model_takes_pictures_by_the_lines_of_its_card(search: Search, stranger: Stranger, tmp_path: Path) -> None:
    card = (search.result.run_folder / layout.MODEL_CARD).read_text(encoding="utf-8")
    script = card.partition("```python\n")[2].partition("```")[0]
    for name in (layout.MODEL, layout.TASK):
        (tmp_path / name).write_bytes((search.result.run_folder / name).read_bytes())
    pictures, masks = disks(1, seed=7)
    Image.fromarray(pictures[0]).resize((50, 40)).save(tmp_path / "picture.jpg", quality=95)
    name, share = stranger.run(script, folder=tmp_path).split()
    assert name == "foreground" and float(share) == pytest.approx(masks.mean(), abs=0.05)
    with Image.open(tmp_path / "mask.png") as image:
        assert image.size == (50, 40) and np.asarray(image).mean() == pytest.approx(float(share))


def test_pictures_are_predicted_at_their_own_size(search: Search, tmp_path: Path) -> None:
    pictures, masks = disks(3, seed=8)
    paths = [tmp_path / f"{place}.png" for place in range(3)]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture).resize((96, 64), Image.Resampling.NEAREST).save(path)
    found = list(MaskPredictor.open(search.result.run_folder).predict(paths))
    for one, mask in zip(found, masks, strict=True):
        values = one.to_json()
        assert (values["width"], values["height"]) == (96, 64)
        assert values["area"]["foreground"] == pytest.approx(mask.mean(), abs=0.05)
    (by_row,) = MaskPredictor.open(search.result.run_folder).predict(pictures[:1])
    assert by_row.name == "row 1" and by_row.to_json()["width"] == 32
    skipped = []
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert not list(MaskPredictor.open(search.result.run_folder).predict(tmp_path / "broken.png", skip=skipped.append))
    assert skipped[0].path.endswith("broken.png")
    with pytest.raises(DataError, match="broken.png"):
        list(MaskPredictor.open(search.result.run_folder).predict(tmp_path / "broken.png"))
    with pytest.raises(SettingsError, match="write its masks with --masks"):
        list(MaskPredictor.open(search.result.run_folder).predict(paths, grad_cam=tmp_path))


def test_the_scores_are_found_again(search: Search, tmp_path: Path) -> None:
    predictor = MaskPredictor.open(search.result.run_folder)
    scored = predictor.evaluate(search.data)
    assert scored.to_json()["dice"] == pytest.approx(search.result.test.value("dice"))
    assert predictor.evaluate(search.data, split="validation").is_familiar
    others = write_folder(tmp_path / "others", 4, splits=("train", "test"), white=1, seed=20)
    scored = predictor.evaluate(others)
    assert scored.split == "test" and scored.scores.dice > 0.7 and not scored.is_familiar
    assert predictor.evaluate(others, split="all").scores.num_examples == 8
    with pytest.raises(DataError, match="no validation split, only: train, test"):
        predictor.evaluate(others, split="validation")


def test_the_report_shows_masks_and_references(search: Search, tmp_path: Path) -> None:
    html = search.result.report(tmp_path / "report.html").read_text(encoding="utf-8")
    for said in (
        "Against other models",
        "Boosted trees of pixels",
        "All background",
        "Dice by picture",
        "true mask",
    ):
        assert said in html
    card = (search.result.run_folder / layout.MODEL_CARD).read_text(encoding="utf-8")
    assert "Dice" in card and "Boosted trees of pixels" in card


def test_a_search_may_be_taken_up_again(search: Search) -> None:
    again = kevo.resume(search.result.run_folder)
    assert (again.test, again.genome) == (search.result.test, search.result.genome)


@pytest.mark.long
def test_small_networks_are_looked_for_at_the_same_time_by_the_command(tmp_path: Path) -> None:
    data, run = write_folder(tmp_path / "disks"), tmp_path / "run"
    sizes = ["--max-trials", "5", "--epochs", "6", "--population", "4", "--finalists", "1", "--workers", "0"]
    chosen = ["--minimize", "params", "--weights", "mobilenet_v2=none", "--space", "small"]
    done = CliRunner().invoke(main, ["search", str(data), "--out", str(run), *sizes, *chosen])
    assert done.exit_code == 0, done.output
    facts, front = reader.read(run), SearchResult.open(run).front
    assert {record.genome["family"] for record in facts.records} == {"unet", "pretrained_unet"}
    by_size = sorted(front, key=lambda member: member.metrics["params"])
    assert [member.metrics["val_dice"] for member in by_size] == sorted(one.metrics["val_dice"] for one in front)
    assert by_size[0].metrics["params"] < 20_000
    for member in front:
        model = keras.models.load_model(member.model_path)
        assert model.count_params() == member.metrics["params"]
        assert model.predict(disks(1, side=50)[0], verbose=0).shape == (1, 50, 50, 1)


def test_commands(search: Search, tmp_path: Path) -> None:
    run, pictures = str(search.result.run_folder), str(search.data / "images")
    predicted = CliRunner().invoke(main, ["predict", run, pictures, "--masks", str(tmp_path / "masks")])
    assert predicted.exit_code == 0 and predicted.stdout.count("% foreground") == 24
    drawn = sorted((tmp_path / "masks").iterdir())
    assert len(drawn) == 24
    with Image.open(drawn[0]) as image:
        assert image.size == (32, 32) and set(np.unique(np.asarray(image))) <= {0, 255}
    assert CliRunner().invoke(main, ["predict", run, pictures, "--csv", str(tmp_path / "areas.csv")]).exit_code == 0
    with (tmp_path / "areas.csv").open(encoding="utf-8") as file:
        assert list(next(csv.DictReader(file))) == ["path", "width", "height", "area(foreground)"]
    for arguments, code, words in (
        (["evaluate", run, str(search.data)], 0, "Dice  "),
        (["export", run, "--format", "onnx"], 1, "written in no other format yet"),
        (["search", str(search.data), "--task", "segmentation", "--folds", "3"], 2, "Leave --folds out"),
    ):
        done = CliRunner().invoke(main, arguments)
        assert (done.exit_code, words in done.output) == (code, True), done.output
