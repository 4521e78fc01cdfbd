"""Code that is ours by its name, and goes wrong in ways that a test chooses."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

_SOURCE = """
def entry(act, depth):
    if depth:
        return entry(act, depth - 1)
    return inner(act)

def other_entry(act, depth):
    return inner(act)

def inner(act):
    local = "a-local-variable-that-nobody-may-see"
    return act()
"""


@lru_cache(maxsize=8)
def _module(blank_lines: int) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "services.made_for_a_test"}
    exec(compile("\n" * blank_lines + _SOURCE, "services/made_for_a_test.py", "exec"), names)
    return names


def raised(act: Callable[[], object], *, by: str = "entry", depth: int = 0, release: int = 0) -> Exception:
    """What `act` raises, having passed a service's functions. Another `release` has them on other lines."""
    try:
        _module(release)[by](act, depth)
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def refuse(error: Exception) -> Callable[[], object]:
    def act() -> object:
        raise error

    return act
