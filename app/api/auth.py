"""Log-in of staff for the JSON API: a short access token (JWT) and a refresh token that is swapped at every use.

Both hang on one session in Redis. It ends with a log-out, when the person is disabled or gets another role or password, when a refresh
token is shown a second time (somebody holds a copy), and after twelve hours; the access token is worth nothing from that moment on.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app import limits, origin
from app.access import public
from app.api.security import anybody_logged_in, bearer_of, session_of
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from app.errors import Unauthenticated
from services.accounts import access_tokens, proofs, sessions, staff
from services.accounts.models import Role
from services.accounts.permissions import Permission, Principal

router = APIRouter(prefix="/api/auth", tags=["authentication"], responses=refusals(401, 422, 429, 503))
Somebody = Annotated[Principal, anybody_logged_in("each person may ask who they are, and end their own log-in")]
_REFRESHES = limits.Limit("api-refresh", "120 per minute")
_NO_NUL = r"^[^\x00]*$"


class RefreshRefused(Unauthenticated):
    code, title = "refresh_refused", "Log in again"
    message = "This refresh token was used before, has expired, or its session was ended. Log in again."


class LogIn(BaseModel):
    """`code` is the second factor: six digits of the authenticator app, or a recovery code."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"email": "care@inet.demo", "password": "inet-demo-2026"}]})

    email: str = Field(min_length=1, max_length=254, pattern=_NO_NUL)
    password: str = Field(min_length=1, max_length=256, pattern=_NO_NUL)
    code: str | None = Field(default=None, max_length=32, pattern=_NO_NUL)


class Refresh(BaseModel):
    model_config = ConfigDict(extra="forbid")

    refresh_token: str = Field(min_length=1, max_length=200, pattern=_NO_NUL)


class Proof(BaseModel):
    """The password, or a code of the second factor: one of them."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"password": "inet-demo-2026"}, {"code": "123456"}]})

    password: str | None = Field(default=None, min_length=1, max_length=256, pattern=_NO_NUL)
    code: str | None = Field(default=None, min_length=1, max_length=32, pattern=_NO_NUL)

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.password is None) == (self.code is None):
            raise ValueError("send either password or code")
        return self


class Tokens(BaseModel):
    access_token: str = Field(description="Send it as `Authorization: Bearer`")
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int = Field(description="Seconds until the access token ends", examples=[600])
    refresh_token: str = Field(description="Good for one use at `/api/auth/refresh`")


class Me(BaseModel):
    """Who holds the token. An API token has scopes for permissions, and neither e-mail nor role."""

    id: int
    kind: Literal["staff", "token"]
    name: str
    email: str | None
    role: Role | None
    permissions: list[Permission]


def _tokens(staff_id: int, refresh: sessions.RefreshToken, response: Response, *, now: datetime) -> Tokens:
    response.headers["Cache-Control"] = "no-store"
    return Tokens(
        access_token=access_tokens.make(staff_id=staff_id, session_id=refresh.session_id, now=now),
        expires_in=int(access_tokens.LIFETIME.total_seconds()),
        refresh_token=refresh.text,
    )


@router.post("/login", summary="Log in", dependencies=[public("who logs in has no token yet; tries are counted")])
def log_in(body: LogIn, request: Request, response: Response) -> Tokens:
    """Refused alike for an unknown address, a wrong password and a disabled account. `second_factor_needed` asks for `code`."""
    now = utc_now()
    with transaction() as session:
        person = staff.authenticate(session, email=body.email, password=body.password, code=body.code, now=now)
        assert person.id is not None
        refresh = sessions.open_refreshable(person, now=now, agent=request.headers.get("user-agent", ""))
        return _tokens(person.id, refresh, response, now=now)


@router.post("/refresh", summary="Swap a refresh token", dependencies=[public("the refresh token itself is the credential")])
def refresh(body: Refresh, response: Response) -> Tokens:
    """Answers new tokens. A refresh token that was used before ends the whole session, because somebody else holds a copy."""
    limits.count(_REFRESHES, origin.current())
    swapped = sessions.swap_refresh(body.refresh_token)
    if swapped is None:
        raise RefreshRefused
    with transaction() as session:
        person = sessions.principal_of_session(session, swapped.session_id)
    if person is None:
        raise RefreshRefused
    return _tokens(person.id, swapped, response, now=utc_now())


@router.post("/logout", summary="Log out", status_code=204)
def log_out(request: Request, _: Somebody) -> None:
    """Ends the session of the access token: it and its refresh token are worth nothing from now on."""
    sessions.end_session(session_of(bearer_of(request)))


@router.post("/prove", summary="Prove once more who you are", status_code=204)
def prove(body: Proof, request: Request, actor: Somebody) -> None:
    """For ten minutes, opens what answers `fresh_proof_needed` without it. A log-in is such a proof; API tokens need none."""
    session_id = session_of(bearer_of(request))
    with transaction() as session:
        proofs.prove(session, actor=actor, session_id=session_id, password=body.password, code=body.code, now=utc_now())


@router.get("/me", summary="Who am I")
def me(actor: Somebody) -> Me:
    """Name, role and permissions as they are at this moment."""
    assert actor.kind != "cli", "no token makes one"
    return Me(id=actor.id, kind=actor.kind, name=actor.name, email=actor.email, role=actor.role, permissions=sorted(actor.permissions))
