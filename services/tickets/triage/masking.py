"""Personal data taken out of a ticket before it leaves this machine."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.tickets.triage.entities import EntityKind, find_entities

_PERSONAL = {
    EntityKind.PHONE: "[phone]",
    EntityKind.VOUCHER: "[code]",
    EntityKind.PAYMENT_REFERENCE: "[reference]",
    EntityKind.MAC: "[device]",
    EntityKind.EMAIL: "[e-mail]",
}
_NAMED = re.compile(
    r"\b((?i:my name is|i am called|je m'appelle|maa ngi tudd|regards,?|from:?|mr\.?|mrs\.?|ms\.?)\s+)"
    r"([A-Z][\w'-]+(?:\s+[A-Z][\w'-]+){0,2})"
)
# Whatever else is long and made of digits: account numbers, identity cards, one-time codes.
_DIGITS = re.compile(r"\d(?:[ -]?\d){3,}")


def mask(text: str, people: Sequence[str] = ()) -> str:
    """`text` without phones, codes, references, devices, addresses, long numbers, and without the names of `people`."""
    out, at = [], 0
    for entity in find_entities(text):
        if (stand_in := _PERSONAL.get(entity.kind)) is not None:
            out += [text[at : entity.start], stand_in]
            at = entity.end
    masked = "".join((*out, text[at:]))
    parts = {part for name in people for part in (name, *name.split()) if len(part) >= 3}
    for part in sorted(parts, key=len, reverse=True):
        masked = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "[name]", masked, flags=re.IGNORECASE)
    masked = _NAMED.sub(r"\1[name]", masked)
    return _DIGITS.sub("[number]", masked)
