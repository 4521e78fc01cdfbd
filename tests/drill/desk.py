"""The money desk during a drill: staff give money back, order batches and have days compared, while everything around them dies."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import sqlalchemy as sa

from tests.drill.world import World

_PASSWORD = "inet-demo-2026"
_CARE, OFFICER = "care@inet.demo", "billing@inet.demo"
# Long enough for the minute within which tries to log in are counted.
_PATIENCE_SECONDS, _PAUSE_SECONDS = 150.0, 0.3
_TURN_SECONDS = 1.0
# The accounts of batches fill PortaBilling\'s list, and each reconciliation reads all of it.
_BATCH_EACH_TURNS = 5
# Small, so that a drill makes and registers many of them.
_BATCH_SIZE = 30
# One in so many purchases goes back; half of them by one person alone, half by two.
_REFUNDED_SHARE = 0.08
_RESTS = ("served", "access_granted")


class DeskGaveUp(Exception):
    """Staff could not do what they wanted in all that time."""


@dataclass
class Desk:
    """Its own thread, from `open` to `close`. What was asked for is counted: it must all have come to be in the end."""

    world: World
    seed: int
    asked: Counter[str] = field(default_factory=Counter)
    trouble: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(f"desk:{self.seed}")
        self._tokens: dict[str, str] = {}
        self._http = httpx.Client(timeout=12, trust_env=False, verify=self.world.tls)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._handled: set[str] = set()
        self._number = 0

    def open(self) -> None:
        self._over.clear()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE_SECONDS + 30)
            if self._thread.is_alive():
                self.trouble.append("the money desk hangs")

    def _work(self) -> None:
        for turn in itertools.count():
            if self._over.wait(_TURN_SECONDS):
                return
            try:
                if turn % _BATCH_EACH_TURNS == 0:
                    self._order_batch()
                self._give_back()
                self.reconcile()
            except DeskGaveUp as why:
                self.trouble.append(str(why))
            except sa.exc.OperationalError:
                # The drill looks into the database itself, and that is down just now: next turn.
                continue
            except Exception as why:
                # A desk that dies unnoticed would make the drill an easy one.
                self.trouble.append(f"the money desk died: {why!r}")
                raise

    def _order_batch(self) -> None:
        self._number += 1
        body = {"package_id": "hour-1", "size": _BATCH_SIZE, "name": f"Drill {self._number}"}
        self.call("POST", "/api/v1/batches", OFFICER, json=body, key=f"drill-batch-{self.seed}-{self._number}", good=(201,))
        self.asked["batches"] += 1

    def _give_back(self) -> None:
        rows = self.world.rows("SELECT reference FROM payment WHERE status = ANY(:rest) ORDER BY id", rest=list(_RESTS))
        for row in rows:
            reference = str(row["reference"])
            if reference in self._handled:
                continue
            self._handled.add(reference)
            if self._chance.random() < _REFUNDED_SHARE:
                self._refund(reference, by_two=self._chance.random() < 0.5)

    def _refund(self, reference: str, *, by_two: bool) -> None:
        path, body = f"/api/v1/payments/{reference}/refund", {"reason": "The drill wants its money back"}
        # Who is refused because the sum is over a day's limit has asked for nothing.
        answer = self.call(
            "POST", path, _CARE if by_two else OFFICER, json=body, key=f"drill-refund-{reference}", good=(200, 201, 202, 403, 409)
        )
        if answer.status_code >= 400:
            self.asked[f"refunds not taken ({answer.status_code})"] += 1
            return
        self.asked["refunds"] += 1
        if answer.json()["state"] == "asked":
            self.call("POST", f"/api/v1/refunds/{answer.json()['id']}/approve", OFFICER, key=f"drill-approve-{reference}", good=(200, 409))

    def reconcile(self) -> int:
        """Have today compared; answers the run's id. The same day under way is not begun a second time."""
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        body = {"from_day": today, "to_day": today}
        return int(self.call("POST", "/api/v1/reconciliation/runs", OFFICER, json=body, good=(200, 201)).json()["id"])

    def call(self, method: str, path: str, who: str, *, json: Any = None, key: str | None = None, good: tuple[int, ...]) -> httpx.Response:
        """Repeat the same request until it is answered, at any web process, as a patient client would. Raises DeskGaveUp."""
        deadline, last = time.monotonic() + _PATIENCE_SECONDS, ""
        while time.monotonic() < deadline:
            url = self._chance.choice(self.world.web_urls)
            try:
                headers = {"Authorization": f"Bearer {self._token(url, who)}"} | ({"Idempotency-Key": key, "If-Match": "*"} if key else {})
                answer = self._http.request(method, url + path, json=json, headers=headers)
            except httpx.HTTPStatusError as error:
                # Tries to log in are counted: after FLUSHALL, and with PostgreSQL away, a client that does not wait locks itself out.
                last = f"log-in: {error.response.status_code} {error.response.text[:200]}"
                time.sleep(float(error.response.headers.get("Retry-After", _PAUSE_SECONDS)))
                continue
            except httpx.HTTPError as error:
                last = type(error).__name__
                time.sleep(_PAUSE_SECONDS)
                continue
            if answer.status_code in good:
                return answer
            last = f"{answer.status_code} {answer.text[:200]}"
            if answer.status_code == 401:
                # Logged out by FLUSHALL.
                self._tokens.pop(who, None)
            time.sleep(_PAUSE_SECONDS)
        raise DeskGaveUp(f"{method} {path}: {last}")

    def _token(self, url: str, who: str) -> str:
        if who not in self._tokens:
            answer = self._http.post(url + "/api/auth/login", json={"email": who, "password": _PASSWORD})
            answer.raise_for_status()
            self._tokens[who] = str(answer.json()["access_token"])
        return self._tokens[who]
