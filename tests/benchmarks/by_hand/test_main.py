"""kevo beside networks by hand: the made pictures, the networks, and the report."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmarks.by_hand import __main__ as by_hand
from benchmarks.by_hand import measuring, networks, pictures
from benchmarks.by_hand.measuring import Measurement
from benchmarks.by_hand.report import report


def measured(tool: str, test: float, seed: int = 0, **changes: object) -> Measurement:
    values = {"pictures": "made", "minutes": 5.0, "seconds": 300.0, "machine": "2 cores", **changes}
    return Measurement(tool=tool, test=test, seed=seed, **values)  # type: ignore[arg-type]


def test_made_pictures_are_the_same_for_a_seed_and_of_equal_classes(tmp_path: Path) -> None:
    first, again, other = (tmp_path / f"{name}.npz" for name in "abc")
    for path, seed in ((first, 0), (again, 0), (other, 1)):
        pictures.write(path, num_train=20, num_test=10, seed=seed)
    arrays, same, else_ = (dict(np.load(path)) for path in (first, again, other))
    assert arrays["x_train"].shape == (20, 32, 32, 3) and arrays["x_train"].dtype == np.uint8
    assert Counter(arrays["y_train"].tolist()) == dict.fromkeys(range(10), 2)
    assert all(np.array_equal(arrays[name], same[name]) for name in arrays)
    assert not np.array_equal(arrays["x_test"], else_["x_test"])
    # No two pictures are alike, also none of training and test.
    assert len({one.tobytes() for split in ("x_train", "x_test") for one in arrays[split]}) == 30


@pytest.mark.long
@pytest.mark.parametrize("seconds", [0.0, 3.0])
def test_a_network_by_hand_fits_its_epochs_to_the_time(seconds: float) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    # The classes differ in brightness.
    inputs = (rng.integers(0, 100, (60, 8, 8, 3)) + 150 * labels[:, None, None, None]).astype(np.uint8)
    model = networks.from_scratch(inputs, labels, num_classes=2, flips=True, left=lambda: seconds, data=Path())
    predicted = model.predict(inputs, verbose=0)
    assert predicted.shape == (60, 2) and np.allclose(predicted.sum(axis=1), 1.0, atol=1e-5)


def test_the_report_has_medians_of_the_seeds_that_both_have() -> None:
    rows = [
        *(measured("kevo", test, seed, ensemble=test + 0.05) for seed, test in enumerate((0.5, 0.9, 0.8, 0.1))),
        *(measured("by hand", test, seed) for seed, test in enumerate((0.5, 0.4, 0.3))),
        measured("kevo", 0.7, pictures="digits"),
    ]
    *_, line = report(rows).strip().splitlines()
    title = measuring.SETS["made"].title
    shown = "0.800 (0.500 to 0.900) | 0.850 (0.550 to 0.950) | 0.400 (0.300 to 0.500) | 2 | 300 and 300"
    assert line == f"| {title} | 5 | 3 | {shown} |"
    assert "| - |" in report([measured("kevo", 0.5), measured("kevo", 0.6, 1, ensemble=0.7), *rows[4:6]])
    assert "digits" not in report(rows), "nothing is beside it"


def test_both_tools_are_measured_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = list[tuple[str, str, float, int]]()

    def measure(job: measuring.Job) -> Measurement:
        begun.append((job.tool, job.pictures, job.minutes, job.seed))
        return measured(job.tool, 0.5, job.seed, pictures=job.pictures, minutes=job.minutes)

    monkeypatch.setattr(by_hand, "measure", measure)
    monkeypatch.setattr(by_hand, "RESULTS", tmp_path / "results.jsonl")
    monkeypatch.setattr(by_hand, "REPORT", tmp_path / "by_hand.md")
    monkeypatch.setattr(by_hand, "README", tmp_path / "README.md")
    (tmp_path / "README.md").write_text("Before.\n<!-- by hand -->\n\n<!-- end of by hand -->\nAfter.\n")
    assert by_hand.main(["--sets", "digits"]) == 1, "nothing is measured"
    given = ["--sets", "digits,made", "--minutes", "2", "--seeds", "0", "1", "--write"]
    assert by_hand.main(given) == by_hand.main(given) == 0
    tools = ("kevo", "by hand")
    assert begun == [(tool, name, 2.0, seed) for seed in (0, 1) for name in ("digits", "made") for tool in tools]
    assert (tmp_path / "by_hand.md").read_text().count("| 2 | 0.500 (0.500 to 0.500) |") == 2
    assert (tmp_path / "README.md").read_text().count("| 2 | 0.500 (0.500 to 0.500) |") == 2
