"""All of the REST service under one address."""

from fastapi import APIRouter

from kevo.service.rest import comparisons, data, events, files, machine, predictions, searches
from kevo.service.rest.errors import ERRORS

router = APIRouter(prefix="/api/v1", responses=ERRORS)
for part in (machine, data, searches, files, predictions, comparisons, events):
    router.include_router(part.router)
