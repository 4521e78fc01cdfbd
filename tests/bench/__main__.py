"""`make bench`: starts the product, measures, prints a table and writes bench.json. Exit status 1 when a goal is missed."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from app.supervisor import Stack
from tests.bench import limits, main_job
from tests.bench.shop import Shop
from tests.bench.table import Result, report
from tests.conftest import free_port


def run() -> list[Result]:
    with tempfile.TemporaryDirectory(prefix="inet-bench-") as directory:
        stack = Stack(Path(directory), port=free_port(), sandbox_port=free_port(), say=print)
        stack.start()
        try:
            shop = Shop(stack)
            routers = main_job.make_routers(stack, 12)
            results = main_job.hot_questions(stack, shop, routers[0])
            results += limits.cost_of_limits(stack, shop, routers[0])
            results += main_job.cpu_of_a_payment(stack, shop)
            results += main_job.paid_to_offered(stack, shop, routers)
            shop.close()
            return results
        finally:
            stack.stop()


if __name__ == "__main__":
    sys.exit(0 if report(run(), Path("bench.json")) else 1)
