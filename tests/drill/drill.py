"""Runs the sections one after the other on one running product, lets everything settle, and compares the ledgers."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

import httpx

from tests.drill import books
from tests.drill.boundaries import all_boundaries
from tests.drill.customer import Customer, Visit
from tests.drill.desk import Desk, DeskGaveUp
from tests.drill.ledgers import Comparison, Finding, is_stocked, under_way
from tests.drill.plan import plan_customer
from tests.drill.troubles import SECTIONS, Event, Section
from tests.drill.world import World, running_world, until

AT_ONCE = 20
# Longer than what PortaBilling refused for minutes waits before it is tried again.
_SETTLE_SECONDS = 600.0
_STOCK_SECONDS = 120.0
_KILL_PROBABILITY = 0.006
_MORE_FOR_BOUNDARIES, _MORE_AT_MOST = 20, 300
_FIRST_NUMBER = 100_000
# Of a whole drill's customers. A short drill has one long outage for a few dozen customers; on CI it outlasted four of them.
_GAVE_UP_AT_MOST, _ALWAYS_MAY_GIVE_UP = 0.1, 4


@dataclass(frozen=True)
class Order:
    """What to drill. `every_boundary` goes on until each one has killed a process, and fails the drill if one never does.

    `processes` is the number of web processes, and of workers.
    """

    seed: int
    runs: int
    sections: Sequence[Section] = SECTIONS
    every_boundary: bool = True
    plant: str | None = None
    settle_seconds: float = _SETTLE_SECONDS
    kill_probability: float = _KILL_PROBABILITY
    processes: int = 2


@dataclass
class Outcome:
    """What came of it. `missed` are the boundaries at which nothing died."""

    order: Order
    visits: list[Visit] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    lost_answers: Counter[str] = field(default_factory=Counter)
    # What staff asked for: batches, refunds.
    desk: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)

    def section_of(self, finding: Finding) -> str | None:
        return next((visit.plan.section for visit in self.visits if visit.plan.number == finding.number), None)

    def count(self, kind: str, section: str | None = None) -> int:
        """Findings of a kind, in one section or in all; a purchase with several disagreements of a kind counts once."""
        wanted = [f for f in self.findings if f.kind == kind and (section is None or self.section_of(f) == section)]
        return len({f.number for f in wanted if f.number is not None}) + sum(1 for f in wanted if f.number is None)

    @property
    def gave_up(self) -> int:
        """Customers who could not buy although every trouble ends sooner than their patience."""
        return sum(1 for visit in self.visits if visit.reached.startswith("gave up"))

    @property
    def is_good(self) -> bool:
        return not self.findings and not self.missed and not self.has_too_few_customers

    @property
    def has_too_few_customers(self) -> bool:
        """So many went away before they could buy that the rest proves little."""
        return self.gave_up > max(_ALWAYS_MAY_GIVE_UP, _GAVE_UP_AT_MOST * len(self.visits))


class Drill:
    """One drill on one running product."""

    def __init__(self, order: Order, *, say: Callable[[str], None]) -> None:
        self._order, self._say = order, say
        self._next_number = _FIRST_NUMBER
        self._local = threading.local()
        self._clients: list[httpx.Client] = []
        self.outcome = Outcome(order)

    def run(self) -> Outcome:
        began = time.monotonic()
        order = self._order
        with running_world(
            seed=order.seed, processes=order.processes, kill_probability=order.kill_probability, plant=order.plant, say=self._note
        ) as world:
            self.outcome.seconds["start"] = time.monotonic() - began
            self._say(f"started in {self.outcome.seconds['start']:.1f} s")
            if order.every_boundary:
                # A short drill does without: half a minute is more than it lasts.
                self._timed("stock", lambda: until(lambda: is_stocked(world), seconds=_STOCK_SECONDS, what="vouchers are in stock"))
            desk = Desk(world, order.seed)
            if order.plant is None:
                desk.open()
            for section in self._order.sections:
                self._timed(section.name, lambda section=section: self._section(world, section))  # type: ignore[misc]
            desk.close()
            world.calm()
            world.disarm()
            self._timed("settle", lambda: self._settle(world))
            self._timed("compare", lambda: self._compare(world))
            if order.plant is None:
                self._timed("books", lambda: self._check_books(world, desk))
            for client in self._clients:
                client.close()
            stopping = time.monotonic()
        self.outcome.seconds["stop"] = time.monotonic() - stopping
        return self.outcome

    def _note(self, line: str) -> None:
        """The supervisor's lines: starts are shown, the deaths that follow are what a drill is about and are counted instead."""
        if " ready in " in line:
            self._say(line)

    def _timed(self, name: str, work: Callable[[], None]) -> None:
        began = time.monotonic()
        work()
        took = self.outcome.seconds[name] = time.monotonic() - began
        self._say(f"{name:<14} {took:6.1f} s")

    def _section(self, world: World, section: Section) -> None:
        world.calm()
        if section.kills:
            world.arm()
        self._customers(world, section, max(1, round(self._order.runs * section.share)))
        if section.kills and self._order.every_boundary:
            for _ in range(0, _MORE_AT_MOST, _MORE_FOR_BOUNDARIES):
                if not self._missed(world):
                    break
                self._customers(world, section, _MORE_FOR_BOUNDARIES)
        world.calm()
        world.disarm()

    def _customers(self, world: World, section: Section, count: int) -> None:
        """Send `count` customers, a few at a time, and let the section's events happen on the way."""
        numbers = range(self._next_number, self._next_number + count)
        self._next_number += count
        done = itertools.count()
        events = list(section.events)

        def visit(number: int) -> Visit:
            plan = plan_customer(self._order.seed, number, section.name, routers=len(world.routers), untold_share=section.untold_share)
            return Customer(plan, world, self._client()).play()

        with ThreadPoolExecutor(min(AT_ONCE, max(10, count // 4))) as pool:
            self._happen(world, section, events, 0)
            waiting = [pool.submit(visit, number) for number in numbers]
            for finished in as_completed(waiting):
                self.outcome.visits.append(finished.result())
                self._happen(world, section, events, (next(done) + 1) / count)

    def _happen(self, world: World, section: Section, events: list[Event], share: float) -> None:
        while events and events[0].share <= share:
            event = events.pop(0)
            self._say(f"{section.name:<14} {event.what}")
            event.happen(world)

    def _client(self) -> httpx.Client:
        if not hasattr(self._local, "http"):
            self._local.http = httpx.Client(timeout=12, trust_env=False)
            self._clients.append(self._local.http)
        client: httpx.Client = self._local.http
        return client

    def _missed(self, world: World) -> list[str]:
        kills = world.kills()
        return [name for name in all_boundaries() if not kills[name]]

    def _settle(self, world: World) -> None:
        deadline = time.monotonic() + self._order.settle_seconds
        left = -1
        while time.monotonic() < deadline:
            now_left = under_way(world)
            if now_left == 0:
                return
            if now_left != left:
                self._say(f"settle         {now_left} under way")
                left = now_left
            time.sleep(2)

    def _check_books(self, world: World, desk: Desk) -> None:
        """The money desk's own reckoning: whole batches, no disagreement, nothing unexplained; then what is planted must be found."""
        found = self.outcome.findings
        found += [Finding("stuck", None, why) for why in desk.trouble]
        self.outcome.desk = desk.asked
        for row in world.rows("SELECT state, count(*) AS n FROM reconciliation_run GROUP BY state"):
            desk.asked[f"reconciliations {row['state']}"] = row["n"]
        try:
            found += books.broken_batches(world, desk)
            found += books.disagreements(world, desk)
            found += books.unexplained(desk)
            found += books.missed_plants(world, desk)
        except (TimeoutError, DeskGaveUp) as why:
            found.append(Finding("stuck", None, f"the money desk: {why}"))

    def _compare(self, world: World) -> None:
        outcome = self.outcome
        comparison = Comparison(world)
        outcome.findings = list(comparison.findings())
        outcome.statuses = Counter(payment["status"] for payment in comparison.payments)
        outcome.kills, outcome.answers = world.kills(), world.answers
        if self._order.every_boundary:
            outcome.missed = self._missed(world)
        for row in world.rows("SELECT service, operation, count(*) AS n FROM outbound_call WHERE outcome = 'unknown' GROUP BY 1, 2"):
            outcome.lost_answers[f"{row['service']} {row['operation']}"] = row["n"]
        second = world.rows("SELECT count(*) AS n FROM payment_event WHERE kind = 'second_success'")[0]["n"]
        outcome.statuses["(second successes refunded)"] = second
        unknown_texts = world.rows("SELECT count(*) AS n FROM notification WHERE medium = 'sms' AND state = 'unknown'")[0]["n"]
        outcome.lost_answers["sms send"] = unknown_texts
