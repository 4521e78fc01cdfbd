"""`python -m tests.drill.soak --minutes 120`: payments and polling routers at a steady pace; nothing may grow without end.

Every few seconds each process is measured (memory, open files, threads), the connections that PostgreSQL and Valkey count, the queues,
and how long an empty question waits for a web process. `--scale 0.4` asks for less where a machine has other things to do.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import statistics
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import redis

from app.queue import QUEUES
from app.supervisor import Stack
from tests.bench import fleet
from tests.bench.gateways import _gateways, _register
from tests.drill import report
from tests.drill.customer import Customer, Visit
from tests.drill.ledgers import Comparison, Finding, under_way
from tests.drill.plan import plan_customer
from tests.drill.settling import Bound, Trend, trend
from tests.drill.world import World, running_world

PER_SECOND, GATEWAYS, INTERVAL_SECONDS = 5.0, 1000, 10.0
_MINUTES = 120.0
# The hour that customers buy; a short soak sells a shorter one, so that it sees time run out as well.
_HOUR_SECONDS, SHORT_HOUR_SECONDS = 3600, 75
_SHORTER_HOUR = (
    "ALTER TABLE package_version DISABLE TRIGGER package_version_immutable",
    "UPDATE package_version v SET duration_seconds = {} FROM package p WHERE p.id = v.package_id AND p.public_id = 'hour-1'",
    "ALTER TABLE package_version ENABLE TRIGGER package_version_immutable",
)
_SAMPLES, _EVERY_AT_LEAST_SECONDS = 600, 2.0
_AT_ONCE, _FIRST_NUMBER, _UNTOLD_SHARE = 160, 100_000, 0.1
_REST_SECONDS, _SETTLE_SECONDS = 15.0, 180.0
_PROCESSES = ("web", "web-2", "worker", "worker-2", "scheduler")
# By the last word of a series' name. A payment leaves a kilobyte or two in caches that are bounded; a leak of ten would be found in five
# minutes by the floor, one of a few hundred bytes in two hours by the slope.
_BOUNDS = {
    "MB": Bound(per_hour=8.0, floor=12.0),
    "files": Bound(per_hour=4.0, floor=12.0),
    "threads": Bound(per_hour=4.0, floor=12.0),
    "connections": Bound(per_hour=4.0, floor=12.0),
    "clients": Bound(per_hour=4.0, floor=12.0),
    "jobs": Bound(per_hour=5.0, floor=20.0),
    "behind": Bound(per_hour=5.0, floor=20.0),
    "ms": Bound(per_hour=50.0, floor=100.0),
}
_CONNECTIONS = """
SELECT coalesce(nullif(application_name, ''), '-') AS who, count(*) AS n FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() GROUP BY 1
"""
_OPEN = (
    "SELECT count(*) AS n FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND state_change < now() - interval '10 seconds'"
)
# Work that should be done by now.
_BEHIND = """
SELECT (SELECT count(*) FROM payment WHERE status IN ('paid', 'voucher_issued', 'charged') AND paid_at < now() - interval '10 seconds')
    + (SELECT count(*) FROM webhook_event WHERE processed_at IS NULL AND received_at < now() - interval '10 seconds')
    + (SELECT count(*) FROM notification WHERE state = 'queued' AND next_attempt_at < now() - interval '30 seconds') AS n
"""


@dataclass(frozen=True)
class Order:
    seed: int
    minutes: float = _MINUTES
    scale: float = 1.0
    hour_seconds: int = _HOUR_SECONDS

    @property
    def per_second(self) -> float:
        return PER_SECOND * self.scale

    @property
    def gateways(self) -> int:
        return max(1, round(GATEWAYS * self.scale))


@dataclass
class Outcome:
    order: Order
    seconds: list[float] = field(default_factory=list)
    series: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    visits: list[Visit] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    # What has not come to rest when nobody asked for anything any more.
    restless: list[str] = field(default_factory=list)
    late_customers: int = 0
    polls: int = 0
    wrong_polls: int = 0
    poll_p99: float = 0.0
    lasted: float = 0.0

    def trends(self) -> dict[str, Trend]:
        return {name: trend(self.seconds, values, bound_of(name)) for name, values in sorted(self.series.items())}

    @property
    def growing(self) -> list[str]:
        return [name for name, found in self.trends().items() if not found.settles]

    @property
    def is_good(self) -> bool:
        return not self.findings and not self.restless and not self.growing and self.wrong_polls <= self.polls // 1000

    def row(self) -> dict[str, object]:
        counts = Counter(finding.kind for finding in self.findings)
        return {
            "name": "soak",
            "seed": self.order.seed,
            "runs": len(self.visits),
            "lost": counts["lost"],
            "doubled": counts["doubled"],
            "stuck": counts["stuck"] + len(self.restless),
            "ok": self.is_good,
            "minutes": round(self.lasted / 60, 1),
            "payments_per_second": round(len(self.visits) / max(1.0, self.lasted), 2),
            "growing": self.growing,
        }


def bound_of(name: str) -> Bound:
    """By the unit that ends a series' name."""
    return _BOUNDS[name.rpartition(" ")[2]]


class _Sampler:
    """Measures on a thread until it is closed."""

    def __init__(self, world: World, stack: Stack, outcome: Outcome, *, every_seconds: float) -> None:
        self._world, self._stack, self._outcome, self._every = world, stack, outcome, every_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample_on, daemon=True)
        self._began = time.monotonic()
        self._http = httpx.Client(timeout=10, trust_env=False)

    def __enter__(self) -> _Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(60)
        self._http.close()

    def _sample_on(self) -> None:
        while not self._over.wait(self._every):
            # A sample that cannot be taken whole is not taken: all series are as long as the clock's.
            with contextlib.suppress(psutil.Error, redis.RedisError, httpx.HTTPError):
                values = dict(self._values())
                self._outcome.seconds.append(time.monotonic() - self._began)
                for name, value in values.items():
                    self._outcome.series[name].append(value)

    def _values(self) -> Iterator[tuple[str, float]]:
        for name in _PROCESSES:
            process = psutil.Process(self._stack.pids(name)[0])
            with process.oneshot():
                yield f"{name} MB", process.memory_info().rss / 2**20
                yield f"{name} threads", process.num_threads()
            yield f"{name} files", process.num_fds()
        counts = {str(row["who"]): int(row["n"]) for row in self._world.rows(_CONNECTIONS)}
        yield "PostgreSQL connections", sum(counts.values())
        yield "payments behind", float(self._world.rows(_BEHIND)[0]["n"])
        yield from self._valkey()
        for number, url in enumerate(self._world.web_urls, start=1):
            yield f"web-{number} waits ms", self._wait_ms(url)

    def _valkey(self) -> Iterator[tuple[str, float]]:
        with redis.Redis.from_url(self._world.stack.environment["INET_REDIS_URL"]) as client:
            found = client.info()
            yield "Valkey clients", float(found["connected_clients"])
            yield "Valkey MB", float(found["used_memory"]) / 2**20
            for queue in QUEUES:
                if queue != "triage":  # no such worker runs in a drill
                    yield f"{queue} jobs", float(client.llen(f"rq:queue:{queue}"))

    def _wait_ms(self, url: str) -> float:
        began = time.monotonic()
        self._http.get(url + "/healthz/live")
        return (time.monotonic() - began) * 1000


class Soak:
    """One soak of one running product."""

    def __init__(self, order: Order, *, say: Callable[[str], None]) -> None:
        self._order, self._say = order, say
        self.outcome = Outcome(order)

    def run(self) -> Outcome:
        order, seconds = self._order, self._order.minutes * 60
        with running_world(seed=order.seed, processes=2, kill_probability=0.0, plant=None, say=self._note) as world:
            stack = world.stack
            assert isinstance(stack, Stack)
            if order.hour_seconds != _HOUR_SECONDS:
                world.change(*(statement.format(order.hour_seconds) for statement in _SHORTER_HOUR))
            polled = tuple(_gateways(_register(stack, order.gateways)))
            self._say(f"{order.per_second:g} payments a second and {order.gateways} gateways for {order.minutes:g} minutes")
            every = max(_EVERY_AT_LEAST_SECONDS, seconds / _SAMPLES)
            began = time.monotonic()
            with _Sampler(world, stack, self.outcome, every_seconds=every), self._polls(stack, polled, seconds):
                self._customers(world, seconds)
            self.outcome.lasted = time.monotonic() - began
            self._rest(world)
            self.outcome.findings = list(Comparison(world).findings())
        return self.outcome

    def _note(self, line: str) -> None:
        """The supervisor's lines: starts and deaths; warnings of slow requests are what the series measure."""
        if ": warning " not in line:
            self._say(line)

    @contextmanager
    def _polls(self, stack: Stack, polled: tuple[fleet.Gateway, ...], seconds: float) -> Iterator[None]:
        """All idle gateways, in a process of their own, shared out over the web processes."""
        ports = [int(url.rpartition(":")[2]) for url in stack.web_urls]
        shares = [polled[number :: len(ports)] for number in range(len(ports))]
        with ThreadPoolExecutor(len(ports)) as pool:
            asked = [
                pool.submit(fleet.run, fleet.Fleet(port, share, INTERVAL_SECONDS, seconds, connections=16))
                for port, share in zip(ports, shares, strict=True)
                if share
            ]
            yield
            logs = [one.result() for one in asked]
        took = sorted(second for log in logs for second in (*log.views, *log.acknowledgements))
        self.outcome.polls, self.outcome.wrong_polls = len(took), sum(log.wrong for log in logs)
        self.outcome.poll_p99 = took[len(took) * 99 // 100] if took else 0.0

    def _customers(self, world: World, seconds: float) -> None:
        """At an even pace, whatever the product does; one whose turn comes while all hands are full counts as late."""
        began, number = time.monotonic(), 0
        hands = threading.BoundedSemaphore(_AT_ONCE)
        waiting: list[Future[Visit]] = []

        def visit(which: int) -> Visit:
            try:
                return self._visit(world, which)
            finally:
                hands.release()

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while (due := began + number / self._order.per_second) < began + seconds:
                time.sleep(max(0.0, due - time.monotonic()))
                if hands.acquire(blocking=False):
                    waiting.append(pool.submit(visit, _FIRST_NUMBER + number))
                else:
                    self.outcome.late_customers += 1
                number += 1
                if number % max(1, round(self._order.per_second * 60)) == 0:
                    self._say_now()
        self.outcome.visits = [one.result() for one in waiting]

    def _visit(self, world: World, number: int) -> Visit:
        plan = plan_customer(self._order.seed, number, "soak", routers=len(world.routers), untold_share=_UNTOLD_SHARE)
        with httpx.Client(timeout=12, trust_env=False) as http:
            return Customer(plan, world, http).play()

    def _say_now(self) -> None:
        series = self.outcome.series
        now = ", ".join(f"{name} {values[-1]:.0f}" for name, values in series.items() if name.endswith((" MB", "jobs", "behind")))
        self._say(now)

    def _rest(self, world: World) -> None:
        """When nobody asks any more, everything that was begun ends, queues empty, and no transaction stays open."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while (left := under_way(world)) and time.monotonic() < deadline:
            time.sleep(2)
        time.sleep(_REST_SECONDS)
        restless = self.outcome.restless
        if left:
            restless.append(f"{left} things are still under way")
        with redis.Redis.from_url(world.stack.environment["INET_REDIS_URL"]) as client:
            # Periodic jobs go on: one or two may wait at any moment.
            restless += [
                f"{n} jobs wait in {queue}" for queue in QUEUES if queue != "triage" and (n := client.llen(f"rq:queue:{queue}")) > 3
            ]
        if opened := int(world.rows(_OPEN)[0]["n"]):
            restless.append(f"{opened} transactions are open and idle")


def lines_of(outcome: Outcome) -> list[str]:
    """The table for people."""
    lines = ["", f"{'series':<26} {'first':>9} {'highest':>9} {'last':>9} {'per hour':>9} {'grown':>7} {'of':>6}  settles"]
    for name, found in outcome.trends().items():
        numbers = (
            f"{found.first:>9.1f} {found.highest:>9.1f} {found.last:>9.1f} {found.per_hour:>9.1f} {found.grown:>7.1f} {found.allowed:>6.1f}"
        )
        lines.append(f"{name:<26} {numbers}  {'yes' if found.settles else 'NO'}")
    waits = sorted(visit.seconds for visit in outcome.visits if visit.seconds is not None)
    reached = len(outcome.visits) / max(1.0, outcome.lasted)
    lines += [
        "",
        f"{len(outcome.visits)} customers in {outcome.lasted / 60:.1f} min: {reached:.2f} a second of {outcome.order.per_second:g} wanted",
    ]
    lines.append(f"Turned away because all hands were full: {outcome.late_customers}")
    if len(waits) > 1:
        p95 = statistics.quantiles(waits, n=20)[-1]
        lines.append(f"From paid to served: median {statistics.median(waits):.1f} s, p95 {p95:.1f} s, of {len(waits)} who watched")
    lines.append(
        f"{outcome.polls} polls of {outcome.order.gateways} gateways: {outcome.wrong_polls} answered wrongly, p99 {outcome.poll_p99:.3f} s"
    )
    lines += [f"  {finding.kind:<8} {finding.what}" for finding in outcome.findings[:20]]
    lines += [f"  at rest: {what}" for what in outcome.restless]
    lines += [f"  grows:   {name}" for name in outcome.growing]
    return [*lines, "soak: " + ("everything settles, all ledgers agree" if outcome.is_good else "NOT good")]


def run_alone(
    *, seed: int, minutes: float, scale: float, hour_seconds: int = SHORT_HOUR_SECONDS, say: Callable[[str], None] | None = None
) -> Outcome:
    began = time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - began:7.1f}  {line}", flush=True)

    return Soak(Order(seed, minutes, scale, hour_seconds), say=say or tell).run()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drill.soak", description="Payments and polls at a steady pace; what grows?")
    parser.add_argument("--minutes", type=float, default=float(os.environ.get("SOAK_MINUTES") or _MINUTES))
    parser.add_argument("--scale", type=float, default=float(os.environ.get("SOAK_SCALE") or 1.0), help="of the payments and gateways")
    parser.add_argument(
        "--hour", type=int, metavar="SECONDS", help="how long the hour is that is sold (3600; in a soak of up to 75 minutes: 75)"
    )
    options = parser.parse_args()
    seed = int(os.environ.get("DRILL_SEED") or random.randrange(1_000_000))
    hour = options.hour or (_HOUR_SECONDS if options.minutes > 75 else SHORT_HOUR_SECONDS)
    outcome = run_alone(seed=seed, minutes=options.minutes, scale=options.scale, hour_seconds=hour)
    report.replace(Path.cwd() / "drill.json", "soak", [outcome.row()])
    print("\n".join(lines_of(outcome)), flush=True)
    return 0 if outcome.is_good else 1


if __name__ == "__main__":
    sys.exit(main())
