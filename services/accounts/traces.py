"""What a person is recognised by in free text, and text without it: their number in every form, name, devices and mail addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from services.accounts.models import Customer

GONE = "(deleted)"
_BETWEEN_DIGITS = r"[\s.\-/()]{0,3}"
_SHORTEST_NAME, _LEAST_DIGITS = 3, 7
_COUNTRY = "220"


@dataclass(frozen=True)
class Traces:
    """`pattern` finds any of them, None when there are none. `words` are the words of the names, in small letters."""

    pattern: re.Pattern[str] | None
    words: frozenset[str]

    def out_of(self, text: str) -> str:
        """`text` without them."""
        return self.pattern.sub(GONE, text) if self.pattern is not None else text

    def out_of_json(self, value: Any) -> Any:
        """The same of every text within."""
        if isinstance(value, str):
            return self.out_of(value)
        if isinstance(value, list):
            return [self.out_of_json(one) for one in value]
        if isinstance(value, dict):
            return {name: self.out_of_json(one) for name, one in value.items()}
        return value


def traces_of(customer: Customer, *, names: Iterable[str] = (), macs: Iterable[str] = (), addresses: Iterable[str] = ()) -> Traces:
    """By what this customer is recognised; `names` beside their own."""
    words = {word for name in (customer.name or "", *names) for word in re.split(r"[^\w]+", name) if len(word) >= _SHORTEST_NAME}
    numbers = {number for given in (customer.phone_e164, customer.legacy_e164) if given for number in [_number(given)] if number}
    parts = [re.escape(address) for address in addresses if address]
    parts += numbers
    parts += [r"[:\-.]?".join(re.findall("..", re.sub(r"[^0-9a-f]", "", mac.lower()))) for mac in macs if mac]
    parts += [rf"(?<!\w){re.escape(word)}(?!\w)" for word in sorted(words, key=lambda word: (-len(word), word)) if not word.isdigit()]
    pattern = re.compile("|".join(parts), re.IGNORECASE) if parts else None
    return Traces(pattern, frozenset(word.lower() for word in words))


def _number(e164: str) -> str | None:
    """As people write it: with or without the country's number, and with anything between the digits."""
    digits = e164.lstrip("+")
    national = digits.removeprefix(_COUNTRY) if digits.startswith(_COUNTRY) else digits
    if len(national) < _LEAST_DIGITS:
        return None
    return rf"(?<!\d)(?:(?:\+|00)?{_COUNTRY}{_BETWEEN_DIGITS})?0?{_BETWEEN_DIGITS.join(national)}(?!\d)"
