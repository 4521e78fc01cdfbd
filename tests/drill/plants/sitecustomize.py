"""Imported by Python itself in each process of a product that was started with this directory on its path: plants a known bug.

A drill that does not notice it would be worth nothing. Only processes named in `_WHERE` are touched.
"""

from __future__ import annotations

import os
import sys
from typing import Any

_WHERE = ("worker", "serve")


def issue_without_looking() -> None:
    """Each try issues under a fresh account id and never asks first: a lost answer makes a second account and a second charge."""
    import secrets

    from services.integrations.clients import Outside
    from services.integrations.portabilling import PortaAccount
    from services.payments import steps

    looking = steps.issue_account

    def issue(outside: Outside, *, account_id: str, look_first: bool, **order: Any) -> PortaAccount:
        return looking(outside, account_id=f"{account_id}-{secrets.token_hex(4)}", look_first=False, **order)

    steps.issue_account = issue


def forget_second_success() -> None:
    """Nobody looks at the other sessions of a paid purchase: who paid twice does not get the second sum back."""
    from services.payments import strays

    strays.look_for_strays = lambda *_args, **_kwargs: None


_PLANTS = {"issue-without-looking": issue_without_looking, "forget-second-success": forget_second_success}

if any(part in sys.argv for part in _WHERE):
    for plant in os.environ["INET_DRILL_PLANT"].split(","):
        _PLANTS[plant]()
