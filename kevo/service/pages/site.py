"""All pages."""

from fastapi import APIRouter

from kevo.service.pages import comparing, data, machine, search, searches, signing_in, trying

router = APIRouter(include_in_schema=False)
# The form of a new search has the address that a search called `new` would have.
for part in (searches, search, comparing, data, trying, machine, signing_in):
    router.include_router(part.router)
