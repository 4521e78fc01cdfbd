"""Starts what try_dockerfile.py has built, as compose.yaml would: read-only roots, one user without rights, a network of their own."""

from __future__ import annotations

import http.client
import os
import shlex
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dockerfile_steps as dockerfile

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))
USER = "10001"
NAME = "portal.test"
_LONG_ENOUGH_FOR_TCP = "s" * 100  # a path that no socket fits into: the servers then listen on ports, as in compose.yaml


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@dataclass
class Container:
    """One running image."""

    title: str
    process: subprocess.Popen[bytes]
    stop_signal: signal.Signals
    log: Path

    def stop(self) -> str:
        began = time.monotonic()
        self.process.send_signal(self.stop_signal)
        try:
            status = self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return f"{self.title}: had to be killed after 40 s"
        # Ended by the very signal, or with 0: both are how these programs end when asked to.
        asked = status in (0, -self.stop_signal)
        return f"{self.title}: {'ended' if asked else f'ended with status {status}'} in {time.monotonic() - began:.1f} s"


class Machine:
    """The built roots and what was started of them."""

    def __init__(self, work: Path, scratch: Path) -> None:
        _, stages = dockerfile.read(PROJECT / "Dockerfile")
        self._stages = {stage.name: stage for stage in stages}
        self._work, self._scratch = work, scratch
        self.data = scratch / "data"
        self.data.mkdir()
        os.chown(self.data, int(USER), int(USER))
        self.running: list[Container] = []

    def start(self, title: str, image: str, *arguments: str, env: Mapping[str, str], mounts: Mapping[Path, str] | None = None) -> Container:
        """Its ENTRYPOINT with the arguments, or with its CMD when there are none."""
        stage = self._stages[image]
        command = [*stage.command("ENTRYPOINT"), *(arguments or stage.command("CMD"))]
        log = self._scratch / f"{title}.log"
        process = self._confined(stage, command, env, mounts or {}, log)
        stop = signal.Signals[stage.last("STOPSIGNAL") or "SIGTERM"]
        self.running.append(Container(title, process, stop, log))
        return self.running[-1]

    def run(self, title: str, image: str, *command: str, env: Mapping[str, str]) -> int:
        """A command in a container of its own, to its end."""
        log = self._scratch / f"{title}.log"
        status = self._confined(self._stages[image], list(command), env, {}, log).wait(180)
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        say(f"  {shlex.join(command)}: status {status}{': ' + last[0] if last else ''}")
        return status

    def _confined(
        self, stage: dockerfile.Stage, command: Sequence[str], env: Mapping[str, str], mounts: Mapping[Path, str], log: Path
    ) -> subprocess.Popen[bytes]:
        root = self._work / stage.name
        own = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        for name in ("base", stage.name):
            for step in self._stages[name].steps:
                if step.word == "ENV":
                    own.update(dockerfile.pairs(step.rest, {**own, "INET_RELEASE": "tried"}))
        lines = [f"mount --bind {root} {root}", f"mount -o remount,bind,ro {root}", f"mount -t tmpfs tmpfs {root}/tmp"]
        lines += [f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev", f"mount -t tmpfs tmpfs {root}/dev/shm"]
        if stage.name == "inet":
            lines.append(f"mount --bind {self.data} {root}/var/lib/inet")
        for source, target in mounts.items():
            lines += [f"mkdir -p {root}{target}", f"mount --bind {source} {root}{target}"]
        words = ["env", "-i", *(f"{name}={value}" for name, value in {**own, **env}.items()), *command]
        drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
        lines.append("exec " + shlex.join(["chroot", str(root), *drop, *words]))
        script = "set -e\n" + "\n".join(lines)
        with log.open("wb") as output:
            # An engine gives a container's standard output to its user; programs open it anew by its name.
            os.fchown(output.fileno(), int(USER), int(USER))
            return subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", script], stdout=output, stderr=output)

    def until_healthy(self, container: Container, image: str, *check: str, env: Mapping[str, str]) -> float:
        """Seconds until the image's own HEALTHCHECK succeeds."""
        began = time.monotonic()
        words = self._stages[image].health_check()
        while True:
            if self._confined(self._stages[image], [*words, *check], env, {}, self._scratch / "health.log").wait() == 0:
                return time.monotonic() - began
            if container.process.poll() is not None or time.monotonic() - began > 400:
                sys.stderr.write(container.log.read_text(errors="replace")[-3000:])
                raise SystemExit(f"{container.title} does not get healthy")
            time.sleep(0.3)


@contextmanager
def servers(scratch: Path) -> Iterator[tuple[str, str]]:
    """PostgreSQL and Valkey on ports of this network, with passwords."""
    from app.embedded import EmbeddedPostgres, EmbeddedValkey

    place = scratch / _LONG_ENOUGH_FOR_TCP
    place.mkdir()
    postgres, valkey = EmbeddedPostgres(place / "pg"), EmbeddedValkey(place / "valkey")
    try:
        yield postgres.start(), valkey.start()
    finally:
        valkey.stop()
        postgres.stop()


def settings(database_url: str, redis_url: str) -> dict[str, str]:
    """A production that reaches nobody: names under .invalid belong to nobody."""
    return {
        "INET_DATABASE_URL": "postgresql+psycopg://" + database_url.split("://")[1].split("@")[0] + "@127.0.0.1:6432/inet",
        "INET_DATABASE_IS_POOLED": "1",
        "INET_DATABASE_DIRECT_URL": database_url,
        "INET_REDIS_URL": redis_url,
        "INET_PUBLIC_URL": f"https://{NAME}",
        "INET_SECRET_KEY": "tried-" * 8,
        "INET_WAVE_BASE_URL": "https://wave.invalid",
        "INET_WAVE_API_KEY": "tried-tried-tried",
        "INET_WAVE_WEBHOOK_SECRET": "tried-tried-tried",
        "INET_PORTABILLING_URL": "https://portabilling.invalid",
        "INET_PORTABILLING_USER": "inet",
        "INET_PORTABILLING_PASSWORD": "tried-tried-tried",
    }


def certificate(folder: Path) -> None:
    folder.mkdir()
    command = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={NAME}"
    command += f" -addext subjectAltName=DNS:{NAME} -keyout {folder}/key.pem -out {folder}/chain.pem"
    subprocess.run(shlex.split(command), check=True, capture_output=True)
    for name in ("key.pem", "chain.pem"):
        (folder / name).chmod(0o644)


def ask(path: str, *, tls: ssl.SSLContext | None) -> str:
    """`GET path` through nginx: the status, and where it leads if anywhere."""
    connection: http.client.HTTPConnection
    if tls is None:
        connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=20)
    else:
        connection = http.client.HTTPSConnection("127.0.0.1", 8443, timeout=20, context=tls)
    connection.request("GET", path, headers={"Host": NAME})
    answer = connection.getresponse()
    body = answer.read()
    leads = answer.getheader("Location")
    said = f": {body[:300].decode(errors='replace')}" if answer.status >= 500 else f", {len(body)} bytes"
    return f"{answer.status}{f' to {leads}' if leads else said}"


def family_megabytes(pid: int) -> int:
    """Memory of a process and its children, shared pages counted by their share."""
    import psutil

    top = psutil.Process(pid)
    return sum(one.memory_full_info().pss for one in (top, *top.children(recursive=True))) // (1 << 20)


def main(work: Path) -> None:
    subprocess.run(["mount", "-t", "proc", "proc", "/proc"], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.TemporaryDirectory(prefix="inet-started-", dir="/var/tmp", ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        certificate(scratch / "tls")
        with servers(scratch) as (database_url, redis_url):
            machine = Machine(work, scratch)
            try:
                _try(machine, settings(database_url, redis_url), scratch)
            finally:
                for container in reversed(machine.running):
                    say("  " + container.stop())


def _try(machine: Machine, env: dict[str, str], scratch: Path) -> None:
    say("Started as user 10001 on read-only roots:")
    pooler = machine.start("pgbouncer", "pgbouncer", env={"INET_DATABASE_DIRECT_URL": env["INET_DATABASE_DIRECT_URL"]})
    say(f"  pgbouncer: healthy after {machine.until_healthy(pooler, 'pgbouncer', env={}):.1f} s")
    if machine.run("migrate", "inet", "inet", "migrate", env=env):
        raise SystemExit((scratch / "migrate.log").read_text(errors="replace")[-3000:])
    machine.run("check", "inet", "inet", "migrate", "--check", env=env)
    web = machine.start("web", "inet", env={**env, "INET_ROLES": "portal,mobile,api"})
    console_env = {**env, "INET_ROLES": "console"}
    console = machine.start("console", "inet", "serve", "--port", "8001", env=console_env)
    figures = {"INET_METRICS_PORT": "9100"}
    worker = machine.start("worker", "inet", "worker", "urgent", "default", env={**env, **figures})
    scheduler = machine.start("scheduler", "inet", "scheduler", env={**env, "INET_METRICS_PORT": "9101"})
    triage = machine.start("triage", "inet", "worker", "triage", env=env)
    say(f"  web (two workers, the image's own command): healthy after {machine.until_healthy(web, 'inet', env=env):.1f} s")
    for container, url in (
        (console, "http://127.0.0.1:8001/healthz/live"),
        (worker, "http://127.0.0.1:9100/metrics"),
        (scheduler, "http://127.0.0.1:9101/metrics"),
    ):
        # The image's own check takes another address as its argument.
        say(f"  {container.title}: healthy after another {machine.until_healthy(container, 'inet', url, env=env):.1f} s")
    arguments = ["--name", NAME, "--web", "127.0.0.1:8000", "--console", "127.0.0.1:8001"]
    arguments += ["--certificate", "/tmp/tls/chain.pem", "--key", "/tmp/tls/key.pem"]
    proxy = machine.start("nginx", "nginx", *arguments, env={}, mounts={scratch / "tls": "/tmp/tls"})
    say(f"  nginx: healthy after {machine.until_healthy(proxy, 'nginx', env={}):.1f} s")
    trust = ssl.create_default_context(cafile=str(scratch / "tls" / "chain.pem"))
    trust.check_hostname = False  # it is asked by its address
    for path, tls in (
        ("/portal", None),
        ("/portal", trust),
        ("/api/portal/packages", trust),
        ("/healthz/ready", trust),
        ("/console/login", trust),
        ("/metrics", trust),
    ):
        began, tries, found = time.monotonic(), 1, ask(path, tls=tls)
        while found.startswith("503") and time.monotonic() - began < 30:
            time.sleep(1)
            tries, found = tries + 1, ask(path, tls=tls)
        say(f"  GET {'https' if tls else 'http '} {path}: {found}{f' (asked {tries} times)' if tries > 1 else ''}")
    machine.run(
        "written", "inet", "sh", "-c", "touch /opt/inet/here /etc/here /usr/here 2>/dev/null || echo the root cannot be written to", env={}
    )
    time.sleep(5)
    for container in (web, console, worker, scheduler, triage, pooler, proxy):
        state = f"{family_megabytes(container.process.pid)} MB" if container.process.poll() is None else "has ended!"
        say(f"  memory of {container.title}: {state}")
    say("Stopped, each by the signal that its image names:")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
