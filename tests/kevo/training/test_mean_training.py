"""The networks of a mean, one after the other."""

from typing import NamedTuple

import pytest

from kevo.training import mean_training
from kevo.training.effort import CandidateError, Effort, MeanMember, Progress
from tuners.genome import Genome

FIRST: Genome = {"units": 1}
OTHERS = tuple(MeanMember({"units": num}, num_epochs=10 * num, refit={"train": num}) for num in (2, 3))


class Clock:
    """Time that passes only where a training takes some."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


class Call(NamedTuple):
    genome: Genome
    effort: Effort
    number: int


class Training:
    """A training of so many seconds, which fails for the genomes with so many units."""

    def __init__(self, clock: Clock, seconds: float, *, failing: int | None = None) -> None:
        self.clock, self.seconds, self.failing = clock, seconds, failing
        self.calls: list[Call] = []

    def __call__(self, genome: Genome, effort: Effort, progress: Progress | None, number: int) -> int:
        self.calls.append(Call(genome, effort, number))
        self.clock.now += self.seconds
        if progress is not None:
            progress("train", 1.0, 2, {})
        if genome["units"] == self.failing:
            raise CandidateError("the loss is no longer a number")
        return number


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(mean_training, "time", found)
    return found


def test_each_is_trained_by_its_own_genome_for_its_own_epochs(clock: Clock) -> None:
    train, told = Training(clock, 2.0), list[str]()
    effort = Effort(5, 100.0, refit={"train": 1}, rate=0.5, members=OTHERS)
    found = mean_training.train_members(train, FIRST, effort, lambda stage, *rest: told.append(stage))
    assert found == [0, 1, 2] and told == ["train", "network 2/3", "network 3/3"]
    assert [call.genome for call in train.calls] == [FIRST, *(one.genome for one in OTHERS)]
    assert [call.effort for call in train.calls] == [
        Effort(5, 100.0, refit={"train": 1}, rate=0.5),
        Effort(20, 98.0, refit={"train": 2}, rate=0.5),
        Effort(30, 96.0, refit={"train": 3}, rate=0.5),
    ]


@pytest.mark.parametrize(("seconds", "num"), [(None, 3), (10.0, 3), (6.5, 2), (4.9, 1)])
def test_another_is_begun_where_there_is_room_for_it(clock: Clock, seconds: float | None, num: int) -> None:
    effort = Effort(5, seconds, refit={"train": 1}, members=OTHERS)
    # Each takes two seconds, and needs three that are left.
    assert len(mean_training.train_members(Training(clock, 2.0), FIRST, effort, None)) == num


def test_what_fails_leaves_the_others(clock: Clock) -> None:
    effort = Effort(5, refit={"train": 1}, members=OTHERS)
    assert mean_training.train_members(Training(clock, 1.0, failing=2), FIRST, effort, None) == [0, 2]
    with pytest.raises(CandidateError, match="no longer a number"):
        mean_training.train_members(Training(clock, 1.0, failing=1), FIRST, effort, None)
