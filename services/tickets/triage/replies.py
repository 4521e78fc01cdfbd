"""Suggested replies: our own sentences with places for facts. A sentence whose fact is not known is left out; nothing is made up."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass

from services.tickets.triage.labels import Category


@dataclass(frozen=True)
class Reply:
    """A draft for a person to read before it goes out. `sources` names where each fact came from, `missing` what would say more."""

    text: str
    sources: tuple[str, ...]
    missing: tuple[str, ...]


# Facts that a caller may hand in, and where they come from. Values are ready to be read (already formatted, in the customer's language).
FACTS: Mapping[str, str] = {
    "customer_name": "customer record",
    "reference": "ticket",
    "access_point": "network: access point",
    "access_point_state": "network: health at the time",
    "incident": "open outage",
    "incident_since": "open outage",
    "payment_amount": "last payment",
    "payment_at": "last payment",
    "payment_state": "last payment",
    "voucher_state": "voucher",
    "voucher_until": "voucher",
    "device_slots": "voucher: devices",
    "office_hours": "calendar",
    "packages": "packages on sale",
}

_OPENING = ("Hello {customer_name},", "thank you for writing to us.")
_CLOSING = ("Your ticket is {reference}; simply answer this message to add to it.", "INET support")
_BODIES: Mapping[Category, tuple[str, ...]] = {
    Category.CONNECTIVITY: (
        "We see that {access_point} is {access_point_state}.",
        "There is a known outage ({incident}) since {incident_since}; we write to you when it is over.",
        "If your phone shows the network, please turn its Wi-Fi off and on and open the log-in page once more.",
        "Time on your pass that an outage took is looked at by a person.",
    ),
    Category.SLOW_SPEED: (
        "At the time of your message {access_point} was {access_point_state}.",
        "Please tell us the hour, the place and the result of a speed test, so that we can compare it with what we measured.",
    ),
    Category.PAYMENT: (
        "Your last payment of {payment_amount} ({payment_at}) is {payment_state} with us.",
        "Please do not pay a second time; a person checks this payment.",
        "If you have the receipt code or Wave's transaction number, please send it.",
    ),
    Category.VOUCHER: (
        "Your voucher is {voucher_state}.",
        "It is valid until {voucher_until}.",
        "Devices on it: {device_slots}.",
        "Codes have no zero, one, O, I, L or Q; please compare the code once more with the message or card it came on.",
    ),
    Category.ACCOUNT_ACCESS: (
        "You can ask for a new one-time code on the log-in page; only the latest one works.",
        "We never ask for your password or your code, also not on the phone.",
        "If your number changed, tell us the old and the new one, and a person will call you back.",
    ),
    Category.COVERAGE_INSTALLATION: (
        "Please tell us the place as exactly as you can, a landmark nearby and a phone number for the technician.",
        "A person of the field team will answer with what is possible there.",
    ),
    Category.DEVICE_SETUP: (
        "Please tell us make and model of the device and what its screen or its lights show.",
        "Turn off the private or random Wi-Fi address for our network, otherwise the device counts as a new one each time.",
    ),
    Category.COMPLAINT_STAFF: (
        "We are sorry for what you describe. It goes to a supervisor, not to the person it is about.",
        "Please tell us day, place and, if you know it, the name, so that we can look into it.",
    ),
    Category.GENERAL_QUESTION: (
        "On sale at the moment: {packages}.",
        "Our offices are open {office_hours}.",
        "A person answers everything else.",
    ),
}


def suggested_reply(category: Category, facts: Mapping[str, str]) -> Reply:
    """A draft from the sentences of `category` whose facts are all known. Unknown names in `facts` raise ValueError: nothing slips in."""
    if unknown := sorted(set(facts) - set(FACTS)):
        raise ValueError(f"no reply knows {', '.join(unknown)}")
    known = {name: value for name, value in facts.items() if value.strip()}
    used: list[str] = []
    missing: list[str] = []
    lines = []
    for sentence in (*_OPENING, *_BODIES[category], *_CLOSING):
        names = [field for _, field, _, _ in string.Formatter().parse(sentence) if field]
        if all(name in known for name in names):
            lines.append(sentence.format_map(known))
            used += names
        elif sentence == _OPENING[0]:
            lines.append("Hello,")
        else:
            missing += [name for name in names if name not in known]
    sources = tuple(dict.fromkeys(FACTS[name] for name in used))
    return Reply("\n".join(lines), sources, tuple(dict.fromkeys(missing)))
