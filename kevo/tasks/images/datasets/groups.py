"""Pictures that belong together, such as those of one patient or scene: never in different splits."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kevo.errors import DataError, SettingsError
from kevo.tasks.images.datasets.files import Listed


def group(listed: Sequence[Listed], groups: str) -> tuple[list[str], str]:
    """Tells which pictures belong together.

    Args:
        listed: The pictures. Those of a CSV with a column of this name have their group from it.
        groups: Else a regular expression that is searched in their paths: what its first pair of brackets matches is
            the group, or all that it matches where it has none. Pictures without a match stand alone.

    Returns:
        The group of each picture, and what there is to say of that.

    Raises:
        SettingsError: it is no regular expression.
        DataError: no path has a match.
    """
    if any(one.group is not None for one in listed):
        found = [one.group for one in listed]
        source = f"the column {groups!r}"
    else:
        try:
            pattern = re.compile(groups)
        except re.error as error:
            raise SettingsError(
                f"`groups` is neither a column nor a regular expression: {groups!r}: {error}. Expected the name of a "
                "column of the CSV, or an expression such as 'patient([0-9]+)'."
            ) from error
        matches = [pattern.search(one.file.path) for one in listed]
        found = [None if match is None else match.group(min(1, pattern.groups)) for match in matches]
        source = f"the expression {groups!r}"
    known = {name for name in found if name is not None}
    if not known:
        example = f", such as {listed[0].file.path!r}" if listed else ""
        raise DataError(
            f"`groups` is {groups!r}, which is no column of a CSV and matches no path{example}. Expected the name of a "
            "column of the CSV, or an expression such as 'patient([0-9]+)'."
        )
    alone = found.count(None)
    note = f"{len(listed) - alone} pictures belong to {len(known)} groups by {source}" + (
        f", and {alone} stand alone." if alone else "."
    )
    return [
        f"alone {one.file.path}" if name is None else f"group {name}" for one, name in zip(listed, found, strict=True)
    ], note
