"""Who did what: every action of staff and outside services, with what it changed."""

from __future__ import annotations

from datetime import date
from typing import Any

from app.db import in_transaction
from pages.components.columns import Column, time_cell
from pages.components.list_file import list_file
from pages.components.list_state import Choice, Day, ListState
from pages.components.parts import page_header
from pages.components.table import ServerTable
from pages.shell import console_page
from services.accounts.permissions import Permission, Principal
from services.audit.models import AuditEntry
from services.audit.queries import AuditFilter, list_audit
from services.listing import Listing

PATH = "/console/audit"
COLUMNS = (
    Column("action", "Action", "code", phone="title"),
    Column("at", "When", "time", phone="corner"),
    Column("target", "Record"),
    Column("actor", "By"),
    Column("change", "What changed"),
    Column("address", "From", "code"),
    Column("correlation", "Correlation ID", "code", phone="hide"),
)
# A test fails when something is audited that cannot be chosen here.
KINDS = {
    "customer": "Customers",
    "retention": "Retention",
    "package": "Packages",
    "promo_code": "Promo codes",
    "voucher": "Vouchers",
    "batch": "Batches of vouchers",
    "payment": "Payments",
    "refund": "Refunds",
    "refund_rule": "Limits of refunds",
    "reconciliation_run": "Reconciliation runs",
    "reconciliation_finding": "Findings",
    "access_session": "Sessions",
    "gateway": "Gateways",
    "incident": "Incidents",
    "team": "Teams",
    "routing_rule": "Routing rules",
    "sla_policy": "SLA policies",
    "business_calendar": "Calendars",
    "template": "Templates of messages",
    "notification": "Messages",
    "inbound": "Messages that came in",
    "compensation_rule": "Compensation rules",
    "entitlement": "Customers' time",
    "site": "Sites",
    "access_point": "Access points",
    "network": "Network",
    "ticket": "Tickets",
    "macro": "Macros",
    "checklist": "Checklists",
    "triage_model": "Triage",
    "bulk_operation": "Steps on many rows",
    "view": "Views of lists",
    "list": "Files of lists",
    "staff": "Staff",
    "api_token": "API tokens",
    "secret": "Keys",
    "error_group": "Errors",
    "job": "Jobs",
    "backup": "Back-ups",
    "sync": "Sync of phones",
}
_FILTERS = (Choice("kind", "Records", KINDS), Day("on", "On"))


def row_cells(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "action": entry.action,
        "target": f"{entry.target_type.replace('_', ' ')} {entry.target_id}",
        "actor": entry.actor.partition(":")[2] or entry.actor,
        "change": changes_in_words(entry),
        "address": entry.address,
        "correlation": entry.correlation_id,
        "at": time_cell(entry.at),
    }


def changes_in_words(entry: AuditEntry) -> str:
    """`price: 10 → 15`, and only the new side where there was nothing before."""
    before, after = entry.before or {}, entry.after or {}
    return ", ".join(
        f"{name.replace('_', ' ')}: {_said(before[name])} → {_said(value)}"
        if name in before
        else f"{name.replace('_', ' ')}: {_said(value)}"
        for name, value in after.items()
        if value is not None
    )


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "none"
    return str(value)


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    day = state.filters.get("on")
    wanted = AuditFilter(search=state.search, on=date.fromisoformat(day) if day else None, target_type=state.filters.get("kind"))
    found = await in_transaction(list_audit, actor=actor, wanted=wanted, part=state.part)
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


_DEFAULT = ListState(sort="id")
FILE = list_file(PATH, "audit", columns=COLUMNS, load=load, default=_DEFAULT, filters=_FILTERS)


@console_page(PATH, title="Audit", permission=Permission.AUDIT_READ, icon="fact_check", group="Administration", in_navigation=True)
async def audit_page() -> None:
    with page_header("Audit", lead="Who did what to which record, and from where. Nothing here can be changed, by anybody."):
        pass
    table = ServerTable(
        path=PATH,
        marker="audit",
        file=FILE,
        columns=COLUMNS,
        load=load,
        default=_DEFAULT,
        search="Action, record, person or correlation ID",
        filters=_FILTERS,
        empty=("Nothing yet", "As soon as somebody changes something in the console, it stands here."),
    )
    await table.first()
