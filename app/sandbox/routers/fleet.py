"""The routers themselves: who they are, their polling loops, and what can happen to them."""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import string
import time

import httpx

from app.sandbox.clock import SandboxClock
from app.sandbox.config import SandboxConfig
from app.sandbox.faults import Faults
from app.sandbox.outgoing import outgoing_client
from app.sandbox.routers.authmon import TIMEOUT_SECONDS, build_call, deauthed_report, read_view_answer
from app.sandbox.routers.lan import Lans
from app.sandbox.routers.models import Grant, Phone, Router, Violation
from app.sandbox.store import Store, Table

DEMO_NAMES = ("Westfield Market", "Serekunda Garage", "Bakau Beach", "Kololi Strip", "Banjul Ferry", "Brikama Square")
# Two of level 3 and two of level 4, of the versions that differ on the wire (protocols/opennds.md §10).
DEMO_KINDS = ((3, "10.3.1"), (4, "10.3.1"), (3, "9.10.0"), (4, "11.0.0beta"))
_SLUG_ALPHABET = string.ascii_lowercase + string.digits

log = logging.getLogger(__name__)


class Fleet:
    """All routers. `start` lets each of them poll on its own."""

    def __init__(self, config: SandboxConfig, store: Store, clock: SandboxClock, faults: Faults) -> None:
        self._config, self._clock, self._faults = config, clock, faults
        self.lans = Lans(store, clock)
        self.routers = Table(store, "router", Router, key=lambda row: row.slug)
        self.violations = Table(store, "violation", Violation, key=lambda row: row.id, reference=lambda row: row.slug)
        self._loops: dict[str, asyncio.Task[None]] = {}
        self._wake: dict[str, asyncio.Event] = {}
        self._polling: dict[str, asyncio.Lock] = {}
        self._reports: set[asyncio.Task[None]] = set()
        self._unreachable: set[str] = set()
        # Every call on a new connection, as from the real thing.
        self._client = outgoing_client(limits=httpx.Limits(max_keepalive_connections=0))
        if not self.routers.all():
            self._make_demo_routers()

    async def start(self) -> None:
        """Begin to poll."""
        for router in self.routers.all():
            self._begin(router)

    async def stop(self) -> None:
        """Stop polling at once."""
        tasks = [*self._loops.values(), *self._reports]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loops.clear()
        await self._client.aclose()

    def add(self, router: Router) -> Router:
        """A new router; it polls from now on."""
        self.routers.save(router)
        self._begin(router)
        return router

    def reset(self) -> None:
        """No phones, no grants, no violations; every router as if it had just been switched on."""
        self.lans.reset()
        self.violations.clear()
        for router in self.routers.all():
            router.running = router.wan_up = router.owes_clear = True
            router.poll_interval_seconds = self._config.poll_interval_seconds
            self.changed(router)

    def changed(self, router: Router) -> None:
        """Save a router and let its loop notice."""
        self.routers.save(router)
        self._wake.setdefault(router.slug, asyncio.Event()).set()

    def restart(self, router: Router) -> None:
        """An orderly restart of the daemon: a report for each client, then everybody is captive and a `clear` comes."""
        for phone in self.lans.phones.grouped(router.slug):
            self.end(router, phone, "shutdown_deauth", report=router.running)
        self._begin_anew(router)

    def reboot(self, router: Router) -> None:
        """A power cut: no report, then as after a restart."""
        for phone in self.lans.phones.grouped(router.slug):
            self.end(router, phone, None, report=False)
        self._begin_anew(router)

    def crash(self, router: Router) -> None:
        """The daemon dies: nothing is sent, polls stop, clients stay online behind the rules it left, until a restart."""
        router.running = False
        self.changed(router)

    def end(self, router: Router, phone: Phone, method: str | None, *, report: bool = True) -> None:
        """End a phone's session; the report is one attempt, made beside everything else."""
        ended = self.lans.end(phone, method)
        if ended and report:
            task = asyncio.get_running_loop().create_task(self._report(router, *ended))
            self._reports.add(task)
            task.add_done_callback(self._reports.discard)

    async def poll(self, router: Router) -> None:
        """One round of authmon: `clear` if owed, view, ndsctl, acknowledgement."""
        async with self._polling.setdefault(router.slug, asyncio.Lock()):
            if router.running:
                for phone, method in list(self.lans.due(router)):
                    self.end(router, phone, method)
            if router.online:
                await self._round(router)

    async def _round(self, router: Router) -> None:
        if router.owes_clear:
            router.owes_clear = False
            await self._send(router, "clear", "none")
        answer = await self._send(router, "view", "none")
        router.last_poll_at = time.time()
        self.routers.save(router)
        admitted = self._admit(router, answer) if answer is not None else []
        await self._send(router, "view", " ".join(["*", *admitted]), operation="ack")

    def _admit(self, router: Router, text: str) -> list[str]:
        answer = read_view_answer(text, router.entries_per_view)
        if answer.violation:
            self.violations.save(Violation(secrets.token_hex(8), router.slug, answer.violation, text, time.time()))
        return [entry.who for entry in answer.entries if self.lans.ndsctl_auth(router, entry)]

    async def _report(self, router: Router, grant: Grant, token: str) -> None:
        if not router.wan_up:
            grant.reported = False
        else:
            answer = await self._send(router, "deauthed", deauthed_report(router, grant, token, self._clock.now()))
            grant.reported = answer is not None
        if self.lans.grants.get(grant.id) is grant:  # not reset meanwhile
            self.lans.grants.save(grant)

    async def _send(self, router: Router, auth_get: str, payload: str, *, operation: str = "") -> str | None:
        """One call. None if it had no good answer, by accident or by fault."""
        verdict = self._faults.judge_call("routers", operation or auth_get)
        await asyncio.sleep(verdict.latency_seconds)
        if verdict.refused or verdict.error_status is not None:
            return None
        request = build_call(self._config.portal_url, router, auth_get, payload)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS[router.level]):
                response = await self._client.send(request)
        except (httpx.HTTPError, TimeoutError) as error:
            self._note_reach(router, type(error).__name__)
            return None
        self._note_reach(router, "" if response.is_success else f"status {response.status_code}")
        return None if verdict.dropped or not response.is_success else response.text

    def _note_reach(self, router: Router, problem: str) -> None:
        # Said once per change: a router that polls a stopped portal must not fill the log.
        if problem and router.slug not in self._unreachable:
            self._unreachable.add(router.slug)
            log.info("router.unanswered name=%s problem=%s", router.name, problem)
        elif not problem and router.slug in self._unreachable:
            self._unreachable.discard(router.slug)
            log.info("router.answered name=%s", router.name)

    def _begin_anew(self, router: Router) -> None:
        router.running = router.owes_clear = True
        self.changed(router)

    def _begin(self, router: Router) -> None:
        self._loops[router.slug] = asyncio.get_running_loop().create_task(self._poll_for_ever(router))

    async def _poll_for_ever(self, router: Router) -> None:
        wake = self._wake.setdefault(router.slug, asyncio.Event())
        while True:
            # A real router's next round comes whatever became of the last one.
            try:
                await self.poll(router)
            except Exception:
                log.exception("router.round_failed name=%s", router.name)
            except asyncio.CancelledError:
                if _is_told_to_stop():
                    raise
                log.warning("router.round_cancelled name=%s", router.name)  # a time-out's own, let through by a library
            wake.clear()
            try:
                await asyncio.wait_for(wake.wait(), router.poll_interval_seconds)
            except TimeoutError:
                continue

    def _make_demo_routers(self) -> None:
        chance = random.Random(self._config.seed)
        for number in range(self._config.router_count):
            level, version = DEMO_KINDS[number % len(DEMO_KINDS)]
            name = DEMO_NAMES[number % len(DEMO_NAMES)]
            self.routers.save(
                Router(
                    slug="".join(chance.choices(_SLUG_ALPHABET, k=20)),
                    name=name if number < len(DEMO_NAMES) else f"{name} {number // len(DEMO_NAMES) + 1}",
                    gateway_name=f"inet-{chance.getrandbits(128):032x}",
                    faskey=f"{chance.getrandbits(256):064x}",
                    level=level,
                    version=version,
                    number=number,
                    poll_interval_seconds=self._config.poll_interval_seconds,
                )
            )


def _is_told_to_stop() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
