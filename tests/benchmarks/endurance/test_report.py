import dataclasses

from benchmarks.endurance.jobs import Measurement
from benchmarks.endurance.report import readme_table, report


def test_parts_that_cannot_run_say_so() -> None:
    found = [Measurement("full", 0, "12 trials", "2 cores", {"skipped": "only root may mount"})]
    text = report(found)
    assert "Seed 0 was not run: only root may mount." in text
    assert "Checked" not in text


def test_a_promise_that_was_broken_is_shown_as_that() -> None:
    facts = {"kills": 20, "trials": 24, "same": 23, "trials_at_kills": [1, 23]}
    whole, broken = (
        Measurement("kills", 0, "", "", facts),
        Measurement("kills", 1, "", "", facts, ["trial 3 is missing"]),
    )
    promise = "| the same trials complete, and the final model exists |"
    assert f"{promise} no exceptions | yes |" in report([whole])
    text = report([whole, broken])
    assert f"{promise} 1 exception | **no** |" in text and "- Seed 1: trial 3 is missing." in text
    assert "| killed at 20 instants | 20 | yes |" in text


def test_promises_are_measured_by_hand() -> None:
    ours = {
        "memory": [100.0 + 0.1 * number for number in range(40)],
        "seconds": [1.0] * 20 + [1.05] * 20,
        "checkpoints": [0.5, 1.2],
        "peak": 150.0,
        "worker_peak": 700.0,
        "worker_limit": 600.0,
        "worker_slope": 0.5,
        "num_workers": 2,
        "folder_mb": 2.0,
        "checkpoints_mb": 0.9,
        "model_mb": 0.1,
    }
    theirs = {"memory": [10.0 * number for number in range(40)], "seconds": [2.0] * 40, "peak": 500.0}
    found = Measurement("memory", 0, "200 trials, epochs: 3, workers: 2", "", {"kevo": ours, "Keras Tuner": theirs})
    text = report([found])
    assert "| kevo | 1 | 0.100 | 0.100 | 150 | 700 | 1.00 | 1.05 |" in text
    assert "| Keras Tuner | 1 | 10.000 | 10.000 | 500 |  | 2.00 | 2.00 |" in text
    assert "| 0.100 MB (Keras Tuner: 10.0) | yes |" in text and "| 700 of 600 MB | **no** |" in text
    assert "| 1.05 times as long (Keras Tuner: 1.00) | yes |" in text
    assert "| 9.0, and 12.0 on the way | **no** |" in text
    table = readme_table([found, dataclasses.replace(found, setting="4 trials")], page="endurance.md")
    assert table.split("\n\n")[0] in text and table.count("0.100 MB") == 1


def test_two_nodes_have_a_bar_of_their_own() -> None:
    facts = {
        "1": {"trials": 16, "at_work": 160.0, "seconds": 200.0},
        "2": {"trials": 16, "at_work": 100.0, "seconds": 140.0},
    }
    text = report([Measurement("cluster-workers", 0, "16 trials", "", facts)])
    assert "train 1.8 times as many trials per hour as one | 1.60 times | **no** |" in text
    assert "| 2 over 1 | 1 | 1.60 | 1.43 |" in text


def test_a_cut_link_is_told_with_the_time_that_it_took() -> None:
    facts = {"before": 1, "trials": 6, "seconds_until_noticed": 63.4}
    text = report([Measurement("cut", 0, "6 trials", "", facts)])
    assert "| 0 | 1 | 6 | 63 |" in text and "and the search ends well | no exceptions | yes |" in text
