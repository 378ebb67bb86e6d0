"""Who may import whom: a module imports from lower floors and from its own room, and nothing goes in circles."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.support.imports import Import, circles, imports, imports_of, modules, within
from tests.support.project import ROOT

# From the bottom up. A module belongs to the longest name that fits. Rooms on the same floor do not know each other.
FLOORS = """
tuners.execution.channel tuners.execution.executor tuners.execution.processes
tuners.execution.node_files tuners.execution.ray_cluster
tuners.execution.in_process tuners.execution.local_pool tuners.execution.foreman
tuners.execution
tuners.genome tuners.deadline tuners.durable_files tuners.oracle_lock
tuners.operators
tuners.survival tuners.pareto tuners.surrogate tuners.fidelity tuners.importance tuners.patience
tuners.settings
tuners.individual
tuners.evolution
tuners.trial_files tuners.locking
tuners.oracle
tuners.cluster_trials tuners.history
tuners.figures
tuners.report
tuners.tuner
tuners

kevo.errors
kevo.objective kevo.system
kevo.scorers
kevo.training.answers kevo.training.effort kevo.training.history kevo.training.early_stopping kevo.training.evolution
kevo.training.clock kevo.training.checkpoints kevo.training.optimizers kevo.training.batch_norm
kevo.training.growing
kevo.training.population
kevo.training.loop
kevo.training.stage
kevo.training
kevo.tasks.pages
kevo.tasks.protocols
kevo.tasks.registry
kevo.settings

kevo.runs.layout kevo.runs.atomic_files
kevo.runs.records kevo.runs.lock kevo.runs.ownership kevo.runs.limits
kevo.runs.folder
kevo.runs

kevo.tasks.saved_model kevo.tasks.sampling kevo.tasks.options kevo.tasks.text_files kevo.tasks.folds
kevo.tasks.splits
kevo.tasks.folded_trainer
kevo.tasks.outputs
kevo.tasks.prepared
kevo.tasks.images kevo.tasks.tables
kevo.tasks.texts kevo.tasks.masks kevo.tasks.series
kevo.tasks

kevo.progress kevo.export
kevo.report

kevo.engine.messages kevo.engine.budget kevo.engine.archive kevo.engine.partial_trainings
kevo.engine.oracle kevo.engine.final_training kevo.engine.default_recipe kevo.engine.ensemble kevo.engine.running
kevo.engine.feasibility kevo.engine.trial_records
kevo.engine.inheritance
kevo.engine.finalize kevo.engine.scheduler
kevo.engine

kevo.execution.devices
kevo.execution
kevo.result
kevo.session
kevo.api
kevo.estimators
kevo
kevo.service
kevo.cli
kevo.__main__
"""
HEIGHTS = {room: height for height, line in enumerate(FLOORS.splitlines()) for room in line.split()}

FILES = modules(ROOT, ("tuners", "kevo"))

KNOW_TUNERS = ("kevo.engine", "kevo.execution", "kevo.tasks", "kevo.session", "kevo.report.gene_importance")
SEARCHING = (
    "kevo.engine",
    "kevo.execution",
    "kevo.session",
    "kevo.api",
    "kevo.result",
    "kevo.training",
    "kevo.estimators",
)
KNOW_THE_COMMAND = ("kevo.__main__",)
TASK_TABLE = (
    "kevo.tasks.protocols",
    "kevo.tasks.registry",
    "kevo.tasks.pages",
    "kevo.tasks.saved_model",
    "kevo.tasks.public",
    "kevo.tasks.looking",
)
"""What everything outside `kevo.tasks` may know of tasks."""


def room(name: str) -> str:
    """The room that a module belongs to."""
    return max((room for room in HEIGHTS if within(name, room)), key=len)


def is_upward(one: Import) -> bool:
    """Whether an import leads to a higher floor, or to another room of the same one."""
    here, there = room(one.importer), room(one.target)
    return here != there and HEIGHTS[here] <= HEIGHTS[there]


def is_behind_the_task_table(one: Import) -> bool:
    """Whether an import reaches into the tasks from outside, past their table."""
    inner = within(one.target, "kevo.tasks") and not within(one.importer, "kevo.tasks")
    return inner and not any(within(one.target, name) for name in TASK_TABLE)


def is_a_stranger_to_tuners(one: Import) -> bool:
    """Whether a module of kevo knows tuners that should not."""
    outside = within(one.importer, "kevo") and not any(within(one.importer, name) for name in KNOW_TUNERS)
    return outside and within(one.target, "tuners")


def is_of_the_service(one: Import) -> bool:
    """Whether a module knows the service that should not."""
    outside = not any(within(one.importer, name) for name in ("kevo.service", "kevo.cli"))
    return outside and within(one.target, "kevo.service")


def is_beyond_the_service(one: Import) -> bool:
    """Whether the service reaches for what searches: a search is a process of its own."""
    return within(one.importer, "kevo.service") and any(within(one.target, name) for name in SEARCHING)


def is_of_the_command(one: Import) -> bool:
    """Whether a module knows the command that should not."""
    outside = not any(within(one.importer, name) for name in ("kevo.cli", *KNOW_THE_COMMAND))
    return outside and within(one.target, "kevo.cli")


RULES: dict[str, Callable[[Import], bool]] = {
    "modules import from lower floors and from their own room": is_upward,
    "everything outside kevo.tasks knows tasks through their table": is_behind_the_task_table,
    "only the rooms that search and train know tuners": is_a_stranger_to_tuners,
    "only python -m kevo knows the command": is_of_the_command,
    "only the command knows the service": is_of_the_service,
    "the service knows run folders, and nothing that searches": is_beyond_the_service,
}


def broken(rule: Callable[[Import], bool], found: Iterable[Import]) -> list[str]:
    """The imports that break a rule, as `path:line: statement`."""
    return sorted({str(one) for one in found if rule(one)})


def closed(found: Iterable[Import]) -> list[str]:
    """The circles among imports, each as one line of `path:line: statement`."""
    return [" | ".join(map(str, circle)) for circle in circles(found)]


@pytest.fixture(scope="module")
def found() -> list[Import]:
    return imports(ROOT, FILES)


@pytest.mark.parametrize("rule", RULES)
def test_imports_keep_to(rule: str, found: list[Import]) -> None:
    assert broken(RULES[rule], found) == []


def test_no_module_imports_itself_by_way_of_others(found: list[Import]) -> None:
    assert closed(found) == []


def test_every_room_is_there() -> None:
    assert [room for room in HEIGHTS if room not in FILES] == []


def planted(path: str, where: str, line: str) -> tuple[str, list[Import]]:
    """Appends an import to a module. Returns how it is to be named, and all that the module imports then."""
    original = (ROOT / path).read_text(encoding="utf-8")
    number = len(original.splitlines()) + where.partition("{line}")[0].count("\n") + 1
    return f"{path}:{number}: {line}", list(imports_of(original + where.format(line=line), Path(path), FILES))


TOP = "{line}\n"
IN_FUNCTION = "def planted():\n    if True:\n        {line}\n"
TYPE_ONLY = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    {line}\n"
IN_TRY = "try:\n    {line}\nexcept LookupError:\n    pass\n"


@pytest.mark.parametrize("where", [TOP, IN_FUNCTION, TYPE_ONLY, IN_TRY], ids=["top", "function", "type-only", "try"])
@pytest.mark.parametrize(
    ("path", "line", "rule"),
    [
        # Inside the engine and inside the run folder's room.
        ("kevo/engine/budget.py", "from kevo.engine.archive import Archive", is_upward),
        ("kevo/engine/archive.py", "from kevo.engine import final_training", is_upward),
        ("kevo/engine/messages.py", "import kevo.engine.scheduler", is_upward),
        ("kevo/engine/oracle.py", "from .scheduler import Scheduler", is_upward),
        ("kevo/runs/layout.py", "from kevo.runs.folder import Run", is_upward),
        # From room to room, by each way of saying it.
        ("kevo/errors.py", "import kevo.system.text as text", is_upward),
        ("kevo/system/memory.py", "from kevo.runs.layout import *", is_upward),
        ("kevo/training/loop.py", "from kevo import session", is_upward),
        ("kevo/runs/folder.py", "from ..engine.archive import Archive", is_upward),
        ("kevo/runs/__init__.py", "from ..api import search", is_upward),
        ("kevo/tasks/outputs/classes/evaluation.py", "from ...images import networks", is_upward),
        ("kevo/tasks/tables/space.py", "from kevo.tasks.images.space import Space", is_upward),
        ("kevo/tasks/images/trainer.py", "from kevo.execution.multiworker import lockstep", is_upward),
        ("kevo/progress/plain.py", "from kevo.report.markup import tag", is_upward),
        ("kevo/export/places.py", "from kevo.progress import Plain", is_upward),
        ("kevo/report/page.py", "from kevo import __version__", is_upward),
        ("kevo/engine/scheduler.py", 'import importlib; importlib.import_module("kevo.execution.runner")', is_upward),
        ("kevo/settings.py", '__import__("kevo.api")', is_upward),
        # In and under tuners.
        ("tuners/genome.py", "from . import tuner", is_upward),
        ("tuners/evolution.py", "from tuners import GeneticTuner", is_upward),
        ("tuners/execution/foreman.py", "from tuners.genome import Genome", is_upward),
        ("tuners/oracle.py", "import kevo", is_upward),
        ("tuners/execution/worker.py", "from kevo.errors import KevoError", is_upward),
        # Past the table of tasks, to tuners, to the command.
        ("kevo/engine/budget.py", "from kevo.tasks import images", is_behind_the_task_table),
        ("kevo/progress/panel.py", "import kevo.tasks.images.describe", is_behind_the_task_table),
        (
            "kevo/report/page.py",
            "from kevo.tasks.outputs.classes.evaluation import Evaluation",
            is_behind_the_task_table,
        ),
        ("kevo/runs/records.py", "from tuners.genome import Genome", is_a_stranger_to_tuners),
        ("kevo/report/tables.py", "import tuners", is_a_stranger_to_tuners),
        ("kevo/api.py", "from kevo.cli.console import FAILED", is_of_the_command),
        ("kevo/session.py", "from . import cli", is_of_the_command),
        ("kevo/report/page.py", "import kevo.service.app", is_of_the_service),
        ("kevo/service/searches.py", "from kevo.session import Session", is_beyond_the_service),
        ("kevo/service/guard.py", "from ..engine import scheduler", is_beyond_the_service),
    ],
)
def test_a_planted_import_is_named(path: str, line: str, rule: Callable[[Import], bool], where: str) -> None:
    named, found = planted(path, where, line)
    assert named in broken(rule, found)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("kevo/system/text.py", "from kevo.system import markdown"),
        ("kevo/runs/ranking.py", "import kevo.runs.reader"),
        ("kevo/training/stage.py", "from .candidate_fit import CandidateFit"),
        ("tuners/execution/executor.py", "from tuners.execution import in_process"),
    ],
)
def test_a_planted_circle_is_named(path: str, line: str, found: list[Import]) -> None:
    named, more = planted(path, TYPE_ONLY, line)
    assert any(named in circle for circle in closed([*found, *more]))
