"""Events on their way to the product: signed over their exact bytes, retried, and spoilt as the faults say (protocols/wave.md §5)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
import string
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from app.sandbox.clock import SandboxClock
from app.sandbox.config import SandboxConfig
from app.sandbox.faults import Faults
from app.sandbox.outgoing import outgoing_client
from app.sandbox.store import Store, Table
from app.sandbox.wave.models import Webhook

TIMEOUT_SECONDS = 5.0
MAX_PARALLEL = 8
# How long an event that is to be overtaken waits for another one to do so.
OVERTAKING_SECONDS = 2.0
STALE_SECONDS = 3600
_ID_ALPHABET = string.ascii_letters + string.digits

log = logging.getLogger(__name__)


def sign(secret: str, t: int, body: bytes) -> str:
    """One `v1` value: HMAC-SHA256 over t immediately followed by the body, no separator."""
    return hmac.new(secret.encode(), str(t).encode() + body, hashlib.sha256).hexdigest()


@dataclass
class Signing:
    """How deliveries are signed: `ok`, `two_values`, `wrong_secret`, `stale` (an hour old), `same_t` (a retry keeps its first t)."""

    mode: str = "ok"


@dataclass
class _Route:
    """What holds one delivery back: a delay, and perhaps another event's first attempt."""

    delay_seconds: float
    overtaken_by: asyncio.Event | None = None
    tried: asyncio.Event = field(default_factory=asyncio.Event)


class Webhooks:
    """The sender of events. `start` resumes what an earlier process left pending."""

    def __init__(self, config: SandboxConfig, store: Store, clock: SandboxClock, faults: Faults) -> None:
        self._config, self._clock, self._faults = config, clock, faults
        self._url = f"{config.portal_url}/api/wave/webhook"
        self._secrets = [part.strip() for part in config.wave_webhook_secret.split(",") if part.strip()]
        self._tasks: set[asyncio.Task[None]] = set()
        self._parallel = asyncio.Semaphore(MAX_PARALLEL)
        self._client = outgoing_client(timeout=TIMEOUT_SECONDS, headers={"User-Agent": "Wave/1.0"})
        self._waiting_to_be_overtaken: asyncio.Event | None = None
        self.signing = Signing()
        self.deliveries = Table(store, "wave_webhook", Webhook, key=lambda row: row.key)

    async def start(self) -> None:
        """Go on with pending deliveries."""
        for delivery in self.deliveries.all():
            if delivery.state == "pending":
                self._send_later(delivery, _Route(0))

    async def stop(self) -> None:
        """Drop what is under way; it stays pending."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    def reset(self) -> None:
        """Forget every event; nothing under way goes on."""
        for task in self._tasks:
            task.cancel()
        self.deliveries.clear()
        self.signing = Signing()

    def emit(self, event_type: str, data: dict[str, Any], *, session_id: str | None = None) -> asyncio.Event:
        """Send an event. The returned asyncio event is set once its first attempt is over (at once if it gets lost)."""
        event_id = "EV_" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(12))
        body = _odd_json({"id": event_id, "type": event_type, "data": data})
        verdict = self._faults.judge_webhook("wave")
        route = _Route(verdict.delay_seconds)
        if verdict.overtaken and self._waiting_to_be_overtaken is None:
            route.overtaken_by = self._waiting_to_be_overtaken = asyncio.Event()
        elif self._waiting_to_be_overtaken is not None:
            # This one overtakes: what waited goes as soon as this one has been tried.
            route.tried, self._waiting_to_be_overtaken = self._waiting_to_be_overtaken, None
        for copy in range(max(verdict.copies, 1)):
            state = "pending" if verdict.copies else "lost"
            delivery = Webhook(f"{event_id}/{copy}", event_id, event_type, body, self._clock.now(), session_id, state)
            self.deliveries.save(delivery)
            if verdict.copies:
                self._send_later(delivery, route)
        if not verdict.copies:
            route.tried.set()
        return route.tried

    def _send_later(self, delivery: Webhook, route: _Route) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver(delivery, route))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Webhook, route: _Route) -> None:
        await asyncio.sleep(route.delay_seconds)
        if route.overtaken_by is not None:
            await self._let_overtake(route.overtaken_by)
        first_t = int(time.time())
        while delivery.state == "pending":
            async with self._parallel:
                await self._attempt(delivery, first_t)
            route.tried.set()
            if delivery.state == "pending":
                await asyncio.sleep(self._config.webhook_backoff_seconds * 2 ** (len(delivery.attempts) - 1))

    async def _let_overtake(self, overtaken_by: asyncio.Event) -> None:
        try:
            await asyncio.wait_for(overtaken_by.wait(), OVERTAKING_SECONDS)
        except TimeoutError:
            if self._waiting_to_be_overtaken is overtaken_by:
                self._waiting_to_be_overtaken = None

    async def _attempt(self, delivery: Webhook, first_t: int) -> None:
        body = delivery.body.encode()
        headers = {"Content-Type": "application/json", "Wave-Signature": self._signature(body, first_t)}
        status: int | None = None
        try:
            status = (await self._client.post(self._url, content=body, headers=headers)).status_code
        except httpx.HTTPError as error:
            log.info("webhook.undelivered type=%s error=%s", delivery.type, type(error).__name__)
        delivery.attempts.append({"at": time.time(), "status": status})
        if status is not None and 200 <= status < 300:
            delivery.state = "delivered"
        elif len(delivery.attempts) >= self._config.webhook_max_attempts:
            delivery.state = "given_up"
        self.deliveries.save(delivery)

    def _signature(self, body: bytes, first_t: int) -> str:
        mode = self.signing.mode
        t = first_t if mode == "same_t" else int(time.time())
        keys = self._secrets
        if mode == "stale":
            t -= STALE_SECONDS
        elif mode == "wrong_secret":
            keys = ["not-the-secret"]
        elif mode == "two_values":
            keys = ["a-secret-being-retired", *keys]
        return ",".join([f"t={t}", *(f"v1={sign(key, t, body)}" for key in keys)])


def _odd_json(event: dict[str, Any]) -> str:
    """JSON in a key order and spacing that nobody's serialiser repeats, with a field nobody knows: only the raw bytes verify."""
    data = dict(sorted(event["data"].items(), key=lambda item: item[0][::-1]))
    odd = {"type": event["type"], "x_source": "sandbox", "data": data, "id": event["id"]}
    return json.dumps(odd, separators=(" , ", ":  "), ensure_ascii=False)
