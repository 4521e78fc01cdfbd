"""What a soak of the console calls not good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.drill.console.seen import Cost, Seen

_AT_FIRST = {"pages": 0, "tasks": 10, "bindings": 0, "threads": 4, "blocks of memory": 1_600_000}


def seen(directory: Path, *, stayed_mb: float = 1.0, kb: float = 900.0, longest_ms: float = 60.0, **left: int) -> Seen:
    """A soak in which nothing was wrong but what is named."""
    told: dict[str, Any] = {
        "longest_ms": longest_ms,
        "longest_own_ms": 40.0,
        "too_long": 0,
        "holds": [[10.0, 45.0, 40.0], [20.0, 60.0, 1.0]],
    }
    told |= {"collections": 3, "longest_collection_ms": 30.0, "stacks": [], "open": _AT_FIRST | left}
    file = directory / "told.json"
    file.write_text(json.dumps(told), encoding="utf-8")
    points = [(opens, 250.0 + stayed_mb * (opens > 1500)) for opens in range(0, 2001, 250)]
    return Seen(file, psutil.Process(), costs=[Cost("/console", kb, 35.0, 110.0, 200.0, 45.0)], points=points, open_at_first=_AT_FIRST)


def test_pages_that_leave_nothing_are_good_though_pools_have_filled(tmp_path: Path) -> None:
    assert seen(tmp_path, threads=44).findings() == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kb": 2100.0}, "/console takes 2.05 MB"),
        ({"stayed_mb": 30.0}, "30.0 MB stayed"),
        ({"longest_ms": 101.0}, "held for 101 ms"),
        ({"bindings": 3}, "3 more bindings"),
        ({"tasks": 60}, "50 more tasks"),
        ({"blocks of memory": 2_000_000}, "400000 more blocks of memory"),
    ],
)
def test_each_bound_is_told_when_it_is_passed(tmp_path: Path, wrong: dict[str, Any], words: str) -> None:
    (found,) = seen(tmp_path, **wrong).findings()
    assert words in found


def test_a_page_is_charged_only_with_what_held_the_loop_while_it_was_opened(tmp_path: Path) -> None:
    told = seen(tmp_path).told()
    assert (told.held_ms(5.0, 15.0), told.held_ms(15.0, 25.0), told.held_ms(30.0, 40.0)) == (45.0, 60.0, 0.0)
