"""The staff console. Importing this package does nothing; `register` puts its pages on NiceGUI's application."""

from __future__ import annotations

from importlib import import_module

_MODULES = (
    "login",
    "dashboard.page",
    "money",
    "ledger",
    "payments",
    "payment",
    "vouchers",
    "voucher",
    "batches",
    "batch",
    "sheets",
    "refunds",
    "refund_rules",
    "reconciliation",
    "reconciliation_run",
    "finding",
    "packages",
    "promos",
    "customers",
    "customer",
    "sessions",
    "session",
    "gateways",
    "gateway_wizard",
    "gateway",
    "network_map",
    "access_points",
    "access_point",
    "sites",
    "site",
    "incidents",
    "incident",
    "uptime",
    "compensation",
    "attachments",
    "tickets",
    "board",
    "ticket",
    "macros",
    "checklists",
    "teams",
    "routing",
    "sla",
    "sla_policy",
    "sla_why",
    "calendars",
    "duty",
    "ticket_reports",
    "triage_quality",
    "palette",
    "bell",
    "notifications",
    "notification_templates",
    "inbound",
    "staff",
    "staff_member",
    "roles",
    "tokens",
    "errors",
    "error",
    "retention",
    "backups",
    "audit",
    "system_health",
    "style_guide",
    "jobs",
    "job",
    "job_failure",
    "help.index",
    "help.navigation",
    "help.role",
    "help.journey",
    "help.glossary",
    "help.keyboard",
    "help.architecture",
    "profile",
    "reset",
)


def register() -> None:
    """Import every page module, whose `@console_page` declares its pages, and put them on NiceGUI's application with their assets."""
    from pages import browser_store, connection, frame, garbage, shell

    browser_store.install()
    connection.install()
    garbage.install()

    for module in _MODULES:
        import_module(f"pages.{module}")
    shell.serve_pages()
    frame.serve_assets()
