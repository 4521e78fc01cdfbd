"""A rolling upgrade under load: `python -m tests.drill.upgrade`. Writes drill-upgrade.json.

DRILL_SEED, DRILL_RUNS (at least 400), DRILL_AT_ONCE (customers) and DRILL_REPLACED (processes, comma-separated) choose.

While customers buy, an expansion is applied (a column, an index, rows filled in sets, a check) and every process is replaced, one after
the other, each told to stop and given its time. In the middle a back-up is made. Afterwards nothing may be lost, doubled or stuck, no
answer may have been a fault of ours, and the back-up, put in the place of the database, must give books that balance.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from app import migrate
from tests.drill.customer import Customer
from tests.drill.desk import Desk
from tests.drill.drill import Drill, Order
from tests.drill.plan import plan_customer
from tests.drill.troubles import Event, Section
from tests.drill.world import World, until

EXPANSION = Path(__file__).parent / "upgrading"
_PROJECT = Path(__file__).parents[2]
_REPLACED = ("web", "web-2", "worker", "worker-2", "scheduler")
_READY_SECONDS = 90.0
_AT_ONCE = 8
_LOST_CONNECTION = ("ConnectError", "ReadError", "RemoteProtocolError", "WriteError", "ReadTimeout", "ConnectTimeout")


class Upgrade:
    """What is done to the product under load, and what came of it. Events happen in one thread, one after the other."""

    def __init__(self, replaced: Sequence[str], say: Callable[[str], None]) -> None:
        self._replaced, self._say = replaced, say
        self.migration_seconds = 0.0
        self.restart_seconds: dict[str, float] = {}
        self.backup: Path | None = None
        self.said: list[str] = []

    def section(self) -> Section:
        steps: list[tuple[str, Callable[[World], None]]] = [("back up", self.back_up), ("expand", self.expand)]
        steps += [(f"replace {name}", self._replacing(name)) for name in self._replaced]
        return Section("upgrade", 1.0, tuple(Event(0.0, what, happen) for what, happen in steps), untold_share=0.1)

    def expand(self, world: World) -> None:
        """As the newer release's `inet migrate` would, while the older one runs."""
        began = time.monotonic()
        migrate.upgrade("heads", url=world.stack.environment["INET_DATABASE_URL"], also=EXPANSION)
        self.migration_seconds = time.monotonic() - began

    def back_up(self, world: World) -> None:
        done = self.inet(world, "backup", "--to", str(world.stack.data_dir.parent / "kept"))
        self.backup = Path(done.splitlines()[-2]) if done else None

    def _replacing(self, name: str) -> Callable[[World], None]:
        def replace(world: World) -> None:
            began, before = time.monotonic(), world.stack.pids(name)[:1]
            os.kill(before[0], signal.SIGTERM)
            until(lambda: world.stack.pids(name)[:1] not in ((), before), seconds=_READY_SECONDS, what=f"{name} runs again")
            if name.startswith("web"):
                url = world.web_urls[0 if name == "web" else 1]
                until(lambda: _is_ready(url), seconds=_READY_SECONDS, what=f"{name} is ready")
            self.restart_seconds[name] = time.monotonic() - began

        return replace

    def put_back(self, world: World) -> None:
        """The back-up of the middle in the place of the database of the end, and its books and audit proven."""
        if self.backup is None:
            self.said.append("no back-up was made")
            return
        self.inet(world, "restore", str(self.backup), "--force", "--yes", "--drop-old")
        self.inet(world, "ledger", "verify")
        self.inet(world, "audit", "verify")

    def inet(self, world: World, *arguments: str) -> str:
        """Run a command beside the product; one that fails is noted."""
        environment = {**world.stack.environment, "PYTHONPATH": str(_PROJECT)}
        command = [sys.executable, "-m", "app.cli", *arguments]
        done = subprocess.run(command, cwd=world.stack.data_dir.parent, env=environment, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            self.said.append(f"inet {arguments[0]}: {(done.stdout + done.stderr).strip()[-600:]}")
            return ""
        self._say(f"inet {' '.join(arguments[:1])}: {done.stdout.strip().splitlines()[-1]}")
        return done.stdout


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz/ready", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


class Proxy(httpx.BaseTransport):
    """What stands before the web processes: one that takes no connection is passed over, which nobody notices. `passed_over` counts it."""

    def __init__(self, web_urls: Sequence[str]) -> None:
        self._web = [httpx.URL(url) for url in web_urls]
        self._inner = httpx.HTTPTransport()
        self.passed_over = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = next((url for url in self._web if url.netloc == request.url.netloc), None)
        try:
            return self._inner.handle_request(request)
        except httpx.ConnectError:
            if asked is None:
                raise
            self.passed_over += 1
        other = next(url for url in self._web if url != asked)
        request.url = request.url.copy_with(port=other.port)
        return self._inner.handle_request(request)

    def close(self) -> None:
        self._inner.close()


class UpgradeDrill(Drill):
    """The drill's customers and ledgers, behind a proxy, with every answer of the product counted."""

    def __init__(self, order: Order, upgrade: Upgrade, *, at_once: int, say: Callable[[str], None]) -> None:
        super().__init__(order, say=say)
        self._upgrade, self._at_once, self._guard = upgrade, at_once, threading.Lock()
        self._web_urls: Sequence[str] = ()
        self.statuses: Counter[int] = Counter()
        self.proxies: list[Proxy] = []

    def _client(self) -> httpx.Client:
        if not hasattr(self._local, "http"):
            proxy = Proxy(self._web_urls)
            self._local.http = httpx.Client(timeout=12, transport=proxy, event_hooks={"response": [self._count]})
            self._clients.append(self._local.http)
            self.proxies.append(proxy)
        client: httpx.Client = self._local.http
        return client

    def _count(self, answer: httpx.Response) -> None:
        with self._guard:
            self.statuses[answer.status_code] += 1

    def _customers(self, world: World, section: Section, count: int) -> None:
        """Customers come as long as the section's events last, and at least `count` of them."""
        self._web_urls = world.web_urls
        is_over, numbers = threading.Event(), itertools.count(self._next_number)

        def come() -> None:
            while not is_over.is_set() or len(self.outcome.visits) < count:
                with self._guard:
                    number = next(numbers)
                plan = plan_customer(self._order.seed, number, section.name, routers=len(world.routers), untold_share=section.untold_share)
                visit = Customer(plan, world, self._client()).play()
                with self._guard:
                    self.outcome.visits.append(visit)

        with ThreadPoolExecutor(self._at_once) as pool:
            waiting = [pool.submit(come) for _ in range(self._at_once)]
            try:
                for event in section.events:
                    began, before = time.monotonic(), len(self.outcome.visits)
                    event.happen(world)
                    came = len(self.outcome.visits) - before
                    self._say(f"{event.what:<18} {time.monotonic() - began:6.1f} s, {came} customers meanwhile")
            finally:
                is_over.set()
            for one in waiting:
                one.result()
        self._next_number = next(numbers)

    def _check_books(self, world: World, desk: Desk) -> None:
        super()._check_books(world, desk)
        self._upgrade.put_back(world)


def main() -> int:
    seed = int(os.environ.get("DRILL_SEED") or random.randrange(1_000_000))
    runs = int(os.environ.get("DRILL_RUNS") or 400)

    def say(line: str) -> None:
        print(line, flush=True)

    replaced = (os.environ.get("DRILL_REPLACED") or ",".join(_REPLACED)).split(",")
    upgrade = Upgrade(replaced, say)
    order = Order(seed, runs, sections=(upgrade.section(),), every_boundary=False, kill_probability=0.0)
    drill = UpgradeDrill(order, upgrade, at_once=int(os.environ.get("DRILL_AT_ONCE") or _AT_ONCE), say=say)
    outcome = drill.run()
    faults = sum(number for status, number in drill.statuses.items() if status >= 500)
    counts = {kind: outcome.count(kind) for kind in ("lost", "doubled", "stuck")}
    passed_over = sum(proxy.passed_over for proxy in drill.proxies)
    cut = sum(outcome.answers[name] for name in _LOST_CONNECTION)
    say(f"seed {seed}: {len(outcome.visits)} customers, {dict(outcome.statuses)}")
    connections = f"passed over {passed_over}, connections lost {cut} {dict(outcome.answers)}"
    say(f"answers {dict(drill.statuses)}; {connections}; gave up {outcome.gave_up}")
    took = {name: round(seconds, 1) for name, seconds in upgrade.restart_seconds.items()}
    say(f"expanded in {upgrade.migration_seconds:.1f} s; replaced {took}")
    for finding in outcome.findings[:20]:
        say(f"  {finding}")
    for line in upgrade.said:
        say(f"  {line}")
    is_ok = not any(counts.values()) and not faults and not upgrade.said and not outcome.gave_up and not outcome.findings
    row = {
        "name": "upgrade",
        "seed": seed,
        "runs": len(outcome.visits),
        **counts,
        "faults": faults,
        "passed_over": passed_over,
        "connections_lost": cut,
        "ok": is_ok,
    }
    Path("drill-upgrade.json").write_text(json.dumps([row]) + "\n", encoding="utf-8")
    return 0 if is_ok else 1


if __name__ == "__main__":
    sys.exit(main())
