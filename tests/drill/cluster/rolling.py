"""A new release under load: the tables grow first, then one process after the other is replaced, and no customer notices."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.drill.cluster.cluster import APPLICATION, Cluster
from tests.drill.cluster.traffic import Impact
from tests.drill.ledgers import Finding

# A migration as a release would bring it; tests/drill/upgrading is of this drill and of the one on a single machine.
_MIGRATIONS = Path(__file__).parents[1] / "upgrading"
_MIGRATE = "import sys; from pathlib import Path; from app import migrate; migrate.upgrade(also=Path(sys.argv[1]))"
# As long as the proxy takes to trust a process again that was away.
_BETWEEN_SECONDS = 6.0


@dataclass(frozen=True)
class Upgrade:
    """`migrated` is how long the migration took, `seconds` all of it. Nothing may fail for anybody."""

    migrated: float
    seconds: float
    customers: Impact
    staff: Impact

    def findings(self) -> Iterator[Finding]:
        for name, impact in (("customers", self.customers), ("staff", self.staff)):
            if impact.failed:
                faults = ", ".join(f"{what} {count}" for what, count in sorted(impact.failed.items()))
                yield Finding("lost", None, f"requests of {name} failed during a rolling upgrade: {faults}")


def migrate(cluster: Cluster) -> float:
    """Answers how many seconds it took, waiting for locks included."""
    began = time.monotonic()
    cluster.run("web-1", sys.executable, "-c", _MIGRATE, str(_MIGRATIONS))
    return time.monotonic() - began


def replace_all(cluster: Cluster, *, say: Callable[[str], None]) -> None:
    """Each process of ours, told to end as its service manager would, and started again; the next when it serves."""
    for name in APPLICATION:
        part = cluster.parts[name]
        stopped = part.stop()
        part.start()
        part.await_ready()
        say(f"upgrade        {name} ended in {stopped:.1f} s and serves again")
        time.sleep(_BETWEEN_SECONDS)
