"""What happens to which part, in which order."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tests.drill.cluster.cluster import APPLICATION, Cluster

_SERVERS = ("pgbouncer", "postgres", "valkey", "nginx")
_DOWN_SECONDS = 3.0
CUT_SECONDS = 12.0


class Kind(StrEnum):
    """`STOPPED` with SIGTERM, `KILLED` with SIGKILL, `CUT`: packets vanish and nobody is told, `EMPTIED`: FLUSHALL."""

    STOPPED = "stopped"
    KILLED = "killed"
    CUT = "cut off"
    EMPTIED = "emptied"


@dataclass(frozen=True)
class Trouble:
    part: str
    kind: Kind

    @property
    def name(self) -> str:
        return f"{self.part} {self.kind}"

    def strike(self, cluster: Cluster, *, cut_seconds: float = CUT_SECONDS) -> None:
        """Take the part away, for as long as it is to be gone."""
        part, host = cluster.parts[self.part], cluster.hosts[self.part]
        match self.kind:
            case Kind.STOPPED:
                part.stop()
                time.sleep(_DOWN_SECONDS)
            case Kind.KILLED:
                part.kill()
                time.sleep(_DOWN_SECONDS)
            case Kind.CUT:
                host.cut()
                time.sleep(cut_seconds)
            case Kind.EMPTIED:
                cluster.empty_valkey()

    def bring_back(self, cluster: Cluster) -> None:
        """Returns at once: how long it takes until it serves again is what is measured."""
        match self.kind:
            case Kind.STOPPED | Kind.KILLED:
                cluster.parts[self.part].start()
            case Kind.CUT:
                cluster.hosts[self.part].mend()
            case Kind.EMPTIED:
                pass


def all_troubles(parts: Iterable[str] = ()) -> list[Trouble]:
    """Each part in each way, of `parts` alone if there are any. Raises ValueError for a part that does not exist."""
    every = [Trouble(part, kind) for part in (*APPLICATION, *_SERVERS) for kind in (Kind.STOPPED, Kind.KILLED, Kind.CUT)]
    every += [Trouble("valkey", Kind.EMPTIED), Trouble("sandbox", Kind.CUT)]
    wanted = list(parts)
    unknown = sorted(set(wanted) - {trouble.part for trouble in every})
    if unknown:
        raise ValueError(f"there is no part {', '.join(unknown)}; the parts are {', '.join(dict.fromkeys(t.part for t in every))}")
    return [trouble for trouble in every if not wanted or trouble.part in wanted]
