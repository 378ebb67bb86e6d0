"""Pictures that an export is tried on."""

from pathlib import Path

import numpy as np
import pytest

import kevo
from kevo.errors import DataError
from kevo.runs.folder import Run
from kevo.runs.ownership import SIGNATURE, signed
from kevo.tasks.images import datasets
from kevo.tasks.images.exportable import Exam, exam
from kevo.tasks.outputs.classes.output import Classes
from tests.support.samples import stripes

LABELS = ("across", "down", "none")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pictures") / "stripes.npz"
    x, y = stripes(240)
    np.savez(path, x=x, y=np.array(LABELS)[y])
    return path


@pytest.fixture
def run(pictures: Path, tmp_path: Path) -> Run:
    settings = kevo.Settings()
    fingerprint = datasets.load(pictures, seed=settings.seed).fingerprint()
    values = {"data": str(pictures), "fingerprint": fingerprint, "search": settings.to_json()}
    return Run.create(tmp_path / "run", signed(values))


def examined(run: Run | None, data: Path | None = None) -> Exam:
    return exam(run, None if data is None else str(data), output=Classes(LABELS), num_outputs=3)


def test_pictures_are_those_of_the_search(run: Run, pictures: Path) -> None:
    for found in (examined(run), examined(run, pictures), examined(None, pictures)):
        assert found.words == "32 test pictures of stripes" and found.notes == () and len(found.pictures) == 32


def test_pictures_may_be_gone(run: Run) -> None:
    run.settings = signed({**run.settings, "data": "gone"})
    found = examined(run)
    assert found.words == "16 pictures of random pixels" and found.dataset is None
    assert "The pictures of the search cannot be used" in found.notes[0]


def test_pictures_may_have_changed(run: Run) -> None:
    run.settings = signed({**run.settings, "fingerprint": "others"})
    assert "have changed since the search" in examined(run).notes[0]


def test_pictures_that_somebody_else_names_are_not_read(run: Run, pictures: Path) -> None:
    del run.settings[SIGNATURE]
    found = examined(run)
    assert found.dataset is None and "Somebody else has begun the search" in found.notes[0]
    assert examined(run, pictures).dataset is not None


def test_pictures_may_be_of_other_classes(run: Run, pictures: Path, tmp_path: Path) -> None:
    x, y = stripes(60)
    np.savez(tmp_path / "other.npz", x=x, y=y)
    with pytest.raises(DataError, match="Expected the same"):
        examined(run, tmp_path / "other.npz")
    with pytest.raises(DataError, match="has 3 classes, and the model 2. Expected as many"):
        exam(None, str(pictures), output=None, num_outputs=2)
