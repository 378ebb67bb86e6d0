"""A whole search in which children begin with their parent's weights, through the command, and killed on the way."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import kevo
from kevo.cli import main
from kevo.runs import layout, reader, trial_reader
from kevo.runs.folder import Run
from tests.support.searches import HEIRS, Diary, killed


@pytest.mark.long
def test_the_command_searches_with_children_that_inherit(tmp_path: Path) -> None:
    options = (
        "--inherit --space small --max-trials 8 --epochs 4 --final-epochs 4 --finalists 1 --population 2 --workers 0"
    )
    done = CliRunner().invoke(main, ["search", *options.split(), "--json", "--out", str(tmp_path / "run"), "digits"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["test"]["accuracy"] > 0.3
    records = reader.read(tmp_path / "run").records
    heirs = [record for record in records if record.inherits is not None]
    by_id = {record.trial_id: record for record in records}
    assert heirs and all(0.0 < record.inherited_share <= 1.0 and record.num_epochs == 2 for record in heirs)
    for record in heirs:
        assert record.parents[0] == record.inherits
        assert record.inherited_epochs == by_id[record.inherits or ""].lineage_epochs
    drawn = CliRunner().invoke(main, ["report", str(tmp_path / "run")])
    assert drawn.exit_code == 0 and "Weights of" in (tmp_path / "run" / layout.REPORT).read_text("utf-8")


@pytest.mark.long
def test_a_search_killed_while_a_child_trains_takes_up_the_same_search(tmp_path: Path) -> None:
    whole, rest = Diary(), Diary()
    kevo.search("digits", HEIRS, out=tmp_path / "whole", listener=whole)
    first = next(place for place, record in enumerate(whole.records, start=1) if record.inherits is not None)
    killed(tmp_path / "run", "HEIRS", number=first, after=0, data="digits")
    before = trial_reader.read_trials(Run.open(tmp_path / "run"))
    assert len(before) == first - 1
    result = kevo.resume(tmp_path / "run", listener=rest)
    story = [(record.genome, record.history, record.inherits) for record in [*before, *rest.records]]
    assert story == [(record.genome, record.history, record.inherits) for record in whole.records]
    assert np.isfinite(result.validation.accuracy)
