"""The closed list of categories and priorities. Nothing outside of it ever leaves this package."""

from __future__ import annotations

from enum import StrEnum


class Category(StrEnum):
    """What a ticket is about. The order is the order of the model's columns: append, never reorder."""

    CONNECTIVITY = "connectivity"
    SLOW_SPEED = "slow-speed"
    PAYMENT = "payment"
    VOUCHER = "voucher"
    ACCOUNT_ACCESS = "account-access"
    COVERAGE_INSTALLATION = "coverage-installation"
    DEVICE_SETUP = "device-setup"
    COMPLAINT_STAFF = "complaint-staff"
    GENERAL_QUESTION = "general-question"


CATEGORIES: tuple[Category, ...] = tuple(Category)
COLUMN: dict[Category, int] = {category: column for column, category in enumerate(CATEGORIES)}


class Priority(StrEnum):
    """How soon somebody has to look."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


_ORDER = {priority: rank for rank, priority in enumerate(Priority)}


def at_least(one: Priority, other: Priority) -> Priority:
    """The more urgent of the two."""
    return max(one, other, key=_ORDER.__getitem__)
