"""The data of a search, read again for its report."""

from __future__ import annotations

from typing import Any

from kevo.errors import KevoError
from kevo.runs.reader import Facts
from kevo.settings import Settings
from kevo.tasks.pages import Known


def read(facts: Facts, data: Any = None) -> Known:
    """Reads the data of a search again, for the task's sections of the report.

    Args:
        facts: What is known of the search.
        data: Where the data is now, or the data itself. Defaults to where it was.
    """
    dataset, reason = _dataset(facts, data)
    outcome = facts.outcome
    return Known(
        run_folder=facts.run_folder,
        validation=outcome and outcome.validation,
        test=outcome and outcome.test,
        dataset=dataset,
        reason=reason,
    )


def _dataset(facts: Facts, data: Any) -> tuple[Any, str]:
    kind, examples = facts.kind, facts.kind.examples
    source = facts.data if data is None else data
    if source is not None and data is None and not facts.is_own:
        return None, (
            f"Somebody else has begun this search, or its settings have changed: the {examples} in {source} were not "
            "read. Name them with --data."
        )
    if source is None:
        return None, f"The search had its {examples} from Python, and they were not given again."
    try:
        dataset = kind.load(source, facts.search or Settings())
    except (KevoError, OSError) as error:
        return None, f"The {examples} cannot be read any more. {error}"
    # Whoever wrote the run folder could name any folder: only who knew the very data gets it onto a page.
    if dataset.fingerprint() != facts.fingerprint:
        return None, f"The {examples} in {source} are no longer those of the search."
    return dataset, ""
