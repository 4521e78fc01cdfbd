"""What is certain about a ticket before anybody reads it. Such rules come before the model, and say that they did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from services.tickets.triage.labels import Category, Priority


@dataclass(frozen=True)
class Facts:
    """Known from our own records at the moment of the ticket; everything unknown stays at its default."""

    code_refused: bool = False  # the form itself refused the code that was typed
    paid_not_served: bool = False  # a payment of this customer is paid and has led to no service
    access_point_down: str | None = None  # name of the access point the customer stands under, if it is down
    incident: str | None = None  # reference of an open outage at that place
    people_affected: int = 0


@dataclass(frozen=True)
class Certainty:
    """A rule that fired: what it decides and in which words."""

    rule: str
    category: Category
    priority: Priority
    reason: str


def certainties(facts: Facts) -> Iterator[Certainty]:
    """The rules that fire, the one that decides first: money before anything, then what the customer just did, then the place."""
    if facts.paid_not_served:
        yield Certainty("paid_not_served", Category.PAYMENT, Priority.URGENT, "A payment of this customer was taken and not served yet.")
    if facts.code_refused:
        yield Certainty("code_refused", Category.VOUCHER, Priority.HIGH, "The form refused the voucher code that was typed.")
    if facts.access_point_down:
        outage = f" (outage {facts.incident})" if facts.incident else ""
        yield Certainty(
            "access_point_down",
            Category.CONNECTIVITY,
            Priority.HIGH,
            f"The access point {facts.access_point_down} is down{outage}.",
        )
