"""`python -m tests.drill.cluster`: DRILL_SEED (random if unset) and DRILL_RUNS (300) choose; adds rows to drill.json, exits 1 on trouble.

Skipped with one line, and exit status 0, where a machine cannot have network namespaces or lacks nginx or PgBouncer.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.drill.cluster import network

_RUNS = 300


def main() -> int:
    options = _options()
    if not network.is_inside():
        why = network.missing()
        if why is not None:
            print(f"cluster drill skipped: {why}")
            return 0
        return network.enter("tests.drill.cluster", sys.argv[1:])
    return _drill(options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.drill.cluster", description="Fault drill of the product as a cluster.")
    parser.add_argument("--parts", default="", help="only troubles of these parts, comma-separated, such as web-1,postgres")
    parser.add_argument("--runs", type=int, default=int(os.environ.get("DRILL_RUNS") or _RUNS), help="about so many payments")
    parser.add_argument("--cut-seconds", type=float, default=12.0, help="how long a part is cut off")
    parser.add_argument("--keep", action="store_true", help="keep the directory with the logs")
    return parser.parse_args()


def _drill(options: argparse.Namespace) -> int:
    # Imported here: the machine may have nothing of what it takes.
    from tests.drill.cluster import report
    from tests.drill.cluster.drill import Order, drill

    # Process 1 of a namespace is told nothing that it does not listen for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    seed = int(os.environ.get("DRILL_SEED") or random.randrange(1_000_000))
    order = Order(seed, options.runs, [part for part in options.parts.split(",") if part], options.cut_seconds)
    began, target = time.monotonic(), Path.cwd() / "drill.json"

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:7.1f}  {line}", flush=True)

    say(f"cluster drill: seed {seed}, about {order.runs} payments (DRILL_SEED={seed} repeats it)")
    directory = Path(tempfile.mkdtemp(prefix="inet-cluster-"))
    try:
        outcome = drill(order, directory, say=say)
    finally:
        if options.keep:
            say(f"logs are kept in {directory}/log")
        else:
            network.remove(directory)
    report.write(outcome, target)
    print("\n".join(report.lines_of(outcome)), flush=True)
    return 0 if outcome.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
