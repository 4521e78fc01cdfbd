"""What no rule takes away, table by table, and why. A table that is in neither fails a test, so that none grows unnoticed."""

from __future__ import annotations

from collections.abc import Mapping

_BOOKS = "Books: what was sold, paid, used and given back is told of for ever. The person can be taken out of it."
_AUDIT = "Audit: who did what; a chain that nobody can shorten."
_TICKETS = "Tickets: what was asked and answered stays with its customer, and goes with them."
_SOLD = "What is or was sold stays as it was sold."
_SET_UP = "Set up by people: as many rows as they made."
_INVENTORY = "Inventory: one row a thing, which a bad answer must not take away."
_ONE_EACH = "One row for each thing it tells of; written over."
_WISHES = "People's own wishes, which outlast what they were about."

KEPT: Mapping[str, str] = {
    **dict.fromkeys(("payment", "payment_event", "checkout", "refund", "ledger_transfer", "ledger_open"), _BOOKS),
    **dict.fromkeys(("voucher", "voucher_batch", "entitlement", "access_session", "access_grant", "device_slot"), _BOOKS),
    **dict.fromkeys(("compensation", "outage_pause", "wave_movement", "webhook_event"), _BOOKS),
    **dict.fromkeys(("reconciliation_run", "reconciliation_finding"), _BOOKS),
    "porta_mirror": "Books: what PortaBilling last said of each account, one row an account.",
    **dict.fromkeys(("audit_entry", "audit_head"), _AUDIT),
    **dict.fromkeys(("ticket", "ticket_message", "ticket_event", "ticket_label", "ticket_link", "ticket_tag"), _TICKETS),
    **dict.fromkeys(("ticket_watcher", "ticket_rating", "ticket_search", "ticket_operation", "sla_step"), _TICKETS),
    **dict.fromkeys(("visit", "visit_check", "visit_confirmation", "part_used", "attachment", "photo_upload"), _TICKETS),
    "inbound_message": "That it came stays: both sides' counts are compared. Its words go by a rule.",
    "correspondent": "Who wrote to us: their next mail finds the ticket. Goes with the person.",
    "ticket_word": "Single words for correcting mistyped searches: as many as there are words. A person's name goes with them.",
    "name_word": "Single words of names for correcting mistyped searches: a word goes with the last person of that name.",
    **dict.fromkeys(("package", "package_version", "package_site", "promo_code", "promo_package"), _SOLD),
    "customer": "A person who bought, until they wish to be forgotten.",
    "device": "What a browser's token names; one row a browser.",
    "app_device": "A phone that is or was logged in: photos and actions name it.",
    "push_token": "A hash by which a dead address is known again. The address goes by a rule.",
    "contact_preference": _WISHES,
    "list_columns": "Which columns a member of staff wishes to see: one row a person and list.",
    "erasure_request": "That a person wished to be forgotten, and who saw to it: proof that it was done, without the person.",
    "notification": "The log of what was delivered. Words and addresses go by a rule.",
    **dict.fromkeys(("staff", "recovery_code", "team", "team_member"), "Staff: the audit names them. A disabled account keeps its row."),
    **dict.fromkeys(("gateway", "site", "access_point"), _INVENTORY),
    **dict.fromkeys(("incident", "incident_member"), "Outages: time was given back because of them."),
    "health_month": "Up-time: one row a month and access point.",
    **dict.fromkeys(("business_calendar", "calendar_day", "checklist", "macro", "routing_rule", "saved_view"), _SET_UP),
    **dict.fromkeys(("sla_policy", "sla_policy_version", "notification_template", "refund_rule", "compensation_rule"), _SET_UP),
    "triage_model": "One row a week in which something was learnt: what triage decided by.",
    **dict.fromkeys(("inbound_count", "network_check", "sync_change", "sync_epoch"), _ONE_EACH),
    **dict.fromkeys(("clean_up", "retention_period", "periodic_job"), _ONE_EACH),
    "backup": "One row a back-up: what was kept, and when it was taken away.",
}
