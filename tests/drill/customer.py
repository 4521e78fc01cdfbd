"""One customer with a phone: joins a Wi-Fi or not, buys through the portal's JSON, pays at Wave, waits a while. All over HTTP."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.drill.plan import Deed, Plan
from tests.drill.world import World

# How long this customer tries to buy, and how long they look at the page after paying.
_PATIENCE_SECONDS, _WATCH_SECONDS = 40.0, 20.0
_PAUSE_SECONDS, _POLL_SECONDS = 0.4, 1.0
_CONTEXT = re.compile(r"[?&;]c=([\w-]+)")
_WAVE_KEY = {"Authorization": "Bearer sandbox-wave-key"}
_DONE = ("served", "attention", "refunded")


class GaveUp(Exception):
    """The customer's patience ended; the message says at which point."""


@dataclass
class Visit:
    """What the customer remembers. `reached` is the last status they were shown, `seconds` from paying to being online."""

    plan: Plan
    slug: str | None = None
    mac: str | None = None
    payment_id: str | None = None
    reached: str = ""
    seconds: float | None = None


class Customer:
    """Plays one plan. A call that fails is repeated as a phone would: the same request, perhaps at another web process."""

    def __init__(self, plan: Plan, world: World, http: httpx.Client) -> None:
        self._plan, self._world, self._http = plan, world, http
        self._visit = Visit(plan)
        self._deadline = time.monotonic() + _PATIENCE_SECONDS

    def play(self) -> Visit:
        try:
            context = self._join() if self._plan.router is not None else None
            launch_url = self._buy(context)
            self._pay(launch_url)
        except GaveUp as why:
            self._visit.reached = f"gave up: {why}"
        return self._visit

    def _join(self) -> str:
        """Be redirected by the router to the portal, and keep the context that its page hands out."""
        assert self._plan.router is not None
        slug = self._world.routers[self._plan.router]
        phone = self._world.ask_sandbox("POST", f"/_control/routers/{slug}/phones").raise_for_status().json()
        self._visit.slug, self._visit.mac = slug, phone["mac"]
        page = self._repeat("entry", lambda: self._http.get(phone["redirect_url"]), lambda answer: answer.status_code == 200)
        found = _CONTEXT.search(page.text)
        if found is None:
            raise AssertionError("the portal's first page hands out no context")
        return found[1]

    def _buy(self, context: str | None) -> str:
        body = {"package_id": self._plan.package_id, "phone": self._plan.phone} | ({"context": context} if context else {})
        headers = {"Idempotency-Key": f"drill-{self._plan.number:08d}"}

        def ask() -> httpx.Response:
            return self._http.post(self._any_web() + "/api/wave/checkout", json=body, headers=headers)

        opened = self._repeat("checkout", ask, lambda answer: answer.status_code == 201).json()
        self._visit.payment_id = opened["payment_id"]
        if opened["launch_url"] is None:
            # Wave's answer to the product is still awaited: the page asks until there is a link.
            opened = self._repeat("launch", self._ask, lambda answer: answer.status_code == 200 and answer.json()["launch_url"]).json()
        return str(opened["launch_url"])

    def _pay(self, launch_url: str) -> None:
        session_id = launch_url.rpartition("/")[2]
        match self._plan.deed:
            case Deed.PAY:
                self._at_wave(session_id, "succeed")
            case Deed.FAIL_THEN_PAY:
                self._at_wave(session_id, "fail")
                self._at_wave(session_id, "succeed")
            case Deed.PAY_TWICE:
                both = [session_id, self._second_session(session_id)]
                self._plan.chance.shuffle(both)
                for one in both:
                    self._at_wave(one, "succeed", is_told=True)
            case Deed.REFUSE:
                self._at_wave(session_id, "fail")
            case Deed.ABANDON:
                self._at_wave(session_id, "abandon")
        if self._plan.watches:
            self._watch()

    def _at_wave(self, session_id: str, outcome: str, *, is_told: bool | None = None) -> None:
        """Press a button on Wave's page. A session that has expired meanwhile takes no money, and that is that."""
        told = self._plan.is_told if is_told is None else is_told
        order = {"session_id": session_id, "outcome": outcome, "no_webhook": not told}
        self._world.ask_sandbox("POST", "/_control/wave/pay", **order)

    def _second_session(self, session_id: str) -> str:
        """A create call that was thought lost arrives at Wave after all: the same purchase has two sessions there."""
        base = str(self._world.control.base_url).rstrip("/")
        first = self._repeat(
            "wave", lambda: self._http.get(f"{base}/v1/checkout/sessions/{session_id}", headers=_WAVE_KEY), lambda a: a.status_code == 200
        ).json()
        order = {name: first[name] for name in ("amount", "currency", "client_reference", "success_url", "error_url")}
        second = self._repeat(
            "wave", lambda: self._http.post(f"{base}/v1/checkout/sessions", json=order, headers=_WAVE_KEY), lambda a: a.status_code == 200
        )
        return str(second.json()["id"])

    def _watch(self) -> None:
        paid_at = time.monotonic()
        is_at_hotspot = self._plan.router is not None
        while time.monotonic() - paid_at < _WATCH_SECONDS:
            self._wait(_POLL_SECONDS)
            answer = self._try(self._ask)
            if answer is None or answer.status_code != 200:
                continue
            self._visit.reached = answer.json()["status"]
            if self._visit.reached in _DONE or (self._visit.reached == "access_granted" and not is_at_hotspot):
                self._visit.seconds = time.monotonic() - paid_at
                return
            if self._plan.deed in (Deed.REFUSE, Deed.ABANDON):
                return

    def _ask(self) -> httpx.Response:
        return self._http.get(self._any_web() + "/api/wave/verify", params={"payment_id": self._visit.payment_id})

    def _any_web(self) -> str:
        return self._plan.chance.choice(self._world.web_urls)

    def _repeat(self, what: str, call: Callable[[], httpx.Response], is_good: Callable[[httpx.Response], Any]) -> httpx.Response:
        while time.monotonic() < self._deadline:
            answer = self._try(call)
            if answer is not None:
                if is_good(answer):
                    return answer
                self._world.answers[f"{what} {answer.status_code}"] += 1
            self._wait(_PAUSE_SECONDS)
        raise GaveUp(what)

    def _try(self, call: Callable[[], httpx.Response]) -> httpx.Response | None:
        try:
            return call()
        except httpx.HTTPError as error:
            self._world.answers[type(error).__name__] += 1
            return None

    def _wait(self, seconds: float) -> None:
        time.sleep(seconds * (0.5 + self._plan.chance.random()))
