"""Who is asking on the apps' JSON: a short access token, looked up anew at each request, so that a revoked phone is gone at once."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from app import limits, refusals
from app.access import Gate
from app.clock import utc_now
from app.db import transaction
from app.errors import Unauthenticated
from services.accounts.permissions import Permission
from services.apps import devices
from services.apps.callers import Caller

# A bound against runaway apps, far above what a person needs; with Redis away it does not count.
PER_DEVICE = limits.Limit("app", "600 per minute")
_SCHEME = HTTPBearer(
    scheme_name="app",
    bearerFormat="JWT",
    description="The access token of `auth/verify-key`, `auth/enrol` or `auth/refresh`.",
    auto_error=False,
)
Bearer = Annotated[Any, Security(_SCHEME)]


class AppGate(Gate):
    """Passes a phone that is logged in; answers the caller."""

    def __call__(self, request: Request, _: Bearer) -> Caller:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated
        with transaction() as session:
            caller = devices.caller_of(session, token.strip(), now=utc_now())
        refusals.attribute(request.scope, "app", caller.app_device_id)
        limits.count(PER_DEVICE, str(caller.app_device_id))
        return caller


class CustomerGate(AppGate):
    """Passes a customer's phone."""

    def __call__(self, request: Request, _: Bearer) -> Caller:
        caller = super().__call__(request, _)
        caller.customer()
        return caller


class TechnicianGate(AppGate):
    """Passes a technician's phone whose person holds the permission."""

    def __init__(self, permission: Permission) -> None:
        super().__init__(permission=permission.value)
        self._needed = permission

    def __call__(self, request: Request, _: Bearer) -> Caller:
        caller = super().__call__(request, _)
        caller.technician(self._needed)
        return caller


AnyPhone = Annotated[Caller, Depends(AppGate(reason="each phone asks for its own person, and gets what that one may see"))]
CustomerPhone = Annotated[Caller, Depends(CustomerGate(reason="customers see and change what is theirs alone"))]


def technician(permission: Permission) -> Any:
    """A dependency that answers the caller; its scope names the permission in the OpenAPI document."""
    return Security(TechnicianGate(permission), scopes=[permission.value])
