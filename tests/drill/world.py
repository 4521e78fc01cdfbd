"""The product under drill and the world around it: processes, control addresses, and the drill's hands on both."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx
import redis
import sqlalchemy as sa

from app.supervisor import Stack
from tests import authorities, prepared

authorities.read_once()

ROUTERS = 8
YOUNG_SECONDS = 5
_PLANTS = Path(__file__).parent / "plants"
# The machinery's bounds, scaled down so that a drill meets each of them within minutes; their order is that of production:
# a call's time-out is shorter than the lease.
BOUNDS = {
    "INET_ROLES": "portal,api",
    "INET_LOG_LEVEL": "WARNING",
    "INET_WAVE_TIMEOUT_SECONDS": "3",
    "INET_PORTABILLING_TIMEOUT_SECONDS": "3",
    "INET_LEASE_SECONDS": "6",
    "INET_WAVE_CREATE_GRACE_SECONDS": "2",
    "INET_GRANT_WINDOW_SECONDS": "60",
    "INET_PORTABILLING_FORGETS_SECONDS": "5",
    "INET_RECONCILIATION_YOUNG_SECONDS": str(YOUNG_SECONDS),
    "INET_SANDBOX_ROUTER_COUNT": str(ROUTERS),
    "INET_SANDBOX_POLL_INTERVAL_SECONDS": "1",
}


class Product(Protocol):
    """What a drill needs of the running product: `app.supervisor.Stack` on one machine, or a cluster (tests/drill/cluster).

    `environment` names PostgreSQL and Redis as the drill itself reaches them.
    """

    @property
    def web_urls(self) -> tuple[str, ...]: ...

    @property
    def environment(self) -> Mapping[str, str]: ...

    def kill(self, name: str, sig: int = signal.SIGKILL) -> None: ...

    def restart_postgres(self) -> None: ...


@dataclass
class World:
    """Handed to customers and troubles. Thread-safe: httpx clients and counters under the interpreter's lock are enough here."""

    stack: Product
    control: httpx.Client
    kill_file: Path
    routers: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    # What those who call the product believe: the usual authorities, unless it has a certificate of the drill's own.
    tls: ssl.SSLContext | bool = True

    @property
    def web_urls(self) -> tuple[str, ...]:
        return self.stack.web_urls

    def ask_sandbox(self, method: str, path: str, **json: Any) -> httpx.Response:
        return self.control.request(method, path, json=json or None)

    def knows_its_routers(self) -> bool:
        """Whether a phone at each router gets the portal's page: a router that polled before it was registered is unknown for a while."""
        for slug in self.routers:
            phone = self.ask_sandbox("POST", f"/_control/routers/{slug}/phones").raise_for_status().json()
            if httpx.get(phone["redirect_url"], timeout=10, trust_env=False, verify=self.tls).status_code != 200:
                return False
        return True

    def fault(self, service: str, **faults: Any) -> None:
        """Replace the faults of one outside service."""
        self.ask_sandbox("POST", "/_control/faults", service=service, **faults).raise_for_status()

    def faults_in_force(self) -> dict[str, Any]:
        return dict(self.ask_sandbox("GET", "/_control/faults").json())

    def calm(self) -> None:
        """All outside services behave again."""
        self.ask_sandbox("POST", "/_control/faults", clear=True).raise_for_status()

    def state(self) -> dict[str, Any]:
        return dict(self.ask_sandbox("GET", "/_control/state").json())

    def rows(self, query: str, **values: Any) -> list[Any]:
        """What the product's own database says."""
        engine = sa.create_engine(self.stack.environment["INET_DATABASE_URL"], poolclass=sa.NullPool)
        with engine.connect() as connection:
            return list(connection.execute(sa.text(query), values).mappings())

    def change(self, *statements: str) -> None:
        """Reach into the product's own database behind its back, in one transaction."""
        engine = sa.create_engine(self.stack.environment["INET_DATABASE_URL"], poolclass=sa.NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(sa.text(statement))

    def flush_redis(self) -> None:
        with redis.Redis.from_url(self.stack.environment["INET_REDIS_URL"]) as client:
            client.flushall()

    def kills(self) -> Counter[str]:
        """How often a process died at each boundary."""
        file = self.kill_file if self.kill_file.exists() else self._resting_file
        return Counter(file.read_text().split())

    def arm(self) -> None:
        """From now on web and workers kill themselves at their boundaries: while the file is there (app/failpoints.py)."""
        self._resting_file.rename(self.kill_file)

    def disarm(self) -> None:
        if self.kill_file.exists():
            self.kill_file.rename(self._resting_file)

    @property
    def _resting_file(self) -> Path:
        return self.kill_file.with_name("kills.resting")

    def kill(self, name: str, sig: int = signal.SIGKILL) -> None:
        self.stack.kill(name, sig)


@contextmanager
def running_world(*, seed: int, processes: int, kill_probability: float, plant: str | None, say: Callable[[str], None]) -> Iterator[World]:
    """The whole product with so many web processes and workers, and the sandbox; everything is gone afterwards."""
    environment = dict(BOUNDS, INET_SANDBOX_SEED=str(seed))
    if plant is not None:
        # Python imports this directory's sitecustomize in each of the product's processes; the product itself has no switch.
        environment |= {"PYTHONPATH": str(_PLANTS), "INET_DRILL_PLANT": plant}
    sandbox_port, port, *more = free_ports(1 + processes)
    with tempfile.TemporaryDirectory(prefix="drill-", ignore_cleanup_errors=True) as name, only_our_settings(Path(name)):
        directory = Path(name)
        directory.chmod(0o755)  # PostgreSQL runs as another user when we are root
        kill_file = directory / "kills"
        (directory / "kills.resting").touch()
        prepared.put_into(directory / "data" / "postgres")
        environment["INET_DRILL_KILL"] = f"{kill_probability}:{seed}:{kill_file}"
        stack = Stack(
            directory / "data",
            port,
            sandbox_port,
            workers=processes,
            extra_web_ports=more,
            triage=False,
            env=environment,
            max_restart_delay_seconds=0.2,
            say=say,
        )
        try:
            stack.start()
            with httpx.Client(
                base_url=f"http://127.0.0.1:{sandbox_port}", timeout=30, limits=httpx.Limits(keepalive_expiry=2), trust_env=False
            ) as control:
                world = World(stack, control, kill_file)
                world.routers = [router["slug"] for router in control.get("/_control/routers").json()]
                control.post("/_control/faults", json={"seed": seed}).raise_for_status()
                until(world.knows_its_routers, seconds=30, what="the portal knows its routers")
                yield world
        finally:
            stack.stop()


@contextmanager
def only_our_settings(directory: Path) -> Iterator[None]:
    """No INET_ variable and no `.env` of this machine reaches the product under drill."""
    held = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("INET_")}
    here = Path.cwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(here)
        os.environ.update(held)


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def until(condition: Callable[[], object], *, seconds: float, what: str) -> None:
    """Wait for something to become true. Raises TimeoutError that names it."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.1)
