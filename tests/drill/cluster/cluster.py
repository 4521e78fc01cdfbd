"""The whole product as a cluster: which parts there are, how they find each other, and how they start."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import redis

from app.supervisor import environment
from tests.drill.cluster import network
from tests.drill.cluster.edge import WEB_PORT, Certificate, Nginx, PgBouncer
from tests.drill.cluster.network import Host
from tests.drill.cluster.parts import Part, http_answers
from tests.drill.cluster.servers import Postgres, Valkey
from tests.drill.world import BOUNDS

_PROJECT = Path(__file__).parents[3]
_HOSTS = {
    "nginx": 10,
    "web-1": 21,
    "web-2": 22,
    "console-1": 31,
    "console-2": 32,
    "worker-1": 41,
    "worker-2": 42,
    "scheduler-1": 51,
    "scheduler-2": 52,
    "pgbouncer": 60,
    "postgres": 61,
    "valkey": 62,
    "sandbox": 70,
}
APPLICATION = tuple(name for name in _HOSTS if name.startswith(("web", "console", "worker", "scheduler")))
_SANDBOX_PORT = 8090
# Of Gunicorn, in each of the two web hosts.
_WORKERS = 2
# Triage needs seconds of CPU to start and moves no money.
_QUEUES = ("urgent", "default", "bulk")


class Cluster:
    """Hosts and parts by name. `environment` is the drill's own way to the servers, which no cut touches (tests/drill/world.py)."""

    def __init__(self, directory: Path, *, seed: int, settings: Mapping[str, str], say: Callable[[str], None]) -> None:
        self.directory, self._say = directory, say
        self._seed = seed
        self.log_dir = directory / "log"
        self.log_dir.mkdir()
        self.hosts = {name: Host(name, number) for name, number in _HOSTS.items()}
        self.parts: dict[str, Part] = {}
        self._settings = dict(settings)
        self.public_url = f"https://{self.hosts['nginx'].address}"
        self.certificate = Certificate(self.hosts["nginx"].address, directory / "tls")
        self.control_url = ""
        self.environment: dict[str, str] = {}
        self.inside: dict[str, str] = {}

    @property
    def web_urls(self) -> tuple[str, ...]:
        return (self.public_url,)

    def kill(self, name: str, sig: int = signal.SIGKILL) -> None:
        """Nobody watches over the parts of a cluster but the drill: what it kills, it starts again."""
        self.parts[name].signal(signal.Signals(sig))

    def restart_postgres(self) -> None:
        self.parts["postgres"].stop()
        self.parts["postgres"].start()
        self.parts["postgres"].await_ready()

    def empty_valkey(self) -> None:
        """FLUSHALL, past every network."""
        with redis.Redis.from_url(self.environment["INET_REDIS_URL"]) as client:
            client.flushall()

    # Starting

    def start(self) -> None:
        """Raises StartRefused, naming the part."""
        network.lay(list(self.hosts.values()))
        self.control_url = f"http://{network.side_door(self.hosts['sandbox'])}:{_SANDBOX_PORT}"
        postgres = Postgres(self.hosts["postgres"], self.directory / "postgres", log_dir=self.log_dir)
        valkey = Valkey(self.hosts["valkey"], self.directory / "valkey", log_dir=self.log_dir)
        self._start(postgres, valkey)
        postgres.create("inet")
        pooler = PgBouncer(self.hosts["pgbouncer"], postgres, self.directory / "pgbouncer", log_dir=self.log_dir)
        self.environment = {"INET_DATABASE_URL": postgres.socket_url, "INET_REDIS_URL": valkey.socket_url}
        self.inside = self._environment(postgres, valkey, pooler)
        self._start(pooler, self._sandbox())
        self.run_inet("web-1", "migrate")
        self._start(*(self._process(name) for name in APPLICATION))
        self.run_inet("web-1", "demo", "load", "--sandbox-url", self._sandbox_url)
        self._start(Nginx(self.hosts, self.directory / "nginx", self.certificate, log_dir=self.log_dir))

    def _start(self, *parts: Part) -> None:
        for part in parts:
            self.parts[part.name] = part
            part.start()
        with ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(lambda part: part.await_ready(), parts))
        self._say(f"ready: {', '.join(part.name for part in parts)}")

    def stop(self) -> None:
        """Everything, at once where it does not matter any more. The namespaces end with the drill's own process."""
        for part in self.parts.values():
            part.kill()

    @property
    def _sandbox_url(self) -> str:
        return f"http://{self.hosts['sandbox'].address}:{_SANDBOX_PORT}"

    def _environment(self, postgres: Postgres, valkey: Valkey, pooler: PgBouncer) -> dict[str, str]:
        settings = {
            **BOUNDS,
            "INET_DATABASE_URL": pooler.url,
            "INET_DATABASE_IS_POOLED": "1",
            "INET_DATABASE_DIRECT_URL": postgres.url,
            "INET_REDIS_URL": valkey.url,
            "INET_SANDBOX_SEED": str(self._seed),
            "INET_SANDBOX_HOST": "0.0.0.0",
            # The sandbox's mail server has no TLS, and without it mail goes to this machine alone; tests/drill/mail.py is for mail.
            "INET_SANDBOX_IMAP_PORT": "0",
            "INET_SANDBOX_SMTP_PORT": "0",
            "INET_IMAP_URL": "",
            "INET_EMAIL_URL": "",
            **self._settings,
        }
        made = environment.for_children(
            settings, data_dir=self.directory / "data", public_url=self.public_url, sandbox_url=self._sandbox_url
        )
        # Routers and Wave call the product through nginx, and must believe its certificate.
        own = {"SSL_CERT_FILE": str(self.certificate.chain), "FORWARDED_ALLOW_IPS": self.hosts["nginx"].address}
        return {"PATH": os.environ["PATH"]} | own | made

    def _sandbox(self) -> Part:
        command = _inet("sandbox", "--host", "0.0.0.0", "--port", str(_SANDBOX_PORT), "--data-dir", str(self.directory / "sandbox"))
        ready = http_answers(f"{self.control_url}/_control/faults")
        return Part(self.hosts["sandbox"], command, log_dir=self.log_dir, env=self.inside, cwd=self.directory, answers=ready)

    def _process(self, name: str) -> Part:
        host, kind = self.hosts[name], name.partition("-")[0]
        commands = {
            "web": _inet("serve", "--host", host.address, "--port", str(WEB_PORT), "--workers", str(_WORKERS)),
            "console": _inet("serve", "--host", host.address, "--port", str(WEB_PORT)),
            "worker": _inet("worker", *_QUEUES),
            "scheduler": _inet("scheduler"),
        }
        roles = "console,api" if kind == "console" else "portal,mobile,api"
        answers = http_answers(f"http://{host.address}:{WEB_PORT}/healthz/ready") if kind in ("web", "console") else None
        env = self.inside | {"INET_ROLES": roles}
        return Part(host, commands[kind], log_dir=self.log_dir, env=env, cwd=self.directory, answers=answers)

    # Commands

    def run_inet(self, where: str, *arguments: str, env: Mapping[str, str] | None = None, seconds: float = 180) -> str:
        """One `inet` command on a host of the cluster, to its end; answers what it printed. Raises RuntimeError with its last words."""
        return self.run(where, *_inet(*arguments), env=env, seconds=seconds)

    def run(self, where: str, *command: str, env: Mapping[str, str] | None = None, seconds: float = 180) -> str:
        """Any command, in the same way."""
        finished = subprocess.run(
            self.hosts[where].command(*command),
            env=self.inside | dict(env or {}),
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if finished.returncode:
            raise RuntimeError(f"{' '.join(command[-4:])}: {(finished.stderr + finished.stdout).strip()[-500:]}")
        return finished.stdout


@contextlib.contextmanager
def running_cluster(directory: Path, *, seed: int, settings: Mapping[str, str], say: Callable[[str], None]) -> Iterator[Cluster]:
    (directory / "data").mkdir()
    cluster = Cluster(directory, seed=seed, settings=settings, say=say)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def _inet(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "app.cli", *arguments]
