import dataclasses

from benchmarks.endurance.event_log import EventLog
from benchmarks.endurance.faults import draw_plan, unexplained
from benchmarks.endurance.injection import FAULTS
from benchmarks.endurance.jobs import Job
from tests.support.searches import record

JOB = Job(part="faults", seed=0, trials=200, epochs=3, workers=2, kills=20)


def test_one_of_four_trials_meets_a_fault_and_kinds_are_even() -> None:
    plan = draw_plan(JOB)
    assert plan == draw_plan(JOB) != draw_plan(dataclasses.replace(JOB, seed=1))
    assert [number // 4 for number in plan] == list(range(50))
    kinds = [kind for kind, _ in plan.values()]
    assert {kinds.count(kind) for kind in FAULTS} == {50 // len(FAULTS), 50 // len(FAULTS) + 1}
    assert all(0 <= at < JOB.epochs for _, at in plan.values())


def test_only_faults_that_must_fail_a_trial_explain_a_failure() -> None:
    log = EventLog()
    completed = record("0", 0.5)
    failed = dataclasses.replace(completed, status="failed", fitness=None, reason="why")
    for one in (completed, *(dataclasses.replace(failed, number=number) for number in (1, 2, 3))):
        log.trial_started(one.number, "", None, "worker-0")
        log.trial_ended(one, None)
    plan = {0: ("raise", 0.0), 1: ("kill", 0.0), 2: ("nan", 0.0)}
    assert unexplained(log, plan, 5) == [
        "4 trials ended, expected 5",
        "trial 0 (raise) completed: no reason",
        "trial 1 (kill) failed: why",
        "trial 3 (no fault) failed: why",
    ]
