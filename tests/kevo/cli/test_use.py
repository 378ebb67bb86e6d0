"""The commands that use a model: what they print where, and how they end."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from kevo.cli import main
from kevo.tasks.images import networks
from kevo.tasks.tables import contract
from kevo.tasks.tables.contract import Contract
from kevo.tasks.tables.encoding import PLAIN, Features
from kevo.tasks.tables.networks import deployable, network
from kevo.tasks.tables.preparing import prepare, preprocessing
from tests.support.outputs import classes
from tests.support.samples import CONV_GENOME, stripes
from tests.support.tables import GENOME, small_dataset, write_csv

EVIL = "up\x1b[2Jright"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    for number, (picture, label) in enumerate(zip(*stripes(12), strict=True)):
        path = root / (EVIL, "level", "none")[label] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(path)
    (root / "none" / "broken.jpg").write_text("no picture")
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    keras.utils.set_random_seed(0)
    networks.deployable(networks.conv_network(CONV_GENOME, output=classes(3))).save(folder / "some.keras")
    (folder / "labels.json").write_text(json.dumps(["level", "none", EVIL]))
    return folder / "some.keras"


def kevo(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_evaluate_prints_a_table(model: Path, pictures: Path) -> None:
    done = kevo("evaluate", model, pictures)
    assert done.exit_code == 0, done.stderr
    assert done.stderr.splitlines() == ["Skipped: none/broken.jpg is text and no picture."]
    lines = done.stdout.splitlines()
    assert lines[0] == f"{pictures.name}, all pictures: 12 pictures"
    assert "95 % interval" in lines[2] and "\x1b" not in done.stdout
    (row,) = (line.split() for line in lines if line.startswith("level ") and "." in line)
    assert row[1] == "4" and len(row) == 7
    assert not any(line.startswith("sensitivity") for line in lines)
    start = next(number for number, line in enumerate(lines) if line.startswith("true"))
    counts = [[int(cell) for cell in line.split()[1:]] for line in lines[start + 1 :]]
    assert np.array(counts).sum(axis=1).tolist() == [4, 4, 4]


def test_evaluate_prints_one_object(model: Path, pictures: Path, tmp_path: Path) -> None:
    done = kevo(
        "evaluate",
        model,
        pictures,
        "--json",
        "--split",
        "train",
        "--confusion",
        tmp_path / "confusion.png",
        "--roc",
        tmp_path / "roc.png",
    )
    values = json.loads(done.stdout)
    assert values["split"] == "train" and values["num_examples"] == 12 and values["sensitivity"] is None
    assert values["interval"][0] <= values["accuracy"] <= values["interval"][1]
    assert set(values["f1"]) == set(values["support"]) == {"level", "none", EVIL}
    assert values["skipped"] == [{"path": "none/broken.jpg", "reason": "is text and no picture"}]
    assert Image.open(tmp_path / "confusion.png").format == "PNG"
    assert Image.open(tmp_path / "roc.png").format == "PNG"


def test_two_classes_have_a_positive_one(model: Path, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    networks.deployable(networks.conv_network(CONV_GENOME, output=classes(2))).save(tmp_path / "two.keras")
    (tmp_path / "names.txt").write_text("well\nill\n")
    values, labels = stripes(9)
    np.savez(tmp_path / "some.npz", x=values, y=np.minimum(labels, 1), class_names=["ill", "well"])
    arguments = ("evaluate", tmp_path / "two.keras", tmp_path / "some.npz", "--labels", tmp_path / "names.txt")
    found = json.loads(kevo(*arguments, "--json").stdout)
    assert found["support"] == {"well": 6, "ill": 3}
    assert (found["sensitivity"], found["specificity"]) == (found["recall"]["ill"], found["recall"]["well"])
    lines = kevo(*arguments).stdout.splitlines()
    assert f"sensitivity        {found['sensitivity']:.3f}  (of ill, the positive class, found)" in lines


def test_predict_prints_a_line_for_each_picture(model: Path, pictures: Path) -> None:
    done = kevo("predict", model, pictures / "none", pictures / EVIL / "0.png", "--top", "2")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.splitlines() == [f"Skipped: {pictures / 'none' / 'broken.jpg'} is text and no picture."]
    lines = done.stdout.splitlines()
    assert len(lines) == 5 and "\x1b" not in done.stdout
    assert lines[0].endswith(f"  {pictures / 'none' / '2.png'}")
    first, second = (float(lines[0].split()[place]) for place in (1, 3))
    assert first >= second


def test_predict_prints_json_lines(model: Path, pictures: Path, tmp_path: Path) -> None:
    done = kevo("predict", model, pictures / "level", "--json", "--grad-cam", tmp_path / "new" / "drawings")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(one["path"]).name for one in found] == ["1.png", "4.png", "7.png", "10.png"]
    for one in found:
        assert len(one["probabilities"]) == 3
        assert one["probabilities"][one["label"]] == one["probability"] == max(one["probabilities"].values())
        assert Image.open(one["grad_cam"]).width == 896
    shorter = json.loads(kevo("predict", model, pictures / "level" / "1.png", "--json", "--top", "1").stdout)
    assert list(shorter["probabilities"]) == [shorter["label"]] and "grad_cam" not in shorter


def test_not_one_picture_is_exit_code_1(model: Path, pictures: Path) -> None:
    done = kevo("predict", model, pictures / "none" / "broken.jpg", "nowhere")
    assert done.exit_code == 1 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 3
    assert done.stderr.splitlines()[-1] == "Error: Not one picture could be read."


@pytest.fixture(scope="module")
def table_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of tables with random weights."""
    folder = tmp_path_factory.mktemp("tables")
    dataset = small_dataset(folder)
    keras.utils.set_random_seed(0)
    prepares = preprocessing(dataset, PLAIN)
    features = prepare(prepares, dataset.columns, dataset.inputs(dataset.train))
    whole = deployable(
        network(GENOME, features=Features(features.shape[1]), output=classes(2)), prepares, dataset.columns
    )
    whole.save(folder / "best.keras")
    contract.write(Contract.of(dataset), folder)
    return folder / "best.keras"


def test_predict_writes_a_table(model: Path, pictures: Path, tmp_path: Path) -> None:
    import csv

    (model.parent / "formulas.json").write_text(json.dumps(["=1+1", "none", "up"]))
    path = tmp_path / "table.csv"
    done = kevo("predict", model, pictures, "--csv", path, "--labels", model.parent / "formulas.json")
    assert done.exit_code == 0 and done.stdout == ""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    assert list(rows[0]) == ["path", "label", "probability", "p(=1+1)", "p(none)", "p(up)"]
    for row in rows:
        chances = {name: float(row[f"p({name})"]) for name in ("=1+1", "none", "up")}
        assert sum(chances.values()) == pytest.approx(1, abs=1e-4)
        # A spreadsheet would compute a text that begins so.
        assert row["label"].lstrip("'") == max(chances, key=chances.__getitem__)
        assert not row["label"].startswith("=")
    refused = kevo("predict", model, pictures, "--csv", path, "--json")
    assert refused.exit_code == 2 and "Leave out --json and --top" in refused.stderr


def test_a_model_of_tables_predicts_rows(table_model: Path, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", 3, seed=1)
    path.write_text(path.read_text().replace("kind", "else"))
    done = kevo("predict", table_model, path, tmp_path / "absent.csv")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.splitlines() == [
        "The model does not know the columns 'else': they are not used.",
        f"Skipped: {tmp_path / 'absent.csv'} cannot be used: There is no file {tmp_path / 'absent.csv'}. Expected a "
        "CSV file.",
    ]
    lines = done.stdout.splitlines()
    assert [line.split("  ")[-1] for line in lines] == [f"{path} row {row}" for row in (1, 2, 3)]
    found = [json.loads(line) for line in kevo("predict", table_model, path, "--json").stdout.splitlines()]
    assert [(one["path"], one["row"]) for one in found] == [(str(path), row) for row in (1, 2, 3)]
    assert [line.split()[0] for line in lines] == [one["label"] for one in found]
    none = kevo("predict", table_model, "absent.csv")
    assert none.exit_code == 1 and none.stderr.splitlines()[-1] == "Error: Not one row could be read."


def test_a_model_of_tables_is_scored(table_model: Path, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "new.csv", 40, seed=1)
    done = kevo("evaluate", table_model, path)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[0] == "new, all rows: 40 rows"
    values = json.loads(kevo("evaluate", table_model, path, "--json").stdout)
    assert values["num_examples"] == 40 and set(values["support"]) == {"heavy", "light"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "MODEL", "DATA", "--grad-cam", "drawings"], "Grad-CAM draws on pictures"),
        (["predict", "MODEL", "DATA", "--labels", "names.txt"], "the task.json beside it names what it answers"),
        (["evaluate", "MODEL", "DATA", "--labels", "names.txt"], "the task.json beside it names what it answers"),
        (["evaluate", "MODEL", "DATA", "--split", "test"], "things has no test split"),
        (["evaluate", "MODEL", "digits"], "Expected a .csv, .tsv, .jsonl or .zip file"),
    ],
)
def test_a_model_of_tables_has_no_options_of_pictures(arguments: list[str], message: str, table_model: Path) -> None:
    places = {"MODEL": table_model, "DATA": table_model.parent / "things.csv"}
    done = kevo(*(places.get(argument, argument) for argument in arguments))
    assert done.exit_code == 2 and done.stdout == ""
    assert message in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "absent.keras", "digits"], "There is no model absent.keras"),
        (["evaluate", "MODEL", "nowhere"], "There is no such path or data set: 'nowhere'"),
        (["evaluate", "MODEL", "digits"], "pictures of '0', '1', '2', '3', '4' and 5 more, which the model does not"),
        (["evaluate", "MODEL", "PICTURES", "--split", "test"], "has no test split, only: train"),
        (["evaluate", "MODEL", "PICTURES", "--labels", "absent.txt"], "Cannot read class names from absent.txt"),
        (["predict", "absent.keras", "PICTURES"], "There is no model absent.keras"),
        (["predict", "PICTURES", "PICTURES"], "holds no best.keras"),
        (["predict", "MODEL", "PICTURES", "--top", "0"], "0 is not in the range x>=1"),
        (["predict", "MODEL"], "Missing argument 'FILES...'"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, model: Path, pictures: Path
) -> None:
    places = {"MODEL": model, "PICTURES": pictures}
    done = kevo(*(places.get(argument, argument) for argument in arguments))
    assert isinstance(done.exception, SystemExit) and done.exit_code == 2
    assert message in done.stderr and done.stdout == ""
