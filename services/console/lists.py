"""The console's lists by name: who may read each, and who may put a view above it for everybody."""

from __future__ import annotations

from dataclasses import dataclass

from app.errors import NotFound
from services.accounts.permissions import Permission


class ListNotFound(NotFound):
    code, message = "list_not_found", "There is no such list."


@dataclass(frozen=True)
class ListRules:
    """Sharing is for those who may change what the list shows: they say what everybody should look at."""

    read: Permission
    share: Permission


P = Permission
LISTS: dict[str, ListRules] = {
    "access-points": ListRules(P.NETWORK_READ, P.NETWORK_EDIT),
    "audit": ListRules(P.AUDIT_READ, P.STAFF_EDIT),
    "backups": ListRules(P.BACKUPS_READ, P.BACKUPS_EDIT),
    "batches": ListRules(P.VOUCHERS_READ, P.VOUCHERS_BATCH),
    "compensations": ListRules(P.COMPENSATION_READ, P.COMPENSATION_EDIT),
    "customers": ListRules(P.CUSTOMERS_READ, P.DESK_EDIT),
    "errors": ListRules(P.ERRORS_READ, P.ERRORS_EDIT),
    "findings": ListRules(P.MONEY_READ, P.RECONCILIATION_EDIT),
    "gateways": ListRules(P.GATEWAYS_READ, P.GATEWAYS_EDIT),
    "inbound": ListRules(P.NOTIFICATIONS_READ, P.DESK_EDIT),
    "incidents": ListRules(P.NETWORK_READ, P.INCIDENTS_EDIT),
    "job-failures": ListRules(P.JOBS_READ, P.JOBS_EDIT),
    "messages": ListRules(P.NOTIFICATIONS_READ, P.DESK_EDIT),
    "open-items": ListRules(P.MONEY_READ, P.RECONCILIATION_EDIT),
    "past-alarms": ListRules(P.NETWORK_READ, P.INCIDENTS_EDIT),
    "payments": ListRules(P.PAYMENTS_READ, P.REFUNDS_APPROVE),
    "promos": ListRules(P.PACKAGES_READ, P.PACKAGES_EDIT),
    "refunds": ListRules(P.PAYMENTS_REFUND, P.REFUNDS_APPROVE),
    "retention": ListRules(P.HEALTH_READ, P.JOBS_EDIT),
    "schedule": ListRules(P.JOBS_READ, P.JOBS_EDIT),
    "sessions": ListRules(P.SESSIONS_READ, P.DESK_EDIT),
    "sites": ListRules(P.NETWORK_READ, P.NETWORK_EDIT),
    "staff": ListRules(P.STAFF_READ, P.STAFF_EDIT),
    "tickets": ListRules(P.TICKETS_READ, P.DESK_EDIT),
    "tokens": ListRules(P.TOKENS_READ, P.TOKENS_EDIT),
    "transfers": ListRules(P.MONEY_READ, P.RECONCILIATION_EDIT),
    "uptime": ListRules(P.NETWORK_READ, P.NETWORK_EDIT),
    "vouchers": ListRules(P.VOUCHERS_READ, P.VOUCHERS_BLOCK),
}


def rules_of(page: str) -> ListRules:
    """Raises ListNotFound."""
    rules = LISTS.get(page)
    if rules is None:
        raise ListNotFound
    return rules
