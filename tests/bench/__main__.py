"""`make bench`: starts the product, measures, prints a table and writes bench.json. Exit status 1 when a goal is missed.

`python -m tests.bench NAME…` runs only the sections of those names, and writes nothing.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from app.supervisor import Stack
from tests.bench import (
    dashboards,
    gateways,
    intake,
    limits,
    lists,
    main_job,
    network,
    pages,
    reports,
    search,
    sheets,
    sla,
    story,
    sync,
    tickets,
    triage,
    vouchers,
)
from tests.bench.shop import Router, Shop
from tests.bench.table import Result, report
from tests.conftest import free_port

_SECTIONS: dict[str, Callable[[Stack, Shop, list[Router]], list[Result]]] = {
    "hot": lambda stack, shop, routers: main_job.hot_questions(stack, shop, routers[0]),
    "limits": lambda stack, shop, routers: limits.cost_of_limits(stack, shop, routers[0]),
    "cpu": lambda stack, shop, _: main_job.cpu_of_a_payment(stack, shop),
    "paid": main_job.paid_to_offered,
    "gateways": lambda stack, _, __: gateways.idle_gateways(stack),
    "network": lambda stack, _, __: network.checks_of_the_network(stack),
    "sla": lambda stack, _, __: sla.tick_among_many(stack),
    "intake": lambda stack, _, routers: intake.cost_of_intake(stack, routers[0]),
    "reports": lambda stack, _, __: reports.report_of_a_month(stack),
    "search": lambda stack, _, __: search.search_among_many(stack),
    "sheets": lambda stack, _, __: sheets.sheet_of_a_thousand(stack),
    "story": lambda stack, _, __: story.page_of_a_customer(stack),
    "sync": lambda stack, _, __: sync.cost_of_syncs(stack),
    "dashboards": lambda stack, _, __: dashboards.first_pages(stack),
    "lists": lambda stack, _, __: lists.paging(stack),
    "pages": lambda stack, _, __: pages.opening(stack),
    "tickets": lambda stack, _, __: tickets.lists_and_searches(stack),
    "triage": lambda *_: triage.triage_of_real_tickets(),
    "vouchers": lambda stack, _, __: vouchers.batches_and_entry(stack),
    "clients": lambda stack, _, __: vouchers.many_clients(stack),
}


def run(names: Sequence[str]) -> list[Result]:
    with tempfile.TemporaryDirectory(prefix="inet-bench-") as directory:
        stack = Stack(Path(directory), port=free_port(), sandbox_port=free_port(), say=print)
        stack.start()
        try:
            shop = Shop(stack)
            routers = main_job.make_routers(stack, 12)
            results = [result for name in names for result in _section(name, stack, shop, routers)]
            shop.close()
            return results
        finally:
            stack.stop()


def _section(name: str, stack: Stack, shop: Shop, routers: list[Router]) -> list[Result]:
    """One section, told as soon as it is measured: a run that is stopped has not been for nothing."""
    began = time.monotonic()
    results = _SECTIONS[name](stack, shop, routers)
    told = "; ".join(f"{result.name} {result.value:.3f}" for result in results)
    print(f"{name}, in {time.monotonic() - began:.0f} s: {told}", flush=True)
    return results


if __name__ == "__main__":
    wanted = sys.argv[1:]
    sys.exit(0 if report(run(wanted or list(_SECTIONS)), None if wanted else Path("bench.json")) else 1)
