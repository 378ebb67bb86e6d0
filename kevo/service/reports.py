"""The reports of searches and their figures, each made by `kevo report` in a process of its own."""

from __future__ import annotations

from pathlib import Path

from fastapi.responses import FileResponse

from kevo.runs import layout
from kevo.service.errors import ConflictError
from kevo.service.jobs import Job, Place
from kevo.service.server import Server, is_plain_file

REPORT, FIGURES = "report", "figures"
_SUFFIX = ".svg"
_REPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def begin(server: Server, job: Job, what: str = REPORT, *, is_fresh: bool = False) -> bool:
    """Returns whether there is a report of how a search stands, or its figures, and else begins to make it.

    Args:
        server: The server.
        job: The search.
        what: `REPORT` or `FIGURES`.
        is_fresh: Whether it is made anew, also where there is one, or where it could not be made before.

    Raises:
        ConflictError: the search has not begun.
    """
    place = server.searches.place(job)
    if not place.has_begun:
        raise ConflictError("There is nothing to report yet.")
    errand = server.errands.get((what, job.id))
    # What is made anew is waited for, and so is heard of where it could not be made.
    if errand is not None and (errand.is_under_way or (errand.state == "failed" and not is_fresh)):
        return False
    if not is_fresh and _is_current(place, place.report if what == REPORT else place.figures):
        return True
    # From where it stands: the page tells the path that it was asked for.
    where = ["--out", place.report.name] if what == REPORT else ["--figures", place.figures.name, "--format", "svg"]
    server.errands.begin((what, job.id), ["report", *where, "--", place.run_from(place.folder)], folder=place.folder)
    return False


def failure(server: Server, job: Job, what: str = REPORT) -> str:
    """Returns why there is no report, or are no figures; empty where that is not so."""
    errand = server.errands.get((what, job.id))
    return server.without_paths(errand.words) if errand is not None and errand.state == "failed" else ""


def response(server: Server, job: Job) -> FileResponse:
    """Returns the report, which may do nothing but be looked at."""
    path = server.searches.place(job).report
    return FileResponse(path, media_type="text/html", headers={"content-security-policy": _REPORT_POLICY})


def figures(server: Server, job: Job) -> list[str]:
    """Returns the names of the figures that were made."""
    folder = server.searches.place(job).figures
    return sorted(path.stem for path in folder.glob(f"*{_SUFFIX}") if is_plain_file(path))


def figure_response(server: Server, job: Job, name: str) -> FileResponse:
    """Returns one of the figures, which may do nothing but be looked at."""
    path = server.searches.place(job).figures / f"{name}{_SUFFIX}"
    return FileResponse(path, media_type="image/svg+xml", headers={"content-security-policy": _REPORT_POLICY})


def _is_current(place: Place, made: Path) -> bool:
    """Returns whether a file, or the newest in a folder, is no older than what it was made from."""
    newest = max(_changed(place.file(name)) for name in (layout.TRIALS, layout.RESULT))
    if made.is_dir() and not made.is_symlink():
        return max((_changed(path) for path in made.glob(f"*{_SUFFIX}")), default=0.0) >= newest
    return is_plain_file(made) and _changed(made) >= newest


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
