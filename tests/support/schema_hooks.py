"""What schemathesis has to know: names of a search and an upload that are there, and real small zips to upload."""

import os
from typing import Any

import schemathesis
from hypothesis import strategies
from pydantic import ValidationError

from kevo.service import settings as allowed
from kevo.service.settings import SearchSettings
from tests.support.serving import pets

KNOWN = {"search": os.environ["KEVO_SEARCH"], "data": os.environ["KEVO_DATA"], "number": 0}
NAMES = {"files": "result.json", "exports": "best.tflite", "figures": "progress"}
"""The name of what is asked for, by the part of the address before it."""

UPLOAD = "pets.zip"
LONGEST = 200

schemathesis.openapi.media_type("application/zip", strategies.just(pets()))
schemathesis.openapi.media_type("application/octet-stream", strategies.just(pets()))
schemathesis.openapi.media_type("text/csv", strategies.just(pets()))


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any]) -> dict[str, Any]:
    """Names of others lead to 404, which tells nothing about the rest. What is known is not removed."""
    operation = context.operation
    if not path_parameters or operation.method.upper() == "DELETE":
        return path_parameters
    known = {**KNOWN, "name": NAMES.get(operation.path.split("/")[-2])}
    if operation.method.upper() == "PUT":
        known["data"] = UPLOAD
    return {name: known.get(name, value) for name, value in path_parameters.items()}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """What is sent after a list of uploads was had is no file that is called as this list is."""
    if case.method.upper() == "PUT":
        case.path_parameters["data"] = UPLOAD


@schemathesis.hook
def map_query(context: Any, query: dict[str, Any]) -> dict[str, Any]:
    """What is compared are searches that are there."""
    return {**query, "ids": f"{KNOWN['search']},{os.environ['KEVO_OTHER']}"} if query and "ids" in query else query


@schemathesis.hook
def map_headers(context: Any, headers: dict[str, Any]) -> dict[str, Any]:
    """A made-up tag of an answer leads to 412, which tells nothing about the rest."""
    return {name: value for name, value in headers.items() if name.casefold() != "if-match"} if headers else headers


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Where data is named, it is data that is there; settings of a search suit it and one another.

    Only one format is quantized.
    """
    if isinstance(body, dict) and body.get("format") == "onnx" and body.get("quantize") == "int8":
        return {**body, "quantize": "none"}
    if isinstance(body, dict) and isinstance(body.get("data"), str) and 0 < len(body["data"]) <= LONGEST:
        return {**body, "data": "digits", **({"settings": _suiting(body["settings"])} if "settings" in body else {})}
    return body


def _suiting(settings: Any) -> Any:
    """The description says what each setting may be, not which suit each other. Wrong ones stay as they are."""
    try:
        given = SearchSettings.model_validate(settings)
    except ValidationError:
        return settings
    # No column of pictures is predicted or forecast, they are classified, over folds there are no rungs, and no weights
    # are there.
    without = {"target", "backbones", "task", "horizon", "window", "season"}
    without |= set() if given.objective in allowed.objectives("classification") else {"objective"}
    without |= {"folds"} if given.num_rungs is not None else set()
    # Children that inherit go neither with rungs nor with folds.
    without |= {"inherit"} if given.num_rungs is not None or given.folds is not None else set()
    return {name: value for name, value in settings.items() if name not in without}
