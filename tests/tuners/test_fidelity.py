import pytest

from tuners.fidelity import Run, at_full_length, has_room, num_spent, promoted_at_any_time, promoted_within

EPOCHS = (1, 3, 9)


def runs(*described: tuple[str, int, float | None]) -> list[Run]:
    """The kind of a candidate is the first letter of its name."""
    return [Run(candidate=name, kind=name[0], rung=rung, fitness=fitness) for name, rung, fitness in described]


def test_a_rung_promotes_its_best_when_it_has_earned_the_epochs() -> None:
    # Two more epochs for the second rung: two candidates of one epoch each must have ended.
    first = runs(("a1", 0, 0.5))
    assert promoted_at_any_time(first, EPOCHS) is None
    assert promoted_at_any_time(runs(("a1", 0, 0.5), ("a2", 0, 0.7)), EPOCHS) == 1
    # What still trains, or failed, earns nothing.
    assert promoted_at_any_time(runs(("a1", 0, 0.5), ("a2", 0, None)), EPOCHS) is None


def test_a_promotion_is_paid_once() -> None:
    climbing = runs(("a1", 0, 0.5), ("a2", 0, 0.7), ("a2", 1, None))
    assert promoted_at_any_time(climbing, EPOCHS) is None
    assert promoted_at_any_time([*climbing, *runs(("a3", 0, 0.1))], EPOCHS) is None
    assert promoted_at_any_time([*climbing, *runs(("a3", 0, 0.1), ("a4", 0, 0.2))], EPOCHS) == 0


def test_the_topmost_rung_that_is_ready_comes_first() -> None:
    # Six more epochs for the third rung: three of two epochs each.
    climbing = runs(*((f"a{n}", 0, 0.1 * n) for n in range(8)), *((f"a{n}", 1, 0.1 * n) for n in (5, 6, 7)))
    assert promoted_at_any_time(climbing, EPOCHS) == 10
    assert promoted_at_any_time([*climbing, *runs(("a7", 2, 0.9))], EPOCHS) == 4


def test_kinds_do_not_compete() -> None:
    two = runs(("a1", 0, 0.9), ("b1", 0, 0.2), ("b2", 0, 0.3))
    assert promoted_at_any_time(two, EPOCHS) == 2


def test_who_skipped_a_rung_is_not_promoted_into_it() -> None:
    assert promoted_at_any_time(runs(("a1", 0, 0.9), ("a1", 2, 0.9), ("a2", 0, 0.1), ("a3", 0, 0.2)), EPOCHS) == 3


def test_fitness_at_full_length_adds_what_promotions_gained() -> None:
    climbing = runs(("a1", 0, 0.5), ("a1", 1, 0.7), ("a1", 2, 0.8), ("a2", 0, 0.4), ("b1", 0, 0.1), ("b1", 1, 0.5))
    # a gains 0.2 and 0.1, b gains 0.4 and, since none of b has come to the top, as much as a there.
    assert at_full_length(climbing, num_rungs=3) == pytest.approx([0.8, 0.8, 0.8, 0.7, 0.6, 0.6])
    assert at_full_length(runs(("a1", 0, 0.5)), num_rungs=3) == [0.5]


def within(climbing: list[Run], **changes: bool) -> int | None:
    return promoted_within(climbing, EPOCHS, budget=18, **changes)


def test_with_a_budget_each_rung_spends_its_share_first() -> None:
    # Of 18 epochs each rung gets six: six candidates, then three promotions, then one.
    climbing = runs(*((f"a{n}", 0, 0.1 * n) for n in range(5)))
    assert within(climbing) is None
    climbing += runs(("a5", 0, 0.05))
    for expected, name in ((4, "a4"), (3, "a3"), (2, "a2")):
        assert within(climbing) == expected
        climbing += runs((name, 1, 0.5 + (climbing[expected].fitness or 0.0)))
    assert within(climbing) == 6
    climbing += runs(("a4", 2, 0.9))
    assert within(climbing) is None
    assert not any(has_room(climbing, EPOCHS, rung, budget=18) for rung in range(3))


def test_a_rung_that_nobody_else_can_enter_leaves_its_epochs_to_those_above() -> None:
    # Five of six failed, so that a single one can go up: the second rung uses two epochs of its six.
    climbing = runs(("a0", 0, 0.1), *((f"a{n}", 0, None) for n in range(1, 6)))
    assert within(climbing) == 0
    climbing += runs(("a0", 1, 0.2))
    assert within(climbing) == 6
    # While one trains that may go up yet, the rung waits.
    assert within([*climbing[:-1], Run("a0", "a", 1, None, is_pending=True)]) is None
    waiting = [*climbing[:5], Run("a5", "a", 0, None, is_pending=True), *climbing[6:]]
    assert within(waiting) is None


def test_promotions_go_on_when_no_new_candidates_come() -> None:
    climbing = runs(("a0", 0, 0.1), ("a1", 0, 0.2))
    assert within(climbing) is None
    order = []
    while (index := within(climbing, is_closed=True)) is not None:
        order.append((climbing[index].candidate, climbing[index].rung + 1))
        climbing += runs((str(climbing[index].candidate), climbing[index].rung + 1, climbing[index].fitness))
    # Two epochs, four, and twice six are within the 18.
    assert order == [("a1", 1), ("a0", 1), ("a1", 2), ("a0", 2)]


def test_epochs_are_counted_where_a_rung_is_skipped() -> None:
    assert num_spent(runs(("a0", 0, 0.1), ("a1", 0, 0.2), ("a1", 1, 0.2), ("a0", 2, 0.3)), EPOCHS) == [2, 2, 8]
