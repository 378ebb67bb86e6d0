"""Signing in and out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from kevo.service.guard import address_of
from kevo.service.pages.rendering import fields, render
from kevo.service.rest.access import server_of
from kevo.service.tokens import OWNER, SIGN_IN_SECONDS

router = APIRouter()


@router.get("/login")
def login(request: Request, code: str = "") -> Response:
    """Signs in by a link that can be used once, or asks for a token."""
    server = server_of(request)
    if code:
        if server.gate.redeem(code):
            return _signed_in(request, OWNER)
        server.gate.note_wrong(address_of(request.scope))
    words = "This link was used already, or is older than a minute." if code else ""
    return render(request, "login.html", 401 if code else 200, error=words)


@router.post("/login")
async def post_login(request: Request) -> Response:
    """Signs in by a token."""
    gate = server_of(request).gate
    given = await fields(request)
    if (user := gate.user_of_token(given.get("token", "").strip())) is not None:
        return _signed_in(request, user.name)
    if gate.note_wrong(address_of(request.scope)):
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
        secure=request.app.state.is_secure or request.url.scheme == "https",
    )
    return answer
