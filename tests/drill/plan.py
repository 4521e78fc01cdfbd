"""What each customer of a drill will do, drawn from the seed and their number alone, so that threads cannot change it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

# A short price list keeps the sums of the ledgers different enough to notice a mix-up.
PACKAGES = ("hour-1", "hours-3", "day-1", "week-1")
_AT_HOTSPOT, _WATCHES = 0.7, 0.6


class Deed(StrEnum):
    """What the payer does at Wave."""

    PAY = "pay"
    FAIL_THEN_PAY = "fail_then_pay"
    PAY_TWICE = "pay_twice"
    REFUSE = "refuse"
    ABANDON = "abandon"


_SHARES = {Deed.PAY: 70, Deed.FAIL_THEN_PAY: 10, Deed.PAY_TWICE: 8, Deed.REFUSE: 5, Deed.ABANDON: 7}


@dataclass(frozen=True)
class Plan:
    """One customer. `router` is None for one who buys from elsewhere; an untold payment is one whose webhook never comes;
    one who does not watch closes the page after paying."""

    number: int
    section: str
    package_id: str
    router: int | None
    deed: Deed
    is_told: bool
    watches: bool
    chance: random.Random

    @property
    def phone(self) -> str:
        """In the old form with seven digits; each customer has their own."""
        return f"3{self.number:06d}"


def plan_customer(seed: int, number: int, section: str, *, routers: int, untold_share: float) -> Plan:
    chance = random.Random(f"{seed}:{number}")
    deed = chance.choices(list(_SHARES), weights=list(_SHARES.values()))[0]
    return Plan(
        number=number,
        section=section,
        package_id=chance.choice(PACKAGES),
        router=chance.randrange(routers) if chance.random() < _AT_HOTSPOT else None,
        deed=deed,
        is_told=chance.random() >= untold_share,
        watches=chance.random() < _WATCHES,
        chance=chance,
    )
