"""Delivery reports on their way to the product: unsigned form posts, in steps, spoilt as the faults say (push-and-sms.md §B1)."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Coroutine
from typing import Any

import httpx

from app.sandbox.faults import Faults
from app.sandbox.outgoing import outgoing_client

TIMEOUT_SECONDS = 5.0
# How long a report that is to be overtaken waits.
OVERTAKING_SECONDS = 0.5
_TRIES = 5
# Two digits stand before the old number; the report may name it without them.
_NEW_GAMBIAN = re.compile(r"\+220(?:8[3679])(\d{7})")

log = logging.getLogger(__name__)


def other_form(number: str) -> str:
    """The same number as it was written before the change to nine digits."""
    found = _NEW_GAMBIAN.fullmatch(number)
    return f"+220{found.group(1)}" if found else number


class Reports:
    """The sender of reports. What is under way when the sandbox stops is lost, as at the real gateway."""

    def __init__(self, url: str, faults: Faults) -> None:
        self.url, self._faults = url, faults
        self._tasks: set[asyncio.Task[None]] = set()
        self._client = outgoing_client(timeout=TIMEOUT_SECONDS, headers={"User-Agent": "AfricasTalking/1.0"})

    def emit(self, *, message_id: str, number: str, statuses: list[str], reason: str | None) -> None:
        """Send a report for each status, one after the other unless the faults let them overtake."""
        if self.url:
            self._keep(self._steps(message_id, number, statuses, reason))

    async def send_now(self, *, message_id: str, number: str, status: str, reason: str | None) -> None:
        """Send one and wait for it: a report that comes before the answer to the order."""
        if self.url:
            await self._post(_form(message_id, number, status, reason))

    async def stop(self) -> None:
        self.reset()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()

    def reset(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _steps(self, message_id: str, number: str, statuses: list[str], reason: str | None) -> None:
        for status in statuses:
            verdict = self._faults.judge_webhook("sms")
            form = _form(message_id, number, status, reason)
            if verdict.overtaken:
                self._keep(self._later(form, verdict.delay_seconds + OVERTAKING_SECONDS, verdict.copies))
            else:
                await self._later(form, verdict.delay_seconds, verdict.copies)

    async def _later(self, form: dict[str, str], seconds: float, copies: int) -> None:
        await asyncio.sleep(seconds)
        for _ in range(copies):
            await self._post(form)

    async def _post(self, form: dict[str, str]) -> None:
        for attempt in range(_TRIES):
            try:
                answer = await self._client.post(self.url, data=form)
                if answer.status_code < 500:
                    return
            except httpx.HTTPError as error:
                log.info("report not taken: %s", type(error).__name__)
            await asyncio.sleep(0.2 * 2**attempt)


def _form(message_id: str, number: str, status: str, reason: str | None) -> dict[str, str]:
    form = {"id": message_id, "status": status, "phoneNumber": number, "networkCode": "60702", "retryCount": "0"}
    return form | ({"failureReason": reason} if reason else {})
