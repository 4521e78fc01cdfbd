"""Words for what tickets are about, come by and wait for; on every page of the help desk the same."""

from __future__ import annotations

from services.tickets.models import Category, Channel
from services.tickets.queries import Assignee

PATH = "/console/tickets"
CATEGORY_WORDS = {
    Category.CONNECTIVITY: "No connection",
    Category.SLOW_SPEED: "Slow",
    Category.PAYMENT: "Payment",
    Category.VOUCHER: "Voucher and package",
    Category.ACCOUNT_ACCESS: "Account and log-in",
    Category.COVERAGE_INSTALLATION: "Coverage and installation",
    Category.DEVICE_SETUP: "Device set-up",
    Category.COMPLAINT_STAFF: "Complaint about service",
    Category.GENERAL_QUESTION: "General question",
}
CHANNEL_WORDS = {
    Channel.PORTAL: "portal",
    Channel.MOBILE: "app",
    Channel.EMAIL: "mail",
    Channel.SMS: "SMS",
    Channel.PHONE: "phone call",
    Channel.API: "API",
    Channel.INCIDENT: "outage",
}


def name_of(assignee: Assignee) -> str:
    """Whom a report lies with; that an account is disabled must be seen, for nobody looks after it then."""
    return assignee.name if assignee.is_active else f"{assignee.name} (disabled)"
