"""What the console's first pages cost among 1,000,000 payments, and among 10,000 (issue 9, item 4).

Run in a process of its own on databases of its own, filled as those of tests/bench/lists.py: `python -m tests.bench.dashboards` with the
product's environment prints the numbers as JSON; a number behind it is the larger size. Measured is the whole first page of a role as one
use case, at both sizes in turn. A day of the larger size brings a hundred times as many purchases: what is summed up is that day.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from sqlmodel import Session

from app.supervisor import Stack
from tests.bench.lists import LARGE, NOON, Question, measured
from tests.bench.table import Result

_ROOT = Path(__file__).parents[2]
_GOAL_MS = 150


def first_pages(stack: Stack) -> list[Result]:
    """Goals: at 1,000,000 payments the slowest role's first page takes at most 150 ms, and none reads or sorts a whole table."""
    command = [sys.executable, "-m", "tests.bench.dashboards"]
    done = subprocess.run(command, env=stack.environment, cwd=_ROOT, stdout=subprocess.PIPE, check=True, timeout=1800)
    found = json.loads(done.stdout.splitlines()[-1])
    slowest = max(found["large"]["each"], key=found["large"]["each"].get)
    small, large = found["small"]["each"][slowest], found["large"]["each"][slowest]
    return [
        Result(f"first page of {slowest}, 10,000 payments", small, "ms", None, "lower"),
        Result(f"first page of {slowest}, 1,000,000 payments", large, "ms", _GOAL_MS, "lower"),
        Result("first page, large / small", large / small, "times", None, "lower"),
        Result("first pages that read or sort a whole table", len(found["whole"]), "pages", 0, "lower"),
    ]


def questions() -> list[Question]:
    from services.accounts.models import Role
    from services.console.dashboards import dashboard
    from tests.factories import staff

    def of(role: Role) -> Question:
        actor = staff(role)

        def ask(session: Session) -> object:
            return dashboard(session, actor=actor, now=NOON)

        return Question(role.label, ask)

    return [of(role) for role in Role]


if __name__ == "__main__":
    print(json.dumps(measured(questions(), "bench_first", int(sys.argv[1]) if len(sys.argv) > 1 else LARGE)))
