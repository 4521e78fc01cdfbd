"""The drill of messages: providers down, answers lost, reports late and doubled, workers killed (`python -m tests.drill.notifications`).

Afterwards what the product says of each message is compared with what the sandbox got: none lost, none twice, every end named. Time runs
sixty times as fast for the workers, so that hours of trying again pass in minutes. DRILL_SEED and DRILL_MESSAGES choose.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from sqlmodel import Session, col, select

import app.tables  # noqa: F401 - a worker relates tables that it never reads
from app.db import transaction
from app.keys import unseal
from services.accounts.customers import find_or_create_customer
from services.integrations.clients import outside
from services.notifications import Recipient, outbox, pushes, reports, tell
from services.notifications.models import Medium, Notification, NotificationState
from services.notifications.service import BODY
from tests.conftest import free_port
from tests.drill.alone import own_folder, servers
from tests.portal.served import web_process

SPEED = 60.0
_HOURS_BEFORE = timedelta(hours=6)
_PHASE_SECONDS, _SETTLE_SECONDS = 1.5, 60.0
_PEOPLE, _WORKERS = 12, 2
_ROOT = Path(__file__).parents[2]
_DOWN: dict[str, Any] = {"down": True}
_LOST: dict[str, Any] = {"drop_response_rate": 0.4, "latency_ms": 40}
_SICK: dict[str, Any] = {"error_rate": 0.5, "error_statuses": [429, 500, 502, 503], "latency_ms": 40}
_ODD_REPORTS: dict[str, Any] = {"duplicate_webhook_rate": 0.5, "lose_webhook_rate": 0.1, "reorder_webhooks": 0.5, "webhook_delay_ms": 200}
# What is wrong with texts and with pushes, one phase after the other; the seed shuffles.
_PHASES: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    (_ODD_REPORTS, {}),
    (_DOWN, {}),
    (_LOST | _ODD_REPORTS, _LOST),
    (_SICK, _SICK),
    ({"latency_ms": 60}, _DOWN),
    ({"truncate_rate": 0.4, "latency_ms": 40}, {"truncate_rate": 0.4}),
)
S = NotificationState


@dataclass
class Found:
    """`lost`: said to be sent and never got; `doubled`: got twice; `stuck`: still on its way; `nameless`: ended without a word why."""

    seed: int
    messages: int
    states: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    reports: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    nameless: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.stuck or self.nameless)

    def row(self) -> dict[str, object]:
        counts = {"lost": len(self.lost), "doubled": len(self.doubled), "stuck": len(self.stuck) + len(self.nameless)}
        return {"name": "notifications", "seed": self.seed, "runs": self.messages, **counts, "ok": self.is_good}


def fast(started: float) -> datetime:
    """The workers' time: sixty times as fast, from some hours ago, so that it never overtakes the real one."""
    return datetime.fromtimestamp(started, UTC) - _HOURS_BEFORE + timedelta(seconds=(time.time() - started) * SPEED)


def work(started: float) -> None:
    """What workers and the sweep do, until killed."""

    def clock() -> datetime:
        return fast(started)

    while True:
        with transaction() as session:
            due = session.exec(
                select(Notification.id)
                .where(col(Notification.next_attempt_at) <= clock(), Notification.state == S.QUEUED, Notification.medium == Medium.SMS)
                .order_by(sa.func.random())
                .limit(5)
            ).all()
        for message_id in due:
            outbox.send(transaction, message_id or 0, outside(), clock=clock)
        pushed = pushes.send_due(transaction, outside(), clock=clock)
        with transaction() as session:
            _end_the_dead(session, clock())
            matched = reports.match_waiting(session, now=clock())
        # While everything waits for its next try there is nobody to be killed at work, and looking costs most of a processor.
        time.sleep(0.02 if due or pushed or matched else 0.1)


def nurse(started: float, seed: int) -> None:
    """Keeps workers at work, and kills one by SIGKILL every now and then until it is told to let them live (SIGUSR1)."""
    chance = random.Random(seed)
    is_over = False

    def let_live(*_: object) -> None:
        nonlocal is_over
        is_over = True

    def end(*_: object) -> None:
        for child in children:
            os.kill(child, signal.SIGKILL)
        os._exit(0)

    signal.signal(signal.SIGUSR1, let_live)
    children = [_born(started) for _ in range(_WORKERS)]
    signal.signal(signal.SIGTERM, end)
    while True:
        time.sleep(chance.uniform(0.15, 0.8))
        if is_over:
            signal.pause()
        else:
            victim = children.pop(0)
            os.kill(victim, signal.SIGKILL)
            os.waitpid(victim, 0)
            children.append(_born(started))
            print("killed", flush=True)


def _born(started: float) -> int:
    """Forked before it has any connection: a new interpreter would take seconds to be ready to die."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            work(started)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return child


def _end_the_dead(session: Session, now: datetime) -> None:
    """The sweep; nobody hears its rings here, so what it puts off is due again at once."""
    outbox.ring_due(session, now=now)
    session.info.pop("after_commit", None)
    session.execute(
        sa.update(Notification)
        .where(col(Notification.state) == S.QUEUED, col(Notification.next_attempt_at) == now + outbox.LEASE)
        .values(next_attempt_at=now)
    )


class Drill:
    """Servers, settings and the sandbox are there already; `report_url` is where the product takes delivery reports."""

    def __init__(self, *, seed: int, messages: int, sandbox_url: str, report_url: str) -> None:
        self._chance = random.Random(seed)
        self._found = Found(seed, messages)
        self._sandbox = httpx.Client(base_url=sandbox_url, timeout=10, trust_env=False)
        self._report_url = report_url
        self._started = time.time()

    def run(self) -> Found:
        self._order("sms/mode", report_url=self._report_url, report_other_form=True)
        self._order("push/mode", receipts_after_seconds=0)
        with transaction() as session:
            self._make_people(session)
        try:
            self._start_workers()
            self._phases()
            self._settle()
        finally:
            self._end_workers()
            self._order("faults", clear=True)
        self._compare()
        self._sandbox.close()
        return self._found

    def _phases(self) -> None:
        phases = list(_PHASES)
        self._chance.shuffle(phases)
        each = -(-self._found.messages // len(phases))
        for number, (texts, pushing) in enumerate(phases):
            self._order("faults", clear=True)
            for service, faults in (("sms", texts), ("push", pushing)):
                if faults:
                    self._order("faults", service=service, **faults)
            self._tell(range(number * each, min((number + 1) * each, self._found.messages)))
            time.sleep(_PHASE_SECONDS)

    def _settle(self) -> None:
        self._order("faults", clear=True)
        self._nurse.send_signal(signal.SIGUSR1)
        until = time.time() + _SETTLE_SECONDS
        while time.time() < until:
            with transaction() as session:
                left = session.exec(select(Notification.id).where(col(Notification.state).in_((S.QUEUED, S.SENDING)))).all()
            if not left:
                return
            time.sleep(0.3)

    def _tell(self, numbers: range) -> None:
        """A text each, a push beside it for those who have the app; each says its own number."""
        for number in numbers:
            event = "one_time_code" if number % 10 == 0 else "ticket_reply"
            values = {"reference": f"D-{number}", "text": "x", "code": f"D-{number}", "minutes": 5}
            with transaction() as session:
                to = Recipient(customer_id=self._people[number % _PEOPLE])
                for _ in range(2):  # the same news twice is told once
                    tell(session, event=event, to=to, values=values, dedupe_key=f"drill:{number}", now=fast(self._started))
                session.info.pop("after_commit", None)

    def _make_people(self, session: Session) -> None:
        self._people = []
        for number in range(_PEOPLE):
            customer = find_or_create_customer(session, phone=f"+22083300{number:04}", now=fast(self._started))
            assert customer.id is not None
            self._people.append(customer.id)
            if number % 2:
                pushes.register(session, token=f"ExponentPushToken[d{number}]", customer_id=customer.id, now=fast(self._started))
        self._sandbox.post("/_control/push/phone", json={"token": "ExponentPushToken[d1]", "receipt": "DeviceNotRegistered"})

    def _start_workers(self) -> None:
        command = [sys.executable, "-m", "tests.drill.notifications", "nurse", repr(self._started), str(self._found.seed)]
        inherited = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        environment = inherited | {"INET_LOG_LEVEL": "ERROR"}
        self._nurse = subprocess.Popen(command, env=environment, cwd=_ROOT, stdout=subprocess.PIPE, text=True)
        assert self._nurse.stdout is not None
        self._nurse.stdout.readline()  # the first death: they are at work

    def _end_workers(self) -> None:
        self._nurse.terminate()
        printed, _ = self._nurse.communicate()
        self._found.kills = 1 + printed.count("killed")

    def _order(self, path: str, **body: Any) -> None:
        self._sandbox.post(f"/_control/{path}", json=body).raise_for_status()

    def _compare(self) -> None:
        state = self._sandbox.get("/_control/state").json()
        texts = Counter(sms["message"] for sms in state["sms"])
        got_pushes = Counter(push["data"]["notification_id"] for push in state["pushes"])
        self._found.doubled += [f"{count} times: {text}" for text, count in (texts + got_pushes).items() if count > 1]
        with transaction() as session:
            self._found.reports = reports.match_waiting(session, now=datetime.now(UTC) + timedelta(minutes=4))
            messages = session.exec(select(Notification).where(Notification.medium != Medium.BELL)).all()
            for message in messages:
                self._judge(message, texts, got_pushes)
        missing = self._found.messages - sum(message.medium is Medium.SMS for message in messages)
        self._found.lost += [f"{missing} were never written"] * bool(missing)

    def _judge(self, message: Notification, texts: Counter[str], got_pushes: Counter[str]) -> None:
        self._found.states[f"{message.medium.value} {message.state.value}"] += 1
        words = unseal(BODY, message.body_sealed).decode()
        got = texts[words] if message.medium is Medium.SMS else got_pushes[f"n-{message.id}"]
        name = f"{message.dedupe_key} {message.state.value}"
        if message.state in (S.SENT, S.DELIVERED) and not got:
            self._found.lost.append(name)
        elif message.state in (S.QUEUED, S.SENDING):
            self._found.stuck.append(name)
        elif message.state in (S.UNKNOWN, S.FAILED, S.SUPPRESSED) and not message.error:
            self._found.nameless.append(name)


def environment_of(sandbox_url: str) -> dict[str, str]:
    """The settings by which this process and its children send to the sandbox."""
    return {
        "INET_WAVE_BASE_URL": sandbox_url,
        "INET_PORTABILLING_URL": sandbox_url,
        "INET_PORTABILLING_PASSWORD": "sandbox-portabilling",
        "INET_SMS_URL": sandbox_url.replace("//", "//inet:sandbox@") + "/version1/messaging",
        "INET_EXPO_PUSH_URL": sandbox_url + "/--/api/v2/push",
    }


def run_alone(*, seed: int, messages: int) -> Found:
    """The drill with servers of its own."""
    port = free_port()
    with (
        own_folder() as directory,
        servers(directory, port, **environment_of(f"http://127.0.0.1:{port}")) as sandbox_url,
        web_process(directory) as web,
    ):
        return Drill(seed=seed, messages=messages, sandbox_url=sandbox_url, report_url=web.url + reports.path()).run()


def lines_of(found: Found) -> list[str]:
    states = ", ".join(f"{name} {count}" for name, count in sorted(found.states.items()))
    row = found.row()
    counts = f"lost {row['lost']}, doubled {row['doubled']}, stuck or nameless {row['stuck']}"
    bad = [f"  {name}" for name in (*found.lost, *found.doubled, *found.stuck, *found.nameless)][:40]
    return [f"messages: {found.messages} told (seed {found.seed}), {found.kills} workers killed; {states}; {counts}", *bad]


def main() -> int:
    seed = int(os.environ.get("DRILL_SEED") or random.randrange(1_000_000))
    found = run_alone(seed=seed, messages=int(os.environ.get("DRILL_MESSAGES") or 300))
    print("\n".join(lines_of(found)), flush=True)
    (Path.cwd() / "drill-notifications.json").write_text(json.dumps(found.row()) + "\n", encoding="utf-8")
    return 0 if found.is_good else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["nurse"]:
        nurse(float(sys.argv[2]), int(sys.argv[3]))
    sys.exit(main())
