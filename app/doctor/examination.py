"""The examination: one finding after the other, each with one line of advice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from app.clock import utc_now
from app.doctor import machine, pooler
from app.settings import SettingsError, get_settings
from services.operations.health.parts import BY_NAME, POSTGRESQL, TABLES
from services.operations.health.reading import Ground, Reading, down, well


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `said` is what was found; `advice` what to do, empty when all is well. Neither carries a secret."""

    subject: str
    ok: bool
    said: str
    advice: str = ""
    took_ms: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


Probe = Callable[[], Reading]


def examine() -> Iterator[Finding]:
    """Look at everything. A wrong setting ends the examination, since nothing else could be trusted."""
    try:
        settings = get_settings()
        settings.check()
    except SettingsError as error:
        yield Finding("Settings", False, str(error), "Set it in the environment or in .env, then run `inet doctor` again.")
        return
    yield Finding("Settings", True, f"complete for {settings.env}")
    ground = Ground(settings, utc_now())
    database = _finding("PostgreSQL", lambda: _of_part(POSTGRESQL, ground))
    yield database
    asked = _probes(ground, has_database=database.ok)
    with ThreadPoolExecutor(max_workers=len(asked)) as threads:
        # Asked at once and told in order: what waits for a time-out waits beside the others.
        yield from threads.map(lambda name: _finding(name, asked[name]), asked)


def _probes(ground: Ground, *, has_database: bool) -> dict[str, Probe]:
    settings = ground.settings
    of_database: dict[str, Probe] = {
        "Tables": lambda: tables(ground),
        "Pooler": lambda: pooler.pooler(settings),
        "Workers": lambda: _of_part("workers", ground),
        "Scheduler": lambda: _of_part("scheduler", ground),
        "Back-ups": lambda: _of_part("backups", ground),
    }
    return (
        (of_database if has_database else {})
        | {BY_NAME[name].title: _asking(name, ground) for name in ("redis", "queues", "clock", "files")}
        | {"Logs": lambda: machine.logs(settings), "Metrics": lambda: machine.metrics(settings)}
        | {BY_NAME[name].title: _asking(name, ground) for name in ("wave", "portabilling", "openwisp")}
        | {"SMS": lambda: _of_part("sms", ground)}
        | {BY_NAME[name].title: _asking(name, ground) for name in ("push", "mail", "mailbox", "ai")}
        | {"Address": lambda: machine.public_address(settings), "Secrets": lambda: machine.secrets(settings)}
        | (
            {"Certificate": _asking("certificate", ground), "Proxy": machine.trusted_proxy}
            if settings.public_url.startswith("https:")
            else {}
        )
        | ({"Sandbox": lambda: machine.sandbox(settings)} if settings.env == "production" else {})
    )


def _asking(name: str, ground: Ground) -> Probe:
    return lambda: _of_part(name, ground)


def _of_part(name: str, ground: Ground) -> Reading:
    return BY_NAME[name].probe(ground)


def _finding(subject: str, probe: Probe) -> Finding:
    started = time.perf_counter()
    try:
        reading = probe()
    except Exception as error:  # the other findings are wanted all the more
        reading = down(f"could not be looked at ({type(error).__name__})", "Tell who maintains INET: this probe itself broke.")
    return Finding(subject, reading.ok, reading.said, reading.advice, int((time.perf_counter() - started) * 1000))


def tables(ground: Ground) -> Reading:
    """The migrations first; where these have run, every column and index is compared as well."""
    from app.migrate import check

    reading = _of_part(TABLES, ground)
    if not reading.ok:
        return reading
    differences = check()
    if differences:
        return down(f"{len(differences)} differences from this release", "Run `inet migrate`; `inet migrate --check` lists them.")
    return well("as this release needs them")
