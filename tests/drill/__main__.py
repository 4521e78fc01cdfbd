"""`python -m tests.drill`: DRILL_SEED (random if unset) and DRILL_RUNS (1000) choose; writes drill.json, exits 1 on trouble.

To look closer: DRILL_SECTIONS (names, comma-separated), DRILL_PROCESSES, DRILL_KILL_PROBABILITY, DRILL_SETTLE_SECONDS,
DRILL_PLANT (bugs of plants/ to be found, comma-separated).
"""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path

from tests.drill import mail, notifications, photos, report, soak
from tests.drill.drill import Drill, Order
from tests.drill.troubles import LOST_ONLY, SECTIONS, SHORT

# Fewer customers than this cannot be counted on to meet every boundary.
_ENOUGH_FOR_BOUNDARIES = 200


def main() -> int:
    seed = int(os.environ.get("DRILL_SEED") or random.randrange(1_000_000))
    runs = int(os.environ.get("DRILL_RUNS") or 1000)
    chosen = [name for name in os.environ.get("DRILL_SECTIONS", "").split(",") if name]
    sections = [section for section in (*SECTIONS, SHORT, LOST_ONLY) if section.name in chosen] if chosen else list(SECTIONS)
    order = Order(
        seed=seed,
        runs=runs,
        sections=sections,
        every_boundary=runs >= _ENOUGH_FOR_BOUNDARIES and any(section.kills for section in sections),
        plant=os.environ.get("DRILL_PLANT") or None,
        kill_probability=float(os.environ.get("DRILL_KILL_PROBABILITY") or Order.kill_probability),
        processes=int(os.environ.get("DRILL_PROCESSES") or Order.processes),
        settle_seconds=float(os.environ.get("DRILL_SETTLE_SECONDS") or Order.settle_seconds),
    )
    target = Path.cwd() / "drill.json"
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:7.1f}  {line}", flush=True)

    say(f"fault drill: seed {seed}, {runs} payments (DRILL_SEED={seed} repeats it)")
    outcome = Drill(order, say=say).run()
    report.write(outcome, target)
    print("\n".join(report.lines_of(outcome)), flush=True)
    say("the ledgers disagree" if outcome.findings else "all ledgers agree")
    if outcome.has_too_few_customers:
        say("too many customers went away before they could buy")
    messages_are_good = True
    if not chosen and order.plant is None:
        found = notifications.run_alone(seed=seed, messages=int(os.environ.get("DRILL_MESSAGES") or 300))
        report.add(found.row(), target)
        print("\n".join(notifications.lines_of(found)), flush=True)
        mails = mail.run_alone(seed=seed, mails=int(os.environ.get("DRILL_MAILS") or 500))
        report.add(mails.row(), target)
        print("\n".join(mail.lines_of(mails)), flush=True)
        # The whole number is `python -m tests.drill.photos`.
        pictures = photos.run_alone(seed=seed, photos=int(os.environ.get("DRILL_PHOTOS") or 30))
        report.add(pictures.row(), target)
        print("\n".join(photos.lines_of(pictures)), flush=True)
        # The whole one is `make soak`.
        soaked = soak.run_alone(
            seed=seed, minutes=float(os.environ.get("SOAK_MINUTES") or 5), scale=float(os.environ.get("SOAK_SCALE") or 1), say=say
        )
        report.add(soaked.row(), target)
        print("\n".join(soak.lines_of(soaked)), flush=True)
        messages_are_good = found.is_good and mails.is_good and pictures.is_good and soaked.is_good
    return 0 if outcome.is_good and messages_are_good else 1


if __name__ == "__main__":
    sys.exit(main())
