"""`python -m tests.drill.console`: what an open page costs, 2,000 opens and closes, then 50 open for minutes under live events.

Prints for each page what it costs in memory while it is open and how long opening it held the event loop, whether memory and all that a
page makes settle, and the longest that anything ever held the loop; ends with status 1 when one of them is past its bound.
`--opens 200 --consoles 10 --minutes 1` asks for less. Nothing else should compute on the machine meanwhile: it is one process's loop
that is looked at, beside a database and fifty browsers.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

from tests.drill import report
from tests.drill.console.process import console
from tests.drill.console.seen import MOST_HELD_MS, Seen
from tests.drill.console.soak import Soak


def _print(seen: Seen, *, opens: int, consoles: int, minutes: float) -> list[str]:
    found, told = seen.findings(), seen.told()
    print(f"\n{'page':<34} {'KB a page':>9} {'sent KB':>8} {'CPU ms':>7} {'ms to open':>10} {'loop held ms':>12}")
    for cost in seen.costs:
        print(f"{cost.path:<34} {cost.kb:>9.0f} {cost.sent_kb:>8.0f} {cost.cpu_ms:>7.0f} {cost.open_ms:>10.0f} {cost.held_ms:>12.0f}")
    print(f"\nOpened and closed {opens}; {consoles} held open for {minutes:g} min, to whom {seen.received} messages went")
    print(f"Memory            {seen.points[0][1]:.0f} MB at first, {seen.peak_mb:.0f} MB at its highest, {seen.grown_mb:+.1f} MB stayed")
    print(f"Event loop        held {told.longest_ms:.0f} ms at most, {told.too_long} times over {MOST_HELD_MS:g} ms;", end=" ")
    print(f"by its own work {told.longest_own_ms:.0f} ms at most")
    print(f"Full collections  {told.collections}, the longest {told.longest_collection_ms:.0f} ms")
    for text, count in told.stacks if found else ():
        print(f"  {count}x {text}")
    for text in found:
        print(f"NOT GOOD: {text}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.drill.console", description=__doc__)
    parser.add_argument("--opens", type=int, default=2000)
    parser.add_argument("--consoles", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, console(Path(directory)) as (seen, reach):
        asyncio.run(Soak(seen, reach).run(opens=options.opens, consoles=options.consoles, minutes=options.minutes))
        found = _print(seen, opens=options.opens, consoles=options.consoles, minutes=options.minutes)
        row = {"name": "console", "opens": options.opens, "page_mb": round(statistics.fmean(one.kb for one in seen.costs) / 1024, 2)}
        row |= {"grown_mb": round(seen.grown_mb, 1), "held_ms": seen.told().longest_ms, "ok": not found}
    report.replace(Path("drill.json"), "console", [row])
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
