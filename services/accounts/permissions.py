"""The one table of who may do what. Nothing is reachable that names no permission here (design.md, invariant 7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from app.errors import Forbidden
from services.accounts.models import Role


class Permission(StrEnum):
    DASHBOARD_READ = "dashboard:read"
    PACKAGES_READ = "packages:read"
    PACKAGES_EDIT = "packages:edit"
    PAYMENTS_READ = "payments:read"
    PAYMENTS_RETRY = "payments:retry"
    PAYMENTS_REFUND = "payments:refund"
    REFUNDS_APPROVE = "refunds:approve"
    REFUND_RULES_EDIT = "refund-rules:edit"
    MONEY_READ = "money:read"
    RECONCILIATION_EDIT = "reconciliation:edit"
    VOUCHERS_READ = "vouchers:read"
    VOUCHERS_ISSUE = "vouchers:issue"
    VOUCHERS_BLOCK = "vouchers:block"
    VOUCHERS_REVEAL = "vouchers:reveal"
    VOUCHERS_BATCH = "vouchers:batch"
    SESSIONS_READ = "sessions:read"
    SESSIONS_END = "sessions:end"
    SESSIONS_EXTEND = "sessions:extend"
    GATEWAYS_READ = "gateways:read"
    GATEWAYS_EDIT = "gateways:edit"
    NETWORK_READ = "network:read"
    NETWORK_EDIT = "network:edit"
    INCIDENTS_EDIT = "incidents:edit"
    COMPENSATION_READ = "compensation:read"
    COMPENSATION_EDIT = "compensation:edit"
    CUSTOMERS_READ = "customers:read"
    TICKETS_READ = "tickets:read"
    TICKETS_EDIT = "tickets:edit"
    TICKETS_ASSIGN = "tickets:assign"
    TICKETS_REPLY = "tickets:reply"
    REPORTS_READ = "reports:read"
    NOTIFICATIONS_READ = "notifications:read"
    NOTIFICATIONS_EDIT = "notifications:edit"
    DESK_EDIT = "desk:edit"
    STAFF_READ = "staff:read"
    STAFF_EDIT = "staff:edit"
    TOKENS_READ = "tokens:read"
    TOKENS_EDIT = "tokens:edit"
    SELF_EDIT = "self:edit"
    HEALTH_READ = "health:read"
    JOBS_READ = "jobs:read"
    JOBS_EDIT = "jobs:edit"
    ERRORS_READ = "errors:read"
    ERRORS_EDIT = "errors:edit"
    BACKUPS_READ = "backups:read"
    BACKUPS_EDIT = "backups:edit"
    PERSONAL_DATA_READ = "personal-data:read"
    PERSONAL_DATA_ERASE = "personal-data:erase"
    AUDIT_READ = "audit:read"
    ACCESS_READ = "access:read"
    ACCESS_GRANT = "access:grant"


class FreshProofNeeded(Forbidden):
    code, title = "fresh_proof_needed", "Prove once more who you are"
    message = "This is asked for again every ten minutes. Prove who you are (in the API: POST /api/auth/prove), then repeat it."


# An open browser is not enough for what is worth money: it may be somebody else who sits before it (OWASP ASVS 5.0, 7.5.3).
PROOF_LASTS = timedelta(minutes=10)
P = Permission
# What everybody may do for themselves: password, second factor, sessions. All that is left to a person who must set one up first.
OWN_ACCOUNT = frozenset({P.SELF_EDIT})
_READ_SHOP = OWN_ACCOUNT | frozenset(
    {P.DASHBOARD_READ, P.PACKAGES_READ, P.PAYMENTS_READ, P.VOUCHERS_READ, P.SESSIONS_READ, P.CUSTOMERS_READ}
)
ROLE_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ROOT: frozenset(Permission),
    Role.SYSTEM_ADMIN: _READ_SHOP
    | {
        P.GATEWAYS_READ,
        P.GATEWAYS_EDIT,
        P.NETWORK_READ,
        P.NETWORK_EDIT,
        P.INCIDENTS_EDIT,
        P.COMPENSATION_READ,
        P.TICKETS_READ,
        P.TICKETS_EDIT,
        P.TICKETS_ASSIGN,
        P.TICKETS_REPLY,
        P.REPORTS_READ,
        P.NOTIFICATIONS_READ,
        P.NOTIFICATIONS_EDIT,
        P.DESK_EDIT,
        P.STAFF_READ,
        P.STAFF_EDIT,
        P.TOKENS_READ,
        P.TOKENS_EDIT,
        P.HEALTH_READ,
        P.JOBS_READ,
        P.JOBS_EDIT,
        P.ERRORS_READ,
        P.ERRORS_EDIT,
        P.BACKUPS_READ,
        P.BACKUPS_EDIT,
        P.PERSONAL_DATA_READ,
        P.PERSONAL_DATA_ERASE,
        P.AUDIT_READ,
        P.ACCESS_READ,
        P.SESSIONS_END,
        P.SESSIONS_EXTEND,
    },
    Role.CUSTOMER_CARE: _READ_SHOP
    | {P.PAYMENTS_RETRY, P.VOUCHERS_ISSUE, P.VOUCHERS_REVEAL, P.SESSIONS_END, P.GATEWAYS_READ, P.NETWORK_READ, P.COMPENSATION_READ}
    # What they may give back is bounded by the refund rules; a second person approves it.
    | {P.PAYMENTS_REFUND}
    | {P.SESSIONS_EXTEND, P.TICKETS_READ, P.TICKETS_EDIT, P.TICKETS_ASSIGN, P.ACCESS_READ, P.ACCESS_GRANT}
    | {P.NOTIFICATIONS_READ, P.NOTIFICATIONS_EDIT, P.TICKETS_REPLY, P.REPORTS_READ},
    # Of tickets, only those that were given to them (services/tickets/sight.py).
    Role.FIELD_TECHNICIAN: OWN_ACCOUNT
    | {P.DASHBOARD_READ, P.SESSIONS_READ, P.GATEWAYS_READ, P.NETWORK_READ, P.TICKETS_READ, P.TICKETS_EDIT, P.TICKETS_REPLY}
    | {P.ACCESS_READ},
    Role.BILLING_OFFICER: _READ_SHOP
    | {P.PACKAGES_EDIT, P.PAYMENTS_RETRY, P.VOUCHERS_ISSUE, P.VOUCHERS_BLOCK, P.VOUCHERS_REVEAL, P.TICKETS_READ}
    | {P.PAYMENTS_REFUND, P.REFUNDS_APPROVE, P.MONEY_READ, P.RECONCILIATION_EDIT, P.VOUCHERS_BATCH}
    | {P.NETWORK_READ, P.COMPENSATION_READ, P.COMPENSATION_EDIT, P.REPORTS_READ},
}
# What an outside service's token may be given: the shop and the network. Nothing of staff, tokens or the audit; no codes of old vouchers.
API_SCOPES = frozenset(
    {
        P.PACKAGES_READ,
        P.PACKAGES_EDIT,
        P.PAYMENTS_READ,
        P.PAYMENTS_RETRY,
        P.PAYMENTS_REFUND,
        P.MONEY_READ,
        P.VOUCHERS_BATCH,
        P.VOUCHERS_READ,
        P.VOUCHERS_ISSUE,
        P.VOUCHERS_BLOCK,
        P.SESSIONS_READ,
        P.SESSIONS_END,
        P.SESSIONS_EXTEND,
        P.GATEWAYS_READ,
        P.GATEWAYS_EDIT,
        P.NETWORK_READ,
        P.NETWORK_EDIT,
        P.COMPENSATION_READ,
        P.CUSTOMERS_READ,
        P.TICKETS_READ,
        P.TICKETS_EDIT,
        P.TICKETS_ASSIGN,
        P.TICKETS_REPLY,
        P.REPORTS_READ,
        P.NOTIFICATIONS_READ,
        P.NOTIFICATIONS_EDIT,
        P.ACCESS_READ,
        P.ACCESS_GRANT,
    }
)


@dataclass(frozen=True)
class Principal:
    """Who is asking: made from a credential once per action, so that a revoked role acts on the next one."""

    # "cli" is a person at the server's command line, who could change the database as well: known by the name of the system's account.
    kind: Literal["staff", "token", "cli"]
    id: int
    name: str
    permissions: frozenset[Permission]
    role: Role | None = None
    email: str | None = None
    # The role needs a second factor and there is none: until it is set up, nothing but the own account is open.
    must_enrol: bool = False
    # When a person last proved in this session who they are, by password or second factor (services/accounts/proofs.py).
    proven_at: datetime | None = None

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raises Forbidden unless this principal holds `permission`."""
        if permission not in self.permissions:
            raise Forbidden

    def require_proof(self, *, now: datetime) -> None:
        """Raises FreshProofNeeded unless the person proved lately who they are. Tokens are bound to their scopes, and prove nothing."""
        if self.kind == "staff" and (self.proven_at is None or now - self.proven_at > PROOF_LASTS):
            raise FreshProofNeeded

    @property
    def label(self) -> str:
        """How ledger, audit and history name this principal."""
        return f"{self.kind}:{self.email or self.name}"
