"""The pages: plain HTML that works without JavaScript, each at an address of its own."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from kevo.errors import KevoError
from kevo.runs import layout
from kevo.runs.atomic_files import DAMAGE
from kevo.runs.folder import Run
from kevo.runs.records import TrialRecord
from kevo.service import api, charts, exports, jobs, wording
from kevo.service import sections as sections_of
from kevo.service import settings as allowed
from kevo.service.api import Asked, NewSearch, Sent, server_of, user_of
from kevo.service.guard import TITLES
from kevo.service.jobs import Job
from kevo.service.server import Server, find_model
from kevo.service.settings import Limits
from kevo.service.tokens import OWNER, SIGN_IN_SECONDS
from kevo.settings import Settings
from kevo.system.text import byte_size, duration, metric_name, seconds_in

_PAGE = 20
_ROWS = 50
_LAST = 5
_FORM_BYTES = 2**16
_FORM_SECONDS = 280.0
_LANGUAGE = "kevo-lang"
_YEAR = 365 * 24 * 3600

router = APIRouter(include_in_schema=False)
_TEMPLATES = Environment(
    loader=PackageLoader("kevo.service", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Returns a page in the language of whoever asks."""
    asked = request.query_params.get("lang")
    language = wording.choose(
        asked=asked, cookie=request.cookies.get(_LANGUAGE), accepted=request.headers.get("accept-language", "")
    )
    other = next(one for one in wording.LANGUAGES if one != language)
    page = _TEMPLATES.get_template(name).render(
        _=wording.translator(language),
        language=language,
        other_language=other,
        other_language_name=wording.LANGUAGES[other],
        path=request.url.path,
        user=getattr(request.state, "user", None),
        number=lambda value, digits=0: wording.number(value, language, digits),
        percent=lambda value: f"{wording.number(100 * value, language, 1)} %",
        size=byte_size,
        duration=duration,
        date=lambda seconds: datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M"),
        metric_name=metric_name,
        **values,
    )
    answer = HTMLResponse(page, status)
    if asked in wording.LANGUAGES:
        answer.set_cookie(_LANGUAGE, str(asked), max_age=_YEAR, httponly=True, samesite="strict")
    return answer


def error_page(request: Request, status: int, words: str) -> HTMLResponse:
    """Returns a page that says what went wrong."""
    return render(request, "error.html", status, title=TITLES.get(status, "Error"), words=words)


@router.get("/")
def searches(request: Request, state: str = "", page: Annotated[int, Query(ge=1, le=10**6)] = 1) -> Response:
    """Shows the searches, the newest first."""
    server, user = server_of(request), user_of(request)
    everything = server.searches.all_of(user)
    found = [job for job in everything if state in ("", server.searches.state(job))]
    rows = [server.search_json(job, is_brief=True) for job in found[(page - 1) * _PAGE : page * _PAGE]]
    states = [server.searches.state(job) for job in everything]
    return render(
        request,
        "searches.html",
        rows=rows,
        state=state,
        states=sorted(set(states)),
        num_all=len(everything),
        num_alive=sum(one in jobs.ALIVE for one in states),
        num_queued=states.count(jobs.QUEUED),
        free=server.root.num_free,
        page=page,
        num_pages=max(1, math.ceil(len(found) / _PAGE)),
    )


@router.get("/data")
def data(request: Request) -> Response:
    """Shows the uploads."""
    server = server_of(request)
    found = server.uploads.all_of(user_of(request))
    return render(request, "data_list.html", uploads=found, there=["digits", *server.config.data])


@router.get("/data/new")
def new_data(request: Request) -> Response:
    """Asks for pictures."""
    server = server_of(request)
    return render(request, "data_new.html", most=server.uploads.most, there=["digits", *server.config.data], error="")


@router.post("/data")
async def post_data(request: Request) -> Response:
    """Takes in pictures from a form; the file is read on as the API reads it."""
    server = server_of(request)
    length = request.headers.get("content-length", "")
    try:
        if not length.isdigit():
            raise HTTPException(413, "Expected a request that says how long it is.")
        # So large a form is not read to its end: the file alone would be refused too.
        if int(length) > server.uploads.most + _FORM_BYTES:
            server.uploads.check("data.zip", int(length))
        async with request.form(max_files=1, max_fields=2) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile) or not file.filename:
                raise HTTPException(422, "Choose a file first.")
            upload = await server.uploads.receive(file.filename, user_of(request), _read(file), file.size)
    except (KevoError, HTTPException) as error:
        status = error.status_code if isinstance(error, HTTPException) else api.status_of(error)
        words = str(error.detail if isinstance(error, HTTPException) else error)
        there = ["digits", *server.config.data]
        return render(request, "data_new.html", status, most=server.uploads.most, there=there, error=words)
    return RedirectResponse(f"/data/{upload.id}", 303)


async def _read(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(2**20):
        yield chunk


@router.get("/data/{data}")
def show_data(one: Sent, request: Request) -> Response:
    """Shows what was found in an upload."""
    server = server_of(request)
    by_class: dict[str, list[int]] = {}
    for place, (label, _) in enumerate(one.thumbnails):
        by_class.setdefault(label, []).append(place)
    same = server.uploads.get(one.same_as, one.owner) if one.same_as else None
    return render(
        request,
        "data.html",
        upload=one,
        thumbnails=by_class,
        same=same,
        needing=server.searches.needing(one.id),
        classes=list(one.counts.items())[:500],
    )


@router.get("/data/{data}/delete")
def ask_delete_data(one: Sent, request: Request) -> Response:
    """Asks whether an upload is to be removed."""
    server = server_of(request)
    return render(request, "delete_data.html", upload=one, needing=server.searches.needing(one.id))


@router.post("/data/{data}/delete")
def delete_data(one: Sent, request: Request) -> Response:
    """Removes an upload."""
    api.delete_data(one, request, force=True)
    return RedirectResponse("/data", 303)


@router.get("/searches/new")
def new_search(request: Request, data: str = "digits") -> Response:
    """Asks how to search."""
    return _search_form(request, data, {}, "")


def _search_form(request: Request, data: str, given: Mapping[str, str], error: str, status: int = 200) -> Response:
    server, user = server_of(request), user_of(request)
    name = server.data_name(data, user)
    if name is None:
        raise HTTPException(404, "There is no such data.")
    waiting = len(server.searches.queued())
    is_free = server.searches.num_alive() < server.config.parallel and not waiting
    return render(
        request,
        "search_new.html",
        status,
        data=data,
        data_name=name,
        upload=server.uploads.get(data, user),
        given=given,
        error=error,
        is_free=is_free,
        is_paused=server.searches.is_paused,
        num_before=waiting + server.searches.num_alive(),
        most=duration(server.config.max_time),
        default_name=Path(name).stem or name,
    )


@router.post("/searches")
async def post_search(request: Request) -> Response:
    """Begins a search that a form asks for."""
    given = await _fields(request)
    data = given.get("data", "digits")
    try:
        job = _asked_for(server_of(request), user_of(request), data, given)
    except (KevoError, ValueError) as error:
        return _search_form(request, data, given, _words_of(error), 422)
    return RedirectResponse(f"/searches/{job.id}", 303)


def _asked_for(server: Server, user: str, data: str, given: Mapping[str, str]) -> Job:
    """Reads the form of a search; empty fields are left out."""
    settings: dict[str, Any] = {}
    if time := given.get("max_time_other") or given.get("max_time"):
        settings["max_time"] = float(seconds_in(time))
    for name in ("max_trials", "patience", "epochs", "max_params", "seed", "population", "num_rungs"):
        if text := given.get(name):
            settings[name] = _whole(text)
    for name in ("space", "objective", "target"):
        if text := given.get(name):
            settings[name] = text
    if given.get("minimize"):
        settings["minimize"] = [given["minimize"]]
    asked = NewSearch.model_validate({"data": data, "name": given.get("name") or None, "settings": settings})
    return api.add_search(server, user, asked)[0]


def _whole(text: str) -> int:
    digits = re.sub(r"[ .,_]", "", text)
    if not digits.isdigit():
        raise ValueError(f"Expected a whole number. Received: {text[:50]!r}.")
    return int(digits)


def _words_of(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}."


@router.get("/searches/{search}")
def show_search(job: Asked, request: Request) -> Response:
    """Shows how a search is doing, and what it has found."""
    server = server_of(request)
    values = server.search_json(job)
    candidates = server.searches.candidates(job)
    num = len(candidates)
    search, outcome = _settings(server, job), server.searches.outcome(job)
    objective = None if search is None else search.objectives[0]
    if values["state"] not in (jobs.STOPPED, jobs.FINISHED):
        outcome = None
    kind = None if outcome is None else outcome.kind
    headline = None
    drawings: list[dict[str, Any]] = []
    sections: list[dict[str, Any]] = []
    details: list[tuple[str, str]] = []
    remarks: list[str] = []
    if outcome is not None and kind is not None:
        pages = kind.pages()
        headline = pages.headline(outcome.test)
        details = [(name, str(value)) for name, value in pages.details(outcome.test, outcome.validation)]
        remarks = [*filter(None, [outcome.advice]), *pages.remarks(outcome.test)]
        drawings = [shown for one in kind.drawings(outcome.test) if (shown := sections_of.block(one)) is not None]
        sections = sections_of.sections(pages, server.searches.place(job).run, outcome)
    return render(
        request,
        "search.html",
        search=values,
        job=job,
        is_alive=values["state"] in jobs.ALIVE,
        is_ended=values["state"] in jobs.ENDED,
        headline=headline,
        details=details,
        remarks=remarks,
        drawings=drawings,
        sections=sections,
        is_of_pictures=outcome is None or outcome.kind.inputs == "images",
        curve=None if objective is None else charts.curve(candidates, objective),
        metric="" if objective is None else objective.metric,
        last=_rows(server, search, server.searches.records(job, num - _LAST, num)),
        num_candidates=num,
        has_model=layout.MODEL in values["files"],
        exports=exports.listed(server, job),
        offered=exports.available(),
        log=server.without_paths(jobs.tail(server.searches.place(job).log, 4096))
        if values["state"] == "failed"
        else "",
        width=charts.WIDTH,
        height=charts.HEIGHT,
        left=charts.LEFT,
    )


def _settings(server: Server, job: Job) -> Settings | None:
    """Returns the settings of a search; `None` before it has begun."""
    try:
        return Run.open(server.searches.place(job).run).search_settings()
    except KevoError:
        return None


def _rows(server: Server, search: Settings | None, records: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    """Returns what a table says of candidates, the newest first."""
    found = []
    for record in reversed(records):
        try:
            words = (search or Settings()).kind.describe(record.genome)
        except DAMAGE:
            words = ", ".join(f"{name} {value}" for name, value in list(record.genome.items())[:6])
        found.append({"record": record, "words": words, "reason": server.without_paths(record.reason or "")})
    return found


@router.post("/searches/{search}/stop")
async def stop_search(job: Asked, request: Request) -> Response:
    """Ends a search."""
    given = await _fields(request)
    server_of(request).searches.stop(job, at_once=given.get("now") == "yes")
    return RedirectResponse("/" if given.get("back") == "list" else f"/searches/{job.id}", 303)


@router.post("/searches/{search}/exports")
async def post_export(job: Asked, request: Request) -> Response:
    """Writes the model in another format."""
    server, name = server_of(request), (await _fields(request)).get("name", "")
    server.errands.drop(("export", job.id, name))
    api.begin_export(server, job, name)
    return RedirectResponse(f"/searches/{job.id}#exports", 303)


@router.post("/searches/{search}/resume")
async def resume_search(job: Asked, request: Request) -> Response:
    """Lets a search go on."""
    given, server = await _fields(request), server_of(request)
    values: dict[str, Any] = {}
    try:
        if given.get("max_time"):
            values["max_time"] = float(seconds_in(given["max_time"]))
        if given.get("max_trials"):
            values["max_trials"] = _whole(given["max_trials"])
        limits = allowed.checked_limits(Limits.model_validate(values), max_time=server.config.max_time)
    except (KevoError, ValueError) as error:
        raise HTTPException(422, _words_of(error)) from None
    server.searches.resume(job, limits)
    return RedirectResponse(f"/searches/{job.id}", 303)


@router.get("/searches/{search}/delete")
def ask_delete_search(job: Asked, request: Request) -> Response:
    """Asks whether a search is to be removed."""
    server = server_of(request)
    return render(
        request, "delete_search.html", search=server.search_json(job), is_alive=server.searches.state(job) in jobs.ALIVE
    )


@router.post("/searches/{search}/delete")
def delete_search(job: Asked, request: Request) -> Response:
    """Removes a search."""
    api.delete_search(job, request)
    return RedirectResponse("/", 303)


@router.get("/searches/{search}/candidates")
def show_candidates(job: Asked, request: Request, page: Annotated[int, Query(ge=1, le=10**6)] = 1) -> Response:
    """Shows all candidates, the newest first."""
    server = server_of(request)
    num, search = server.searches.num_candidates(job), _settings(server, job)
    last = num - (page - 1) * _ROWS
    records = server.searches.records(job, last - _ROWS, last) if last > 0 else []
    return render(
        request,
        "candidates.html",
        search=server.search_json(job, is_brief=True),
        rows=_rows(server, search, records),
        metric="" if search is None else search.objectives[0].metric,
        page=page,
        num=num,
        num_pages=max(1, math.ceil(num / _ROWS)),
    )


@router.get("/searches/{search}/report")
async def show_report(job: Asked, request: Request) -> Response:
    """Shows the report, or that it is being made."""
    server = server_of(request)
    if api.begin_report(server, job):
        return api.report_response(server, job)
    errand = server.errands.get(("report", job.id))
    words = server.without_paths(errand.words) if errand is not None and errand.state == "failed" else ""
    # Whoever looks once more has it tried once more.
    server.errands.drop(("report", job.id))
    return render(request, "report_wait.html", 500 if words else 202, search=job, words=words)


@router.get("/searches/{search}/try")
async def try_model(job: Asked, request: Request) -> Response:
    """Asks for pictures to predict, and begins to load the model."""
    server = server_of(request)
    words = ""
    try:
        is_ready = await server.models.warm_up(find_model(server, job))
    except KevoError as error:
        is_ready, words = False, server.without_paths(str(error))
    return _try_page(request, job, is_ready=is_ready, error=words)


@router.post("/searches/{search}/try")
async def post_try(job: Asked, request: Request) -> Response:
    """Predicts pictures from a form."""
    server = server_of(request)
    try:
        pictures = await api.pictures_of(request)
        # A form that is sent again has lost its pictures: it waits for the model.
        answer = await api.predicted(server, api.model_of(server, job), pictures, top=5, wait=_FORM_SECONDS)
    except (KevoError, HTTPException) as error:
        status = error.status_code if isinstance(error, HTTPException) else api.status_of(error)
        words = str(error.detail if isinstance(error, HTTPException) else error)
        return _try_page(request, job, is_ready=True, error=server.without_paths(words), status=status)
    return _try_page(request, job, is_ready=True, answer=answer)


def _try_page(
    request: Request,
    job: Job,
    *,
    is_ready: bool,
    answer: Mapping[str, Any] | None = None,
    error: str = "",
    status: int = 200,
) -> Response:
    server = server_of(request)
    outcome = server.searches.outcome(job)
    address = f"{request.url.scheme}://{request.url.netloc}/api/v1/searches/{job.id}/predict"
    curl = ["curl", "-H", "Authorization: Bearer TOKEN", "--data-binary", "@picture.jpg", address]
    return render(
        request,
        "try.html",
        status,
        search=job,
        is_ready=is_ready,
        class_names=list(outcome.test.names)[:100] if outcome is not None else [],
        answer=answer,
        error=error,
        curl=shlex.join(curl),
        address=address,
    )


@router.get("/login")
def login(request: Request, code: str = "") -> Response:
    """Signs in by a link that can be used once, or asks for a token."""
    server = server_of(request)
    if code:
        if server.gate.redeem(code):
            return _signed_in(request, OWNER)
        server.gate.note_wrong()
    words = "This link was used already, or is older than a minute." if code else ""
    return render(request, "login.html", 401 if code else 200, error=words)


@router.post("/login")
async def post_login(request: Request) -> Response:
    """Signs in by a token."""
    gate = server_of(request).gate
    given = await _fields(request)
    if (user := gate.user_of_token(given.get("token", "").strip())) is not None:
        return _signed_in(request, user)
    if gate.note_wrong():
        return render(request, "login.html", 429, error="Too many wrong tokens. Wait a minute.")
    return render(request, "login.html", 401, error="This token is wrong.")


@router.post("/logout")
def logout(request: Request) -> Response:
    """Signs out."""
    if request.state.cookie is not None:
        server_of(request).gate.sign_out(request.state.cookie)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(request.app.state.cookie)
    return answer


def _signed_in(request: Request, user: str) -> Response:
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        request.app.state.cookie,
        server_of(request).gate.sign_in(user),
        max_age=int(SIGN_IN_SECONDS),
        httponly=True,
        samesite="strict",
        secure=request.app.state.is_secure,
    )
    return answer


@router.get("/machine")
async def show_machine(request: Request) -> Response:
    """Shows what this machine has, and how much is at work on it."""
    return render(request, "machine.html", machine=server_of(request).machine_json())


@router.get("/api")
def show_api(request: Request) -> Response:
    """Shows what the REST service answers."""
    rows = []
    for path, methods in request.app.openapi()["paths"].items():
        for method, operation in methods.items():
            rows.append((method.upper(), path, operation.get("description", "")))
    netloc = f"{request.url.scheme}://{request.url.netloc}"
    return render(request, "api.html", rows=rows, address=netloc)


async def _fields(request: Request) -> dict[str, str]:
    """Returns the fields of a plain form; of several of one name the last."""
    content = await request.body()
    found = parse_qs(content.decode("utf-8", "replace"), max_num_fields=50)
    return {name: values[-1].strip() for name, values in found.items()}
