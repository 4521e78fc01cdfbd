"""What a promo code takes off a price: sums alone, no rows."""

from __future__ import annotations

_DALASI = 100


def reduced(amount_bututs: int, *, percent_off: int | None = None, bututs_off: int | None = None) -> int:
    """The price that is left, in whole dalasis (Wave takes no others: wave.md §1) and at least D 1.

    What does not come out whole is rounded for the customer: "10 % off" takes at least a tenth. A lower price or a larger discount never
    makes it dearer.
    """
    left = amount_bututs - (bututs_off or 0) if percent_off is None else amount_bututs * (100 - percent_off) // 100
    return min(amount_bututs, max(_DALASI, left // _DALASI * _DALASI))
