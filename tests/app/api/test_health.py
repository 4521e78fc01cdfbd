"""What strangers are told of health, what staff with the right is, and that a process that was told to stop is not ready."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta

import sqlalchemy as sa

from app import draining
from app.clock import utc_now
from app.db import transaction
from services.accounts.models import Role
from services.operations.health.parts import BY_NAME
from services.operations.health.reading import down, well
from services.operations.health.rounds import Probed, keep
from tests.app.api.asking import Api, refusal

SECRET_WORDS = "db-7.internal:5432 refused inet's password"


def bad_wave() -> None:
    now = utc_now()
    with transaction() as session:
        for minutes in (2, 1):
            keep(session, [Probed(BY_NAME["wave"], down(SECRET_WORDS, "Ask them."), 40)], now=now - timedelta(minutes=minutes))
        keep(session, [Probed(BY_NAME["files"], well("/srv/inet on host-9"), None)], now=now)


def test_strangers_see_states_and_times_and_no_word_of_ours(api: Api) -> None:
    bad_wave()
    answer = api.http.get("/health")
    told = {check["name"]: check for check in answer.json()["checks"]}
    assert {"postgresql", "redis", "wave", "portabilling", "sms", "workers", "inet"} <= set(told)
    assert not {"files", "clock", "queues", "backups", "tables"} & set(told)
    for words in (SECRET_WORDS, "internal", "/srv/inet", "host-9", "inet worker", "INET_"):
        assert words not in answer.text
    assert api.http.get("/healthz/live").json() == {"status": "ok"}
    ready = api.http.get("/healthz/ready")
    assert (ready.status_code, ready.json()["checks"]) == (200, {"postgresql": "ok", "tables": "ok", "redis": "ok", "draining": "ok"})


def test_staff_with_the_right_see_all_of_it(api: Api) -> None:
    bad_wave()
    root = api.staff(Role.ROOT)
    found = api.get("/api/v1/health", root)
    wave = next(part for part in found["parts"] if part["name"] == "wave")
    assert (wave["state"], wave["said"], wave["advice"], wave["latency_ms"]) == ("down", SECRET_WORDS, "Ask them.", 40)
    assert wave["since"] is not None
    assert set(BY_NAME) < {part["name"] for part in found["parts"]}
    past = api.get("/api/v1/health/history", root, part="wave", range="week")
    assert past["bucket_seconds"] == 7200
    assert [part["part"] for part in past["parts"]] == ["wave"]
    assert past["parts"][0]["uptime"] == 0
    refusal(api.http.get("/api/v1/health", headers=api.staff(Role.CUSTOMER_CARE)), 403, "forbidden")
    refusal(api.http.get("/api/v1/health/history?range=year", headers=root), 422)


_STORY = """
import asyncio, os, signal
import httpx
from app.main import plain_app

async def story():
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append("server"))  # as uvicorn does before the application starts
    app = plain_app(("portal",))
    async with app.router.lifespan_context(app):
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")
        before = (await http.get("/healthz/ready")).status_code
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(0)
        after = await http.get("/healthz/ready")
        live = (await http.get("/healthz/live")).status_code
    print(before, after.status_code, after.json()["checks"]["draining"], live, told)

asyncio.run(story())
"""


def test_who_was_told_to_stop_is_live_and_not_ready(database: sa.Engine) -> None:
    ended = subprocess.run([sys.executable, "-c", _STORY], capture_output=True, text=True, check=False, timeout=60)
    assert ended.stdout.strip().splitlines()[-1:] == ["200 503 down 200 ['server']"], ended.stderr[-2000:]


def test_without_a_handler_of_a_server_a_signal_is_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with draining.watching():
        assert signal.getsignal(signal.SIGTERM) is before or callable(before)
    assert signal.getsignal(signal.SIGTERM) is before
    assert not draining.is_on()
