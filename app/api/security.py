"""Who is asking on the JSON faces: a bearer token, made into a `Principal`. The console's cookie opens nothing here (CSRF).

A token is either a short JWT of a staff member, good while its session in Redis stands, or the API token of an outside service. Both are
looked up anew at each request, so that a disabled person, a changed role or a revoked token acts on the next one.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from sqlmodel import Session

from app import limits, origin, refusals
from app.access import Gate
from app.clock import utc_now
from app.db import transaction
from app.errors import Unauthenticated
from services.accounts import access_tokens, sessions
from services.accounts.permissions import Permission, Principal
from services.accounts.tokens import principal_for_token

# A bound against runaway programs, far above what a person or a healthy one needs; with Redis away it does not count.
PER_PRINCIPAL = limits.Limit("api", "1200 per minute")
# Only names the scheme for the OpenAPI document: it refuses nobody, the gates do.
_SCHEME = HTTPBearer(
    scheme_name="bearer",
    bearerFormat="JWT or API token",
    description="A JWT from `POST /api/auth/login`, or an API token made with `inet api-token create`.",
    auto_error=False,
)
Bearer = Annotated[Any, Security(_SCHEME)]


def bearer_of(request: Request) -> str:
    """The token of the request. Raises Unauthenticated when there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated
    return token.strip()


def session_of(token: str) -> str:
    """The staff session that a JWT names. Raises Unauthenticated for a forged, expired or foreign one."""
    session_id = access_tokens.read(token, now=utc_now()) if access_tokens.looks_like_one(token) else None
    if session_id is None:
        raise Unauthenticated
    return session_id


def _principal(session: Session, token: str) -> Principal | None:
    if access_tokens.looks_like_one(token):
        return sessions.principal_of_session(session, session_of(token))
    return principal_for_token(session, token, now=utc_now(), address=origin.current())


class BearerGate(Gate):
    """Passes whoever shows a token that holds now; answers the principal."""

    def __call__(self, request: Request, _: Bearer) -> Principal:
        with transaction() as session:
            principal = _principal(session, bearer_of(request))
        if principal is None:
            raise Unauthenticated
        refusals.attribute(request.scope, principal.kind, principal.id)
        limits.count(PER_PRINCIPAL, principal.kind, str(principal.id))
        return principal


class PermissionGate(BearerGate):
    """Passes principals that hold the permission; answers the principal."""

    def __init__(self, permission: Permission) -> None:
        super().__init__(permission=permission.value)
        self._needed = permission

    def __call__(self, request: Request, _: Bearer) -> Principal:
        principal = super().__call__(request, _)
        principal.require(self._needed)
        return principal


def requires(permission: Permission) -> Any:
    """A dependency that answers the principal; its scope names the permission in the OpenAPI document."""
    return Security(PermissionGate(permission), scopes=[permission.value])


def anybody_logged_in(reason: str) -> Any:
    """For what each person may do with their own log-in, whatever the role."""
    return Depends(BearerGate(reason=reason))
