"""Who is asking on the apps' JSON: a phone that is logged in, and the person it is logged in for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from app.errors import Forbidden
from services.accounts.permissions import Permission, Principal
from services.apps.models import App


@dataclass(frozen=True)
class Caller:
    """Made from an access token once per request, so that a revoked phone or a disabled person is gone with the next one.

    Of a customer `customer_id` is set, of a technician `staff`, with role and permissions as in the console.
    """

    app_device_id: int
    device_name: str
    app: App
    key_number: int
    customer_id: int | None = None
    # The same phone as the shop knows it.
    device_id: int | None = None
    staff: Principal | None = None

    def customer(self) -> int:
        """The customer's number. Raises Forbidden for a technician's phone."""
        if self.customer_id is None:
            raise Forbidden("This is for customers. Use INET-Go.")
        return self.customer_id

    def technician(self, permission: Permission | None = None) -> Principal:
        """The person, who holds `permission`. Raises Forbidden for a customer's phone, or without it."""
        if self.staff is None:
            raise Forbidden("This is for staff. Use INET-Tech.")
        if permission is not None:
            self.staff.require(permission)
        return self.staff

    @cached_property
    def audiences(self) -> tuple[str, ...]:
        """Whose changes it hears of (`SyncChange.audience`)."""
        if self.customer_id is not None:
            return f"c:{self.customer_id}", "shop", "places"
        person = self.technician()
        return (f"s:{person.id}", "network") if person.may(Permission.NETWORK_READ) else (f"s:{person.id}",)

    @property
    def label(self) -> str:
        """How ledger, audit and history name who did it."""
        return self.staff.label if self.staff is not None else f"customer:{self.customer_id}"
