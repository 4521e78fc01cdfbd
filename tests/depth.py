"""How much is tried where more is better: enough at each `make test`, ten times as much at `make deep` (INET_TESTS_DEEP=1)."""

from __future__ import annotations

import os

IS_DEEP = bool(os.environ.get("INET_TESTS_DEEP"))


def examples(number: int) -> int:
    """So many plays of a machine that draws its own steps, or ten times as many."""
    return number * 10 if IS_DEEP else number
