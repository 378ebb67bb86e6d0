"""Pictures that belong together are never in different splits."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kevo.errors import DataError, SettingsError
from kevo.tasks.images import datasets
from kevo.tasks.images.datasets import ImageDataset
from kevo.tasks.outputs.classes.stratified import divide_groups

NUM_PATIENTS, NUM_EACH = 20, 6
SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of scans; every patient has some of both, and its number in the red of all of them."""
    folder = tmp_path_factory.mktemp("scans")
    rows = ["path;label;Patient"]
    for patient in range(NUM_PATIENTS):
        for number in range(NUM_EACH):
            name = ("ill", "well")[number % 2]
            path = folder / name / f"patient{patient}_{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB", (16, 16), (10 * patient, number, 0)).save(path)
            rows.append(f"{name}/{path.name};{name};P{patient}")
    (folder / "scans.csv").write_text("\n".join(rows))
    return folder


def reds(dataset: ImageDataset) -> list[set[int]]:
    return [set(np.unique(getattr(dataset, split).pictures[..., 0]).tolist()) for split in SPLITS]


@pytest.mark.parametrize(
    ("source", "groups"), [("scans.csv", "patient"), ("", "patient([0-9]+)"), ("", r"patient\d+_")]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_no_group_is_in_two_splits(patients: Path, source: str, groups: str, seed: int) -> None:
    folder = patients / source
    dataset = datasets.load(folder, groups=groups, seed=seed)
    found = reds(dataset)
    assert sum(map(len, found)) == NUM_PATIENTS == len(set.union(*found))
    for split in SPLITS:
        assert np.bincount(getattr(dataset, split).labels).min() > 0
    assert 12 <= len(dataset.test) <= 24 and 18 <= len(dataset.validation) <= 30
    assert "120 pictures belong to 20 groups by the" in dataset.notes[0]
    # Without groups every patient is everywhere.
    assert sum(map(len, reds(datasets.load(folder, seed=seed)))) > NUM_PATIENTS


def test_groups_that_a_source_divides_are_said(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for name in ("ill", "well"):
            for number in range(4):
                path = tmp_path / split / name / f"patient{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (16, 16), (len(split), number, len(name))).save(path)
    notes = datasets.load(tmp_path, groups=r"patient\d").notes
    assert notes[1] == ("4 groups stand in several splits, as the source divides them: the scores may be too good.")


def test_groups_that_mean_nothing_are_refused(patients: Path) -> None:
    with pytest.raises(SettingsError, match="neither a column nor a regular expression: 'patient\\('"):
        datasets.load(patients, groups="patient(")
    with pytest.raises(DataError, match="is no column of a CSV and matches no path, such as 'ill/patient0_0.png'"):
        datasets.load(patients, groups="scene")
    with pytest.raises(SettingsError, match="arrays have neither columns nor paths"):
        datasets.load("digits", groups="patient")
    with pytest.raises(DataError, match="The class 'ill' has pictures in 1 groups. Expected at least 3"):
        datasets.load(patients, groups="(patient)")


def test_groups_of_unlike_sizes_are_divided_too() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 30, 600)
    labels = (rng.random(600) < 0.1 + 0.02 * groups).astype(np.int64)
    fractions = {"validation": 0.2, "test": 0.15}
    parts = divide_groups(groups.tolist(), labels, fractions, class_names=["a", "b"], examples="pictures", seed=0)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(600))
    found = [set(groups[part].tolist()) for part in parts.values()]
    assert sum(map(len, found)) == len(set.union(*found)) == 30
    assert abs(len(parts["test"]) - 90) < 40 and abs(len(parts["validation"]) - 120) < 40
    for part in parts.values():
        assert abs(labels[part].mean() - labels.mean()) < 0.15
