"""The report of a search: one page that stands alone, whatever its run folder holds."""

import base64
import dataclasses
import io
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

import kevo
from kevo.cli import main
from kevo.cli.search import search as search_command
from kevo.errors import RunError
from kevo.objective import Objective
from kevo.report import data, repeating, sections
from kevo.report import files as report
from kevo.report.answer import answer
from kevo.report.blocks import blocks
from kevo.report.drawings import Drawing, front, priced
from kevo.report.markup import tag
from kevo.report.plots import svg
from kevo.result import SearchResult
from kevo.runs import reader, trial_reader
from kevo.runs.folder import Run
from kevo.runs.outcome import Ensemble, EnsembleMember
from kevo.runs.ownership import signed
from kevo.runs.reader import Facts
from kevo.runs.records import TrialRecord
from kevo.settings import Settings
from kevo.tasks.images import datasets
from kevo.tasks.outputs.classes import evaluation
from kevo.tasks.pages import Known
from tests.support.samples import CONV_GENOME, stripes
from tests.support.searches import TINY, record

SECTIONS = [
    *("answer", "fitness", "family", "genes", "front", "learning", "confusion"),
    *("wrong", "balance", "skipped", "candidates", "failures", "repeat"),
]
HOSTILE = '"onload="alert(1)</style></title><script>alert(2)</script>--><img src=x onerror=alert(3)>$a_b$'
NAMES = ["across", "down", "none"]
ONLY_WRONG = 5


class Page(HTMLParser):
    """What a browser makes of a page: elements, attributes, and words."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._words: dict[str, list[str]] = {}
        self._section = ""
        self._open: list[str] = []
        self.feed(self.source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "section":
            self._section = str(dict(attrs)["id"])
        if tag not in ("meta", "img", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self._words.setdefault(self._section, []).append(data)

    def words(self, section: str) -> str:
        return " ".join("".join(self._words[section]).split())

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]


def begun(path: Path, **changes: object) -> Run:
    """The folder of a search for stripes that has just begun."""
    pictures, labels = stripes(120)
    source = path / "stripes.npz"
    np.savez(source, x=pictures, y=labels, class_names=changes.pop("class_names", NAMES))
    dataset = datasets.load(source)
    run = Run.create(
        path / "run",
        signed(
            {
                "kevo": "0.1.0",
                "data": str(source),
                "started": "2026-01-02T03:04:05+00:00",
                "versions": {"tensorflow": "2.99.1"},
                "fingerprint": dataset.fingerprint(),
                "search": Settings(max_trials=12, space="small", workers=0).to_json(),
                "backbones": {},
                **changes,
            }
        ),
    )
    run.write_labels(dataset.class_names)
    return run


def candidates(num: int = 30, **changes: object) -> list[TrialRecord]:
    """Candidates of several generations, the later ones better, each bred from the one before."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(num):
        genome = {**CONV_GENOME, "learning_rate": float(rng.uniform(1e-3, 1e-1)), "batch_size": 16 * (1 + number % 2)}
        one = record(f"{number:04d}", 0.5 + 0.4 * number / num, number=number, generation=number // 5, genome=genome)
        one = dataclasses.replace(
            one,
            is_paused=False,
            seconds=1.0 + number % 3,
            num_parameters=100 + number % 7,
            finished_at=2.0 * number,
            origin="mutation" if number else "seed",
            parents=(f"{number - 1:04d}",) if number else (),
        )
        made.append(dataclasses.replace(one, **changes))
    return made


def failed(trial_id: str, reason: str) -> TrialRecord:
    return dataclasses.replace(
        candidates(1)[0],
        trial_id=trial_id,
        number=int(trial_id),
        status="failed",
        fitness=None,
        metrics={},
        history=[],
        stages=[],
        num_parameters=None,
        reason=reason,
    )


def predicted(run: Run) -> np.ndarray:
    """Probabilities for the test pictures: right but for the first few, which are the surer the earlier."""
    labels = datasets.load(run.settings["data"]).test.labels
    probabilities = np.full((len(labels), 3), 0.05)
    places = np.where(np.arange(len(labels)) < ONLY_WRONG, (labels + 1) % 3, labels)
    probabilities[np.arange(len(labels)), places] = 0.9
    for place in range(ONLY_WRONG):
        probabilities[place] = (1 - (0.95 - 0.05 * place)) / 2
        probabilities[place, places[place]] = 0.95 - 0.05 * place
    return probabilities


def end(run: Run, *, genome: dict[str, object], interrupted: bool = False, with_ensemble: bool = False) -> SearchResult:
    """Writes what a search leaves behind when it ends."""
    dataset = datasets.load(run.settings["data"])
    probabilities = predicted(run)
    test = evaluation.evaluate(probabilities, dataset.test.labels, class_names=dataset.class_names)
    member = EnsembleMember("0001", 1.0, "conv stack <b>")
    result = SearchResult(
        run_folder=run.path,
        model_path=run.path / "best.keras",
        genome=dict(genome),
        words=reader.read(run.path).describe(genome),
        num_parameters=1234,
        validation=test,
        test=test,
        trials_completed=30,
        trials_failed=0,
        seconds=75.0,
        interrupted=interrupted,
        is_refit=True,
        ensemble=Ensemble((member,), 99, test, test, run.path / "ensemble.keras") if with_ensemble else None,
    )
    run.write_json("result.json", result.to_json())
    with run.replacing("predictions/test.npy") as path:
        np.save(path, probabilities.astype(np.float16))
    return result


def finished(path: Path, num: int) -> Run:
    run = begun(path)
    records = candidates(num)
    for one in [*records, failed("0030", "out of memory: 12 GB"), failed("0031", "out of memory: 7.5 GB")]:
        run.append_trial(one)
    end(run, genome=records[-1].genome, with_ensemble=True)
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return finished(tmp_path_factory.mktemp("finished"), 30)


@pytest.fixture(scope="module")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return finished(tmp_path_factory.mktemp("small"), 3)


@pytest.fixture(scope="module")
def page(run: Run) -> Page:
    return Page(report.write(run.path))


def stands_alone(page: Page) -> bool:
    """Whether a page asks nobody for anything and runs nothing."""
    assert {name for name, _ in page.elements}.isdisjoint(
        {"script", "link", "iframe", "object", "embed", "form", "base"}
    )
    for name, attributes in page.elements:
        for key, value in attributes.items():
            assert not key.startswith("on")
            if key in ("src", "href", "xlink:href", "action", "background", "poster", "srcset", "data"):
                assert value is not None and re.match(r"#|data:image/(png|jpeg);base64,", value), (name, key, value)
    (policy,) = (one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert {"default-src 'none'", "style-src 'unsafe-inline'", "img-src data:"} <= {*policy.split("; ")}
    assert set(re.findall(r"url\(([^)]*)\)", page.source)) <= set(
        re.findall(r"url\((#f[0-9a-f]+-[\w-]+)\)", page.source)
    )
    assert "@import" not in page.source
    return len(page.source) < 3e6


def test_the_sections_are_in_their_order(page: Page) -> None:
    assert [one["id"] for one in page.all("section")] == SECTIONS
    assert [one["href"] for one in page.all("a")] == [f"#{name}" for name in SECTIONS]
    assert len(page.all("figure")) == len(page.all("svg")) + len(page.all("img"))
    assert "There is no figure here" not in page.source
    assert stands_alone(page)


def test_the_answer_comes_first(page: Page, run: Run) -> None:
    test = reader.read(run.path).outcome.test
    low, high = test.interval
    words = page.words("answer")
    assert f"{test.accuracy:.1%} test accuracy" in words and f"between {low:.1%} and {high:.1%}" in words
    assert f"by the {test.num_examples} pictures of the test split" in words
    assert "conv stack 8x3x3 > 8x3x3 at 16 px" in words and "1,234" in words and "1 min 15 s" in words
    assert f"keras.models.load_model('{run.path}/best.keras')" in words
    for command in ("predict", "evaluate", "export"):
        assert f"kevo {command} {run.path}" in words
    # Two classes only have a sensitivity.
    assert "Sensitivity" not in words and "An ensemble of 1 candidates" in words


def test_what_a_person_wants_to_know_is_there(page: Page, run: Run) -> None:
    assert "2 of 32 trainings failed" in page.words("failures")
    listed = page.words("candidates")
    assert listed.startswith("All candidates32 trainings, the best first") and listed.count("failed") == 2
    assert listed.count("conv stack") > 20
    # What differs in numbers only is one reason.
    assert page.words("failures").count("out of memory") == 1
    assert "31, 32" in page.words("failures")
    assert "Every class has as many training pictures as any other" in page.words("balance")
    assert "down2686" in page.words("balance")
    assert "Every file could be used." in page.words("skipped")
    assert f"kevo search --max-trials 12 --space small --workers 0 {run.settings['data']}" in page.words("repeat")
    assert run.settings["fingerprint"] in page.words("repeat") and "2.99.1" in page.words("repeat")
    assert "(trial)" not in page.words("front")


def test_candidates_are_put_in_order_without_a_script(page: Page, run: Run) -> None:
    records = trial_reader.read_trials(run)
    rows = [str(one["style"]) for one in page.all("tr") if "--by-0" in str(one.get("style"))]
    assert len(rows) == len(records) == 32
    numbers = [int(found) for found in re.findall(r'--by-4: \d+"><th scope="row" class="word">(\d+)', page.source)]
    known = {record.number + 1: record for record in records}
    keys: list[Callable[[TrialRecord], float]] = [
        lambda one: one.number,
        lambda one: one.num_parameters or math.inf,
        lambda one: one.seconds,
        lambda one: -one.num_epochs,
    ]
    for place, key in enumerate(keys, start=1):
        places = [int(re.findall(rf"--by-{place}: (\d+)", row)[0]) for row in rows]
        assert sorted(places) == list(range(32))
        shown = [number for _, number in sorted(zip(places, numbers, strict=True))]
        assert [key(known[number]) for number in shown] == sorted(key(one) for one in records)
    (checked,) = (one for one in page.all("input") if "checked" in one)
    assert checked["class"] == "by-0" and len(page.all("input")) == 5
    # Each of them has its line in the style sheet.
    assert all(f".orders:has(.by-{place}:checked)" in page.source for place in range(1, 5))


def test_the_most_confidently_wrong_pictures_are_shown(page: Page, run: Run) -> None:
    test = datasets.load(run.settings["data"]).test
    shown = page.all("img")
    assert len(shown) == ONLY_WRONG
    for place, image in enumerate(shown):
        truth, taken = NAMES[test.labels[place]], NAMES[(test.labels[place] + 1) % 3]
        assert image["alt"] == f"Test picture {place}: {truth}, taken for {taken} with {0.95 - 0.05 * place:.1%}"
        _, content = image["src"].split("base64,")
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
        assert (pixels == test.pictures[place]).all()


def test_a_page_is_valid_where_a_search_is_at_work_or_broke_off(tmp_path: Path) -> None:
    run = begun(tmp_path)
    empty = Page(report.write(run.path))
    assert "No model so far. No candidate yet." in empty.words("answer") and stands_alone(empty)
    assert f"kevo resume {run.path}" in empty.words("answer")
    for one in candidates(8):
        run.append_trial(one)
    with (run.path / "trials.jsonl").open("ab") as file:
        file.write(b'{"number": 8, "tri')
    with run.locked():
        running = Page(report.write(run.path))
    words = running.words("answer")
    assert "85.0% validation accuracy, the best so far" in words and f"kevo status {run.path}" in words
    assert "damaged" not in words and "load_model" not in words
    assert "at the end of the search" in running.words("confusion") and not running.all("img")
    assert [one["id"] for one in running.all("section")] == SECTIONS and stands_alone(running)
    (run.path / "checkpoints").mkdir()
    (run.path / "checkpoints/0007.keras").write_bytes(b"")
    assert "checkpoints/0007.keras" in answer(reader.read(run.path))
    end(run, genome=candidates(8)[-1].genome, interrupted=True)
    assert reader.read(run.path).state == "interrupted"
    words = answer(reader.read(run.path))
    assert "test accuracy" in words and "when the search was interrupted" in words and "kevo resume" in words


def test_a_page_of_nothing_but_failures(tmp_path: Path) -> None:
    run = begun(tmp_path)
    for number in range(3):
        run.append_trial(failed(f"{number:04d}", "the loss is NaN"))
    page = Page(report.write(run.path))
    assert "Every candidate so far has failed" in page.words("answer")
    assert "the loss is NaN" in page.words("failures") and "3 of 3 trainings" in page.words("failures")
    assert len(page.all("svg")) == 1 and "There is no figure here" not in page.source
    assert stands_alone(page)


def test_hostile_words_are_inert(tmp_path: Path) -> None:
    names = [f"{HOSTILE}{number}" for number in range(3)]
    run = begun(tmp_path, class_names=names, kevo=HOSTILE, started=[HOSTILE], backbones=HOSTILE)
    genome = {**CONV_GENOME, "family": HOSTILE, HOSTILE: HOSTILE, "optimizer": HOSTILE}
    records = candidates(10, stages=[HOSTILE], origin=HOSTILE)
    for place, one in enumerate(records):
        run.append_trial(dataclasses.replace(one, genome={**genome, "batch_size": place}))
    for number in range(30, 33):
        run.append_trial(failed(f"{number:04d}", f"{HOSTILE}\x1b[31m\u202e{number}"))
    end(run, genome={**genome, "batch_size": 9}, with_ensemble=True)
    page = Page(report.write(run.path))
    assert stands_alone(page) and "There is no figure here" not in page.source
    assert len(page.all("style")) == len(page.all("title")) == 1
    for section in ("answer", "front", "confusion", "wrong", "balance", "failures", "repeat"):
        assert "<script>alert(2)</script>" in page.words(section), section
    # Half letters cannot be written at all.
    values = json.loads((run.path / "labels.json").read_text())
    (run.path / "labels.json").write_text(json.dumps([f"{value}\ud800" for value in values]))
    (run.path / "result.json").unlink()
    assert stands_alone(Page(report.write(run.path)))


def section(facts: Facts, known: Known, key: str) -> str:
    """The inside of a section of the task's."""
    (found,) = (one for one in facts.kind.pages().sections(known) if one.key == key)
    return blocks(found.blocks, lambda name: None)


def test_a_damaged_file_of_predictions_costs_the_pictures_only(run: Run, tmp_path: Path) -> None:
    known = reader.read(run.path)
    path = run.path / "predictions/test.npy"
    content = path.read_bytes()
    try:
        path.write_bytes(content[:-1])
        words = section(known, data.read(known), "wrong")
    finally:
        path.write_bytes(content)
    assert data.read(known).dataset is not None and "does not tell" in words


def test_pictures_are_shown_only_if_they_are_those_of_the_search(run: Run, tmp_path: Path) -> None:
    known = reader.read(run.path)
    pictures, labels = stripes(120, seed=1)
    for source, reason in (
        ((pictures, labels), "no longer those of the search"),
        (tmp_path / "nowhere", "cannot be read any more"),
        (None, "from Python"),
    ):
        one = known if source is not None else dataclasses.replace(known, settings={**known.settings, "data": None})
        found = data.read(one, source)
        assert found.dataset is None and reason in found.reason and reason in section(one, found, "wrong")
        # Where nothing is known of train, the scores still tell of validation and test.
        counted = section(one, found, "balance")
        assert str(known.outcome.test.support["down"]) in counted and "train" not in counted.split("<table>")[1]


def test_skipped_files_are_listed(run: Run) -> None:
    known = reader.read(run.path)
    found = data.read(known)
    skipped = tuple(datasets.Skipped(f"{number}<b>.png", "is empty") for number in range(300))
    changed = dataclasses.replace(found, dataset=dataclasses.replace(found.dataset, skipped=skipped))
    words = section(known, changed, "skipped")
    assert "300 files could not be used, the first 200 of them here" in words
    assert "199&lt;b&gt;.png" in words and "200&lt;b&gt;.png" not in words


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"max_trials": 5, "objective": "macro_f1", "minimize": ("params", "flops"), "seed": 7},
        {"max_time": 5400.5, "num_rungs": 3, "weights": {"vgg16": "none", "mobilenet_v2": "/a b/$x.h5"}, "workers": 0},
        {"final_epochs": 3, "num_finalists": 1, "inherit": True},
        {"max_time": 1e-7, "population": 4, "patience": 3, "cache": "none", "max_params": 10**9, "strategy": "none"},
    ],
)
@pytest.mark.parametrize("data", ["digits", "/with blanks/and 'quotes'", "--quiet"])
def test_the_command_repeats_the_search(data: str, changes: dict[str, object], run: Run) -> None:
    settings = Settings(**changes)
    known = dataclasses.replace(reader.read(run.path), search=settings, settings={"data": data})
    # The shell's own reading of the words.
    script = f"kevo() {{ printf '%s\\0' \"$@\"; }}; {repeating.how_to_repeat(known)}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    name, *words = done.stdout.decode().split("\0")[:-1]
    assert name == "search"
    given = search_command.make_context("search", words).params
    assert given["data"] == data
    names = {item.name for item in dataclasses.fields(Settings)} & given.keys()
    assert Settings(**{**{name: given[name] for name in names}, "weights": dict(given["weights"])}) == settings


@pytest.mark.parametrize(
    "changes", [{"space": TINY}, {"final_epochs": 3, "seeds": ({"family": "conv"},)}, {"weights": {"vgg16": "none"}}]
)
def test_what_no_command_can_say_is_repeated_in_python(changes: dict[str, object], run: Run) -> None:
    settings = Settings(**changes)
    source = None if "weights" in changes else "digits"
    known = dataclasses.replace(reader.read(run.path), search=settings, settings={"data": source})
    lines = repeating.how_to_repeat(known)
    assert lines.startswith("import kevo\n")
    _, _, call = lines.partition("kevo.search")
    assert (
        eval(f"kept{call}", {"kevo": kevo, "kept": lambda data, one: one, "pictures": None, "labels": None}) == settings
    )


def test_every_setting_can_be_repeated() -> None:
    options = {parameter.name for parameter in search_command.params}
    # A task's options stand by their own names.
    assert {item.name for item in dataclasses.fields(Settings)} - options - {"options"} == {*repeating._PYTHON_ONLY}


def test_the_front_is_what_no_other_beats() -> None:
    rng = np.random.default_rng(0)
    objectives = [Objective("val_accuracy", "max"), Objective("params", "min"), Objective("seconds", "min")]
    records = [
        dataclasses.replace(
            one, metrics=dict(zip(("val_accuracy", "params", "seconds"), rng.integers(0, 6, 3) / 2, strict=True))
        )
        for one in candidates(60)
    ]
    points = [tuple(one.metrics[name] for name in ("val_accuracy", "params", "seconds")) for one in records]
    expected = {
        point
        for point in points
        if not any(
            other != point and other[0] >= point[0] and other[1] <= point[1] and other[2] <= point[2]
            for other in points
        )
    }
    found = [tuple(one.metrics.values()) for one in front(records, objectives)]
    assert set(found) == expected and len(found) == len(expected)
    assert [point[0] for point in found] == sorted((point[0] for point in found), reverse=True)


def test_the_best_so_far_is_not_always_the_winner(tmp_path: Path) -> None:
    run = begun(tmp_path)
    records = candidates(4)
    for one in records:
        run.append_trial(one)
    end(run, genome=records[-1].genome)
    assert "lowest loss" not in Page(report.write(run.path)).words("fitness")
    end(run, genome=records[1].genome)
    words = Page(report.write(run.path)).words("fitness")
    assert "The winner reaches validation accuracy 0.6, in generation 0. Of candidates that are about as good" in words
    assert "the best so far as a line, which ends at validation accuracy 0.8." in words


def test_a_narrow_window_has_a_line_for_each_cell_and_small_figures_only(page: Page) -> None:
    heads = [cell["data-head"] for cell in page.all("td") if "data-head" in cell]
    assert {"Validation accuracy", "Parameters", "What it is", "Times", "Default, if another"} <= set(heads)
    styles = [dict(re.findall(r"--(\w+): ([\d.]+)px", one["style"] or "")) for one in page.all("div") if "style" in one]
    assert len(styles) == len(page.all("svg"))
    # A phone has 390 pixels, with margins of 16 on both sides. What does not fit scrolls, and is not made smaller.
    fits = [float(one["least"]) <= 390 - 2 * 16 for one in styles]
    assert {*fits} == {True, False}
    assert all(one["least"] == one["width"] for one, it_fits in zip(styles, fits, strict=True) if not it_fits)


def test_what_is_not_set_is_not_none(run: Run, tmp_path: Path) -> None:
    words = Page(report.write(run.path, tmp_path / "page.html")).words("repeat")
    assert "cachenot set" in words and "weightsnone" in words


def test_limits_of_before_are_told(tmp_path: Path) -> None:
    run = begun(tmp_path)
    assert "Limits that the search has had" not in str(sections.repeating(reader.read(run.path)))
    run.replace_search_settings(run.search_settings().extended(max_time="1h", seconds=60.0, num_trials=12))
    told = str(sections.repeating(reader.read(run.path)))
    assert "12 candidates" in told and "1 h 1 min" in told and ">now<" in told


def test_costs_that_were_minimized_are_compared_too(tmp_path: Path) -> None:
    settings = Settings(max_trials=3, minimize=("flops", "params")).to_json()
    run = begun(tmp_path, search=settings)
    for one in candidates(3):
        run.append_trial(dataclasses.replace(one, metrics={**one.metrics, "flops": 5.0, "params": 1.0}))
    run.append_trial(dataclasses.replace(candidates(4)[-1]))
    known = reader.read(run.path)
    records, objectives = priced(known)
    assert [one.metric for one in objectives] == ["val_accuracy", "params", "seconds", "flops"]
    assert len(records) == 3 and any("0003" in damage and "flops" in damage for damage in known.damages)
    assert [one.metrics["params"] for one in records] == [1.0] * 3


def test_what_was_continued_counts_once(run: Run) -> None:
    first, second = candidates(2)
    later = dataclasses.replace(
        second, continues=first.trial_id, fitness=0.1, metrics={**second.metrics, "val_accuracy": 0.1}
    )
    known = dataclasses.replace(reader.read(run.path), records=(first, later))
    assert [one.trial_id for one in known.rivals] == [later.trial_id]


@pytest.mark.parametrize("kind", ["dots", "lines", "scatter"])
@pytest.mark.parametrize(("num", "is_light"), [(1000, False), (1001, True)])
def test_many_dots_are_drawn_as_pixels(kind: str, num: int, is_light: bool) -> None:
    from matplotlib.figure import Figure

    def draw() -> Figure:
        figure = Figure()
        axes = figure.subplots()
        if kind == "dots":
            axes.plot(range(num), range(num), ".")
        elif kind == "scatter":
            axes.scatter(range(num), range(num))
        else:
            for number in range(num):
                axes.plot([0, 1], [0, number])
        return figure

    element = svg(Drawing("many", "", draw).figure())
    assert ("data:image/png;base64," in element) == is_light
    assert not is_light or len(element) < 400_000


def test_a_report_loads_no_tensorflow(small_run: Run, tmp_path: Path) -> None:
    script = """
import sys
from kevo.report import files as report
report.write(*sys.argv[1:])
print({"tensorflow", "keras"} & {*sys.modules})
"""
    command = [sys.executable, "-c", script, str(small_run.path), str(tmp_path / "page.html")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["set()"]


def command(*words: object) -> Result:
    return CliRunner().invoke(main, ["report", *map(str, words)])


def test_the_command_writes_the_page_or_the_figures(small_run: Run, tmp_path: Path) -> None:
    done = command(small_run.path, "--out", tmp_path / "page.html")
    assert done.exit_code == 0 and done.stdout.split() == [str(tmp_path / "page.html")]
    assert [one["id"] for one in Page(tmp_path / "page.html").all("section")] == SECTIONS
    for kind, start in (("png", b"\x89PNG"), ("svg", b"<svg ")):
        done = command(small_run.path, "--figures", tmp_path / kind, "--format", kind)
        paths = [Path(line) for line in done.stdout.split()]
        assert done.exit_code == 0 and len(paths) >= 8
        assert {path.name for path in (tmp_path / kind).iterdir()} == {path.name for path in paths}
        assert all(path.suffix == f".{kind}" and path.read_bytes().startswith(start) for path in paths)


def test_the_command_says_what_is_wrong(run: Run, tmp_path: Path) -> None:
    assert command(tmp_path).exit_code == 2
    assert command(run.path, "--figures", tmp_path, "--data", "digits").exit_code == 2
    empty = begun(tmp_path)
    done = command(empty.path, "--figures", tmp_path / "figures")
    assert done.exit_code == 1 and "no candidate has ended" in done.stderr
    (tmp_path / "file").write_text("")
    done = command(run.path, "--out", tmp_path / "file/page.html")
    assert done.exit_code == 2 and "Cannot write" in done.stderr
    with pytest.raises(RunError, match="no run folder"):
        report.write(tmp_path / "nowhere")


def test_only_html_is_taken_for_html() -> None:
    inner = tag("b", "1 < 2")
    assert (
        tag("p", inner, "<i>", None, class_="a", aria_label='"')
        == '<p class="a" aria-label="&quot;"><b>1 &lt; 2</b>&lt;i&gt;</p>'
    )
    # What is cut out of HTML is none any more.
    assert tag("p", inner[:2]) == "<p>&lt;b</p>"
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'
    assert all(letter in tag("p", letter) for letter in ("a", "é", "中", "中\u200d中"))
