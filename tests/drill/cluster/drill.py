"""The main job goes on while one part after the other is stopped, killed and cut off, and brought back."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.children import StartRefused
from tests.drill import books
from tests.drill.cluster import restoring, rolling, slots
from tests.drill.cluster.cluster import Cluster, running_cluster
from tests.drill.cluster.restoring import Copy
from tests.drill.cluster.rolling import Upgrade
from tests.drill.cluster.traffic import Impact, Traffic, Watch, impact_of, recovered_after
from tests.drill.cluster.troubles import CUT_SECONDS, Trouble, all_troubles
from tests.drill.customer import Customer, Visit
from tests.drill.desk import Desk, DeskGaveUp
from tests.drill.ledgers import Comparison, Finding, is_stocked, under_way
from tests.drill.plan import plan_customer
from tests.drill.world import World, only_our_settings, until

AT_ONCE = 24
_FIRST_NUMBER = 100_000
_UNTOLD_SHARE = 0.1
# About what one trouble takes with its recovery and the quiet after it: from this the pace of customers is reckoned.
_TROUBLE_SECONDS, _UPGRADE_SECONDS = 20.0, 100.0
_RECOVERS_WITHIN_SECONDS = 45.0
_QUIET_SECONDS = 2.0
# What the last trouble left behind is not the upgrade's: a circuit breaker rests for ten seconds.
_CALM_SECONDS = 15.0
_GAVE_UP_AT_MOST = 0.1
_STOCK_SECONDS, _SETTLE_SECONDS = 90.0, 120.0
CUSTOMERS = ("customer", "customer orders", "shop", "status")
STAFF = ("console",)
# What was begun before the part came back and has not come to rest since.
_BEHIND = """
SELECT (SELECT count(*) FROM payment WHERE status IN ('paid', 'voucher_issued', 'charged', 'refunding')
        AND coalesce(paid_at, created_at) < now() - make_interval(secs => :age))
    + (SELECT count(*) FROM webhook_event WHERE processed_at IS NULL AND received_at < now() - make_interval(secs => :age))
    + (SELECT count(*) FROM access_grant WHERE state = 'queued' AND created_at < now() - make_interval(secs => :age)) AS count
"""


@dataclass(frozen=True)
class Order:
    seed: int
    runs: int
    parts: Sequence[str] = ()
    cut_seconds: float = CUT_SECONDS


@dataclass(frozen=True)
class Measured:
    """One trouble as people saw it. Seconds are counted from when the part was told to come back; None: not within the time given.

    `ready` is when the part itself answered again, `recovered` when people were served without a failure, `served` when nothing
    that was begun before was left to do.
    """

    trouble: Trouble
    seconds: float
    customers: Impact
    staff: Impact
    ready: float | None
    recovered: float | None
    served: float | None

    @property
    def is_back(self) -> bool:
        return None not in (self.ready, self.recovered, self.served)


@dataclass
class Outcome:
    order: Order
    visits: list[Visit] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    claims: Counter[str] = field(default_factory=Counter)
    upgrade: Upgrade | None = None
    copy: Copy | None = None
    ends: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def count(self, kind: str) -> int:
        """Findings of a kind; a purchase with several counts once."""
        wanted = [finding for finding in self.findings if finding.kind == kind]
        return len({f.number for f in wanted if f.number is not None}) + sum(1 for f in wanted if f.number is None)

    @property
    def gave_up(self) -> int:
        return sum(1 for visit in self.visits if visit.reached.startswith("gave up"))

    @property
    def is_good(self) -> bool:
        has_customers = self.gave_up <= _GAVE_UP_AT_MOST * len(self.visits)
        return has_customers and not self.findings and not self.ends and all(one.is_back for one in self.measured)


class ClusterDrill:
    """One drill on one cluster."""

    def __init__(self, order: Order, *, say: Callable[[str], None]) -> None:
        self._order, self._say = order, say
        self.outcome = Outcome(order)

    def run(self, directory: Path) -> Outcome:
        began = time.monotonic()
        settings: dict[str, str] = {}
        with (
            running_cluster(directory, seed=self._order.seed, settings=settings, say=self._say) as cluster,
            world_of(cluster, self._order.seed) as world,
        ):
            self._took("start", began)
            self.traffic = Traffic(cluster.certificate.trust)
            with self._timed("stock"):
                until(lambda: is_stocked(world), seconds=_STOCK_SECONDS, what="vouchers are in stock")
            slots.watch(world)
            with self._timed("troubles"), self._customers(world), self._watches(cluster):
                troubles = all_troubles(self._order.parts)
                for number, trouble in enumerate(troubles):
                    if number == len(troubles) // 2:
                        self._back_up(cluster)
                    self._suffer(cluster, world, trouble)
                self._upgrade(cluster)
            with self._timed("settle"):
                self._settle(world)
            with self._timed("compare"):
                self._compare(cluster, world)
            if self.outcome.copy is not None:
                with self._timed("restore"):
                    self.outcome.findings += restoring.restore(cluster, self.outcome.copy)
        return self.outcome

    def _took(self, name: str, began: float) -> None:
        self.outcome.seconds[name] = time.monotonic() - began
        self._say(f"{name:<14} {self.outcome.seconds[name]:6.1f} s")

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._took(name, began)

    @contextmanager
    def _customers(self, world: World) -> Iterator[None]:
        """They come one after the other at an even pace, until the block ends; all have left when it has."""
        pace = max(0.2, (len(all_troubles(self._order.parts)) * _TROUBLE_SECONDS + _UPGRADE_SECONDS) / self._order.runs)
        over = threading.Event()
        waiting: list[Future[Visit]] = []

        def come(pool: ThreadPoolExecutor) -> None:
            number = _FIRST_NUMBER
            while not over.wait(pace):
                waiting.append(pool.submit(self._visit, world, number))
                number += 1

        with ThreadPoolExecutor(AT_ONCE) as pool:
            feeder = threading.Thread(target=come, args=[pool], daemon=True)
            feeder.start()
            try:
                yield
            finally:
                over.set()
                feeder.join()
            self.outcome.visits += [one.result() for one in waiting]

    def _visit(self, world: World, number: int) -> Visit:
        plan = plan_customer(self._order.seed, number, "cluster", routers=len(world.routers), untold_share=_UNTOLD_SHARE)
        with self.traffic.client("customer") as http:
            return Customer(plan, world, http).play()

    @contextmanager
    def _watches(self, cluster: Cluster) -> Iterator[None]:
        url = cluster.public_url
        with (
            Watch(self.traffic, "shop", f"{url}/api/portal/packages", every_seconds=0.25),
            Watch(self.traffic, "status", f"{url}/api/wave/verify?payment_id=nobody-has-this-one", every_seconds=0.5),
            Watch(self.traffic, "console", f"{url}/console/login", every_seconds=1.0),
        ):
            yield

    def _suffer(self, cluster: Cluster, world: World, trouble: Trouble) -> None:
        began = time.monotonic()
        trouble.strike(cluster, cut_seconds=self._order.cut_seconds)
        back_at = time.monotonic()
        trouble.bring_back(cluster)
        ready: float | None = None
        recovered: float | None = None
        served: float | None = None
        while time.monotonic() - back_at < _RECOVERS_WITHIN_SECONDS and None in (ready, recovered, served):
            time.sleep(0.3)
            now = time.monotonic()
            if ready is None and cluster.parts[trouble.part].is_ready():
                ready = now - back_at
            if recovered is None:
                recovered = recovered_after(self.traffic.between(began, now), back_at=back_at)
            if served is None and not self._behind(world, now - back_at):
                served = now - back_at
        time.sleep(_QUIET_SECONDS)
        ended = time.monotonic()
        measured = Measured(
            trouble,
            back_at - began,
            impact_of(self.traffic.between(began, ended, CUSTOMERS)),
            impact_of(self.traffic.between(began, ended, STAFF)),
            ready,
            recovered,
            served,
        )
        self.outcome.measured.append(measured)
        self._say(line_of(measured))
        for name, part in cluster.parts.items():
            if part.pid is None:
                self.outcome.ends.append(f"{name} was found dead after {trouble.name}")
                part.start()

    def _back_up(self, cluster: Cluster) -> None:
        try:
            self.outcome.copy = restoring.take(cluster)
            self._say(f"back-up taken and proven in {self.outcome.copy.took:.1f} s")
        except RuntimeError as why:
            self.outcome.findings.append(Finding("lost", None, f"no back-up could be taken: {why}"))

    def _is_calm(self) -> bool:
        now = time.monotonic()
        return not any(one.fault for one in self.traffic.between(now - _CALM_SECONDS, now, CUSTOMERS))

    def _upgrade(self, cluster: Cluster) -> None:
        began = time.monotonic()
        try:
            until(self._is_calm, seconds=_RECOVERS_WITHIN_SECONDS + _CALM_SECONDS, what="people still met failures before it")
            began = time.monotonic()
            migrated = rolling.migrate(cluster)
            rolling.replace_all(cluster, say=self._say)
        except (RuntimeError, StartRefused, TimeoutError) as why:
            self.outcome.findings.append(Finding("lost", None, f"the rolling upgrade: {why}"))
            return
        ended = time.monotonic()
        customers = impact_of(self.traffic.between(began, ended, CUSTOMERS))
        staff = impact_of(self.traffic.between(began, ended, STAFF))
        self.outcome.upgrade = rolling.Upgrade(migrated, ended - began, customers, staff)
        self.outcome.findings += self.outcome.upgrade.findings()

    @staticmethod
    def _behind(world: World, age: float) -> bool:
        # PostgreSQL may be the part that is not back yet.
        with contextlib.suppress(Exception):
            return bool(world.rows(_BEHIND, age=age)[0]["count"])
        return True

    def _settle(self, world: World) -> None:
        deadline, left = time.monotonic() + _SETTLE_SECONDS, -1
        while (now_left := under_way(world)) and time.monotonic() < deadline:
            if now_left != left:
                self._say(f"settle         {now_left} under way")
                left = now_left
            time.sleep(2)

    def _compare(self, cluster: Cluster, world: World) -> None:
        outcome = self.outcome
        comparison = Comparison(world)
        outcome.findings += comparison.findings()
        outcome.statuses = Counter(payment["status"] for payment in comparison.payments)
        found = slots.counted(world)
        outcome.claims = found.claims
        outcome.findings += slots.findings(found)
        desk = Desk(world, self._order.seed)
        try:
            outcome.findings += books.disagreements(world, desk)
            outcome.findings += books.unexplained(desk)
        except (TimeoutError, DeskGaveUp) as why:
            outcome.findings.append(Finding("stuck", None, f"the money desk: {why}"))
        outcome.ends += [end for part in cluster.parts.values() for end in part.bad_ends]


@contextmanager
def world_of(cluster: Cluster, seed: int) -> Iterator[World]:
    """The cluster and its surroundings as customers and ledgers know them."""
    with httpx.Client(base_url=cluster.control_url, timeout=30, limits=httpx.Limits(keepalive_expiry=2), trust_env=False) as control:
        world = World(cluster, control, cluster.directory / "kills", tls=cluster.certificate.trust)
        world.routers = [router["slug"] for router in control.get("/_control/routers").json()]
        control.post("/_control/faults", json={"seed": seed}).raise_for_status()
        until(world.knows_its_routers, seconds=60, what="the portal knows its routers")
        yield world


def line_of(measured: Measured) -> str:
    def seconds(value: float | None) -> str:
        return "never" if value is None else f"{value:.1f} s"

    customers, staff = measured.customers, measured.staff
    faults = ", ".join(f"{what} {count}" for what, count in sorted({**customers.failed, **staff.failed}.items()))
    return (
        f"{measured.trouble.name:<22} away {measured.seconds:5.1f} s  failed {customers.failed.total():>3} of {customers.requests:>4}"
        f" ({customers.share:5.1%})  staff {staff.failed.total():>2} of {staff.requests:>3}  slowest {customers.slowest_seconds:4.1f} s"
        f"  ready {seconds(measured.ready):>6}  recovered {seconds(measured.recovered):>6}  served {seconds(measured.served):>6}"
        + (f"  {faults}" if faults else "")
    )


def drill(order: Order, directory: Path, *, say: Callable[[str], None]) -> Outcome:
    directory.chmod(0o755)
    with only_our_settings(directory):
        return ClusterDrill(order, say=say).run(directory)
