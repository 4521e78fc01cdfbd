"""All processes of the product, started in order and kept running; `inet up` and the drills drive it."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.children import DirectoryLock, StartRefused, family, kill_family, last_line
from app.embedded import EmbeddedPostgres, EmbeddedValkey
from app.queue import QUEUES
from app.supervisor import environment
from app.supervisor.checks import require_free_port
from app.supervisor.child import Child

_READY_SECONDS = 60.0
_STOP_SECONDS = 10.0
_WATCH_SECONDS = 0.1
_GIVE_UP_AFTER_DEATHS = 3  # a process that dies this often before it is ready will not get ready
# Loading the triage's model and reading takes seconds of CPU: in a process of its own it holds up no payment.
_PROMPT = tuple(queue for queue in QUEUES if queue != "triage")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy to our own processes


class Interrupted(Exception):
    """The start was asked to stop half-way."""


def _silent(_: str) -> None:
    """For tests and drills, which do not read along."""


class Stack:
    """One running product. Processes are named `postgres`, `valkey`, `sandbox`, `web`, `web-2`…, `worker`, `worker-2`…, `triage`,
    `scheduler`.

    `env` overrides the environment. `extra_web_ports` adds web processes, each on its own port of `host`. Without `triage` tickets wait to
    be read: that process takes seconds of CPU to start.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int = 8080,
        sandbox_port: int = 8090,
        *,
        host: str = "127.0.0.1",
        sandbox: bool = True,
        demo: bool = True,
        workers: int = 1,
        extra_web_ports: Sequence[int] = (),
        scheduler: bool = True,
        triage: bool = True,
        env: Mapping[str, str] | None = None,
        durable: bool = True,
        max_restart_delay_seconds: float = 5.0,
        say: Callable[[str], None] = _silent,
    ) -> None:
        self.data_dir = data_dir.resolve()
        self.host = host
        self.url = f"http://{environment.reachable(host)}:{port}"
        self.web_urls = (self.url, *(f"http://{environment.reachable(host)}:{extra}" for extra in extra_web_ports))
        self._settings = environment.configured(env or {})
        self.is_demo = environment.is_demo(self._settings)
        self.sandbox_url = f"http://127.0.0.1:{sandbox_port}" if sandbox and self.is_demo else None
        self.environment: dict[str, str] = {}
        self._web_ports = (port, *extra_web_ports)
        self._sandbox_port = sandbox_port
        self._load_demo = demo and self.is_demo
        self._workers = workers
        self._with_scheduler, self._with_triage = scheduler, triage and bool(workers)
        self._durable = durable
        self._max_delay = max_restart_delay_seconds
        self._say = say
        self._lock = DirectoryLock(self.data_dir)
        self._postgres: EmbeddedPostgres | None = None
        self._valkey: EmbeddedValkey | None = None
        self._children: dict[str, Child] = {}
        self._guard = threading.RLock()
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None

    # Starting

    def start(self) -> None:
        """Start everything and return when the web process is ready. Raises StartRefused (nothing is left running then)."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        self._lock.acquire()
        for port in self._web_ports:
            require_free_port(self.host, port, option="--port")
        if self.sandbox_url is not None:
            require_free_port("127.0.0.1", self._sandbox_port, option="--sandbox-port")
        (self.data_dir / "log").mkdir(exist_ok=True)
        environment.forget_figures(self.data_dir)
        self._start_servers()
        public_url = self._settings.get("INET_PUBLIC_URL", self.url)
        self.environment = environment.for_children(
            self._settings, data_dir=self.data_dir, public_url=public_url, sandbox_url=self.sandbox_url
        )
        if self.sandbox_url is not None:  # comes up while the tables are made
            directory = str(self.data_dir / "sandbox")
            self._launch("sandbox", "sandbox", "--port", str(self._sandbox_port), "--data-dir", directory)
        self._run_task("Tables", "migrate")
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._watcher.start()
        self._launch_product()
        if self.sandbox_url is not None:
            self._await("sandbox", self.sandbox_url + "/_control/state", "Sandbox")
        if self._load_demo:
            self._run_task("Demo data", "demo", "load", *(["--sandbox-url", self.sandbox_url] if self.sandbox_url else []))
        for name, url in zip(self._web_names(), self.web_urls, strict=True):
            self._await(name, url + "/healthz/ready", "Web" if name == "web" else name)
        environment.announce(self.data_dir, self.environment)

    def _start_servers(self) -> None:
        with ThreadPoolExecutor(2) as pool:
            postgres = pool.submit(self._start_postgres)
            valkey = pool.submit(self._start_valkey)
        self._settings["INET_DATABASE_URL"], self._settings["INET_REDIS_URL"] = postgres.result(), valkey.result()
        self._check_interrupt()

    def _start_postgres(self) -> str:
        if url := self._settings.get("INET_DATABASE_URL"):
            self._say("PostgreSQL   the one that INET_DATABASE_URL names")
            return url
        self._postgres = EmbeddedPostgres(self.data_dir / "postgres", durable=self._durable)
        return self._timed("PostgreSQL", self._postgres.start)

    def _start_valkey(self) -> str:
        if url := self._settings.get("INET_REDIS_URL"):
            self._say("Valkey       the one that INET_REDIS_URL names")
            return url
        self._valkey = EmbeddedValkey(self.data_dir / "valkey")
        return self._timed("Valkey", self._valkey.start)

    def _timed(self, title: str, start: Callable[[], str]) -> str:
        began = time.monotonic()
        result = start()
        self._say(f"{title:<12} ready in {time.monotonic() - began:.1f} s")
        return result

    def _web_names(self) -> list[str]:
        return _numbered("web", len(self._web_ports))

    def _launch_product(self) -> None:
        for name, port in zip(self._web_names(), self._web_ports, strict=True):
            self._launch(name, "serve", "--host", self.host, "--port", str(port))
        for name in _numbered("worker", self._workers):
            self._launch(name, "worker", *_PROMPT)
        if self._with_triage:
            self._launch("triage", "worker", "triage")
        if self._with_scheduler:
            self._launch("scheduler", "scheduler")

    def _launch(self, name: str, *arguments: str) -> None:
        with self._guard:
            self._check_interrupt()
            child = self._child(name, *arguments)
            self._children[name] = child
            child.start()

    def _child(self, name: str, *arguments: str) -> Child:
        return Child(
            name,
            list(arguments),
            env=self.environment,
            log_dir=self.data_dir / "log",
            say=self._say,
            max_delay_seconds=self._max_delay,
        )

    def _run_task(self, title: str, *arguments: str) -> None:
        """Run one `inet` command to its end. Raises StartRefused with its last line when it fails."""
        began = time.monotonic()
        child = self._child(arguments[0], *arguments)
        child.start()
        try:
            while (status := child.status) is None:
                self._pause()
        finally:
            child.end(time.monotonic())
        if status != 0:
            raise StartRefused(f"{title}: {last_line(child.log_path) or f'ended with status {status}'} (log: {child.log_path})")
        self._say(f"{title:<12} ready in {time.monotonic() - began:.1f} s")

    def _await(self, name: str, url: str, title: str) -> None:
        began = time.monotonic()
        child = self._children[name]
        while not _answers(url):
            if child.deaths >= _GIVE_UP_AFTER_DEATHS or time.monotonic() - began > _READY_SECONDS:
                raise StartRefused(f"{title} does not get ready: {last_line(child.log_path)[:300]} (log: {child.log_path})")
            self._pause()
        self._say(f"{title:<12} ready in {time.monotonic() - child.launched_at:.1f} s")

    def _pause(self) -> None:
        self._stopping.wait(0.05)
        self._check_interrupt()

    def _check_interrupt(self) -> None:
        if self._stopping.is_set():
            raise Interrupted

    # Running

    def _watch(self) -> None:
        while not self._stopping.wait(_WATCH_SECONDS):
            with self._guard:
                if self._stopping.is_set():
                    return
                for child in self._children.values():
                    child.watch()
                for server in (self._postgres, self._valkey):
                    if server is not None and server.pid is None:
                        self._say(f"{server.title} ended; starting it again (log: {server.log_path})")
                        try:
                            server.restart()
                        except StartRefused as refusal:
                            self._say(str(refusal))

    def pids(self, name: str) -> tuple[int, ...]:
        """The process of that name first, then all it has started; empty while it is down."""
        if name in ("postgres", "valkey"):
            server = self._server(name)
            return tuple(family(server.pid)) if server.pid is not None else ()
        return self._children[name].pids

    def pids_left(self) -> tuple[int, ...]:
        """Every process of this stack that runs now."""
        ours = [child.pids for child in list(self._children.values())]
        servers = [tuple(family(server.pid)) for server in (self._postgres, self._valkey) if server is not None and server.pid]
        return tuple(pid for group in (*ours, *servers) for pid in group)

    def kill(self, name: str, sig: int = signal.SIGKILL) -> None:
        """Send `sig` to a process and all it has started; the watcher starts it again."""
        if name in ("postgres", "valkey"):
            for pid in self.pids(name)[:1]:
                os.kill(pid, sig)
        else:
            self._children[name].kill(sig)

    def restart_postgres(self) -> None:
        """Restart the embedded PostgreSQL cleanly while everything else runs on; returns when it answers again."""
        with self._guard:
            self._server("postgres").restart()

    def restart_valkey(self) -> None:
        with self._guard:
            self._server("valkey").restart()

    def _server(self, name: str) -> EmbeddedPostgres | EmbeddedValkey:
        server = self._postgres if name == "postgres" else self._valkey
        if server is None:
            raise LookupError(f"{name} is not embedded in this stack")
        return server

    # Stopping

    def request_stop(self) -> None:
        """From a signal handler: makes a start that is under way give up, and ends the restarts."""
        self._stopping.set()

    def stop(self) -> None:
        """Stop everything in order, within about 10 s for our own processes; leaves nothing running. Safe to call twice."""
        self._stopping.set()
        with self._guard:
            for child in self._children.values():
                child.tell_to_stop()
            deadline = time.monotonic() + _STOP_SECONDS
            for child in self._children.values():
                child.end(deadline)
            self._children.clear()
            for server in (self._valkey, self._postgres):
                if server is not None:
                    server.stop()
        if self._watcher is not None:
            self._watcher.join()
        if self._lock.held:
            environment.withdraw(self.data_dir)
            self._lock.release()

    def kill_all(self) -> None:
        """End everything at once, for the second Ctrl-C; a `stop` that is under way then finishes quickly."""
        for child in list(self._children.values()):
            child.kill(signal.SIGKILL)
        for server in (self._valkey, self._postgres):
            if server is not None and server.pid is not None:
                kill_family(server.pid)


def _numbered(name: str, count: int) -> list[str]:
    return [name if number == 1 else f"{name}-{number}" for number in range(1, count + 1)]


def _answers(url: str) -> bool:
    try:
        with _DIRECT.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, http.client.HTTPException):
        return False
