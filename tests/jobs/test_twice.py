"""Every periodic job is safe to run twice at once: on a shop with one of everything nothing fails, and doing it again changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from rq.utils import import_attribute

from jobs.schedule import PERIODIC
from tests.shop import Shop

# Those that load the model of triage, or only speak to an outside service, have tests of their own.
_LEFT_OUT = frozenset({"learn-triage"})
_LINES = [line for line in PERIODIC if line.id not in _LEFT_OUT]


def test_all_of_them_run_twice_at_once(database: sa.Engine, shop_builder: Shop) -> None:
    shop_builder.open(database)
    with ThreadPoolExecutor(2) as pool:
        for line in _LINES:
            function: Callable[[], None] = import_attribute(line.job)
            for done in [pool.submit(function) for _ in range(2)]:
                done.result(60)


@pytest.mark.parametrize("line", PERIODIC, ids=lambda line: line.id)
def test_what_is_declared_can_be_called_without_arguments(line: object) -> None:
    import inspect

    function = import_attribute(line.job)  # type: ignore[attr-defined]
    assert all(one.default is not one.empty for one in inspect.signature(function).parameters.values())
