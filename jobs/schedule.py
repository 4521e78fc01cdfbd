"""Everything periodic, declared once. Ids are fixed, so that a restart does not add a second one."""

from __future__ import annotations

from dataclasses import dataclass

from app.queue import QueueName


@dataclass(frozen=True)
class Periodic:
    """`job` is run every `seconds`; `timeout_seconds` ends one that hangs."""

    id: str
    job: str
    seconds: int
    queue: QueueName
    what: str
    timeout_seconds: int = 60


PERIODIC = (
    Periodic("sweep-payments", "jobs.payments.sweep", 3, "urgent", "Payments, refunds and second sessions that are due"),
    Periodic("sweep-grants", "jobs.access.sweep_grants", 5, "urgent", "Offers to give up; routers that have something to fetch"),
    Periodic("sweep-vouchers", "jobs.vouchers.sweep", 10, "default", "What PortaBilling is owed"),
    Periodic("keep-stock", "jobs.vouchers.keep_stock", 30, "default", "Vouchers made ahead, for when PortaBilling does not answer"),
    Periodic("sweep-sessions", "jobs.access.sweep_sessions", 15, "default", "Sessions and entitlements whose time is over"),
    Periodic("sweep-messages", "jobs.notifications.sweep", 15, "default", "Texts that are due"),
    Periodic("keep-polls", "jobs.access.keep_polls", 15, "default", "Routers' last polls from Redis to PostgreSQL"),
    Periodic("watch-gateways", "jobs.access.watch_gateways", 30, "default", "Gateways that fell silent, or of which there are two"),
    Periodic("record-audit-head", "jobs.audit.record_head", 86400, "default", "The audit's newest hash, kept outside the database"),
    Periodic("reconcile", "jobs.reconciliation.sweep", 15, "default", "The night's reconciliation, and runs that are due"),
    Periodic("lapse-unused", "jobs.money.lapse_unused", 3600, "bulk", "Access that was paid and not used in its time", 300),
    Periodic("expire-vouchers", "jobs.vouchers.expire", 300, "default", "Vouchers whose time to be used has passed"),
    Periodic("sweep-batches", "jobs.batches.sweep", 5, "default", "Batches of vouchers to be made, taken away or registered"),
    Periodic("fill-code-ends", "jobs.batches.fill_tails", 86400, "bulk", "Ends of codes of vouchers from before these were kept", 600),
    Periodic("discover-network", "jobs.network.discover", 3600, "bulk", "Access points and places from OpenWISP", 600),
    # Looks at one row, and asks OpenWISP when INET_HEALTH_POLL_SECONDS have passed.
    Periodic("poll-health", "jobs.network.poll_health", 5, "default", "How access points fare", 120),
    Periodic("sweep-incidents", "jobs.network.sweep_incidents", 60, "default", "Outages that are over and of which nobody was told"),
    # Finds what is due by its index: a tick that finds nothing costs one look.
    Periodic("tick-sla", "jobs.sla.tick", 15, "default", "Warnings, breaches and escalations of tickets"),
    Periodic("sweep-tickets", "jobs.tickets.sweep", 30, "default", "Tickets that came in and were not read yet"),
    Periodic("sweep-inbound-texts", "jobs.intake_sms.sweep", 30, "default", "Texts of customers that were not read yet"),
    Periodic("close-silent-tickets", "jobs.closure.sweep", 60, "default", "Tickets that silence closes, with notice"),
    Periodic("gather-words", "jobs.ticket_search.gather_words", 300, "bulk", "Words of new tickets, for searches with typing errors"),
    Periodic("fetch-mail", "jobs.intake.fetch_mail", 15, "default", "New mails, and how many both sides hold", 300),
    Periodic("sweep-mail", "jobs.intake.sweep", 15, "default", "Mails that were kept and not read yet"),
    Periodic("sweep-photos", "jobs.photos.sweep", 60, "bulk", "Photos that arrived and are not held yet, and those given up", 300),
    Periodic("learn-triage", "jobs.learning.retrain", 7 * 86400, "triage", "Triage, from what staff decided", 600),
    Periodic("probe-parts", "jobs.health.probe_parts", 60, "default", "How everything that the product stands on answers"),
    Periodic("clean-up", "jobs.retention.clean_up", 3600, "bulk", "What is older than it is kept: sessions, words, health, files", 600),
    Periodic("sweep-backups", "jobs.backups.sweep", 300, "bulk", "Back-ups that are due, and how old the newest good one is"),
    Periodic("watch-errors", "jobs.errors.watch", 60, "default", "Whether there are too many errors, or no longer"),
)
