"""Who is asking on the JSON faces: a bearer token, made into a `Principal`. The console's cookie opens nothing here (CSRF)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request

from app.access import Gate
from app.clock import utc_now
from app.db import transaction
from app.errors import Unauthenticated
from services.accounts.permissions import Permission, Principal
from services.accounts.tokens import principal_for_token


class PermissionGate(Gate):
    """Passes principals that hold the permission; answers the principal."""

    def __init__(self, permission: Permission) -> None:
        super().__init__(permission=permission.value)
        self._needed = permission

    def __call__(self, request: Request) -> Principal:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated
        with transaction() as session:
            principal = principal_for_token(session, token.strip(), now=utc_now())
        if principal is None:
            raise Unauthenticated
        principal.require(self._needed)
        return principal


def requires(permission: Permission) -> Any:
    return Depends(PermissionGate(permission))


AccessReader = Annotated[Principal, requires(Permission.ACCESS_READ)]
AccessGranter = Annotated[Principal, requires(Permission.ACCESS_GRANT)]
