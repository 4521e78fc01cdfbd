"""What people saw: each request with its end, and what that says of an outage."""

from __future__ import annotations

import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import httpx

_TIMEOUT_SECONDS = 12.0


@dataclass(frozen=True)
class Seen:
    """One request: when it ended (monotonic), how long it took, and what was wrong with it (empty: nothing)."""

    at: float
    seconds: float
    who: str
    fault: str


class Traffic:
    """Every request of customers, routers' phones and staff. Appending to a list needs no lock under the interpreter's own."""

    def __init__(self, trust: ssl.SSLContext) -> None:
        self.seen: list[Seen] = []
        self.trust = trust

    def client(self, who: str, *, timeout: float = _TIMEOUT_SECONDS) -> httpx.Client:
        """A client whose requests are counted as those of `who`."""
        return httpx.Client(timeout=timeout, trust_env=False, transport=_Counting(self, who))

    def between(self, began: float, ended: float, who: Iterable[str] | None = None) -> list[Seen]:
        wanted = None if who is None else set(who)
        return [one for one in self.seen if began <= one.at <= ended and (wanted is None or one.who in wanted)]


class _Counting(httpx.BaseTransport):
    def __init__(self, traffic: Traffic, who: str) -> None:
        self._traffic, self._who = traffic, who
        self._inner = httpx.HTTPTransport(verify=traffic.trust, limits=httpx.Limits(keepalive_expiry=2))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        began = time.monotonic()
        fault = ""
        try:
            answer = self._inner.handle_request(request)
            # 409 and 422 are the product's own refusals; a 429 is a customer who was turned away.
            fault = str(answer.status_code) if answer.status_code >= 500 or answer.status_code == 429 else ""
            return answer
        except httpx.HTTPError as error:
            fault = type(error).__name__
            raise
        finally:
            now = time.monotonic()
            # Who orders something is counted apart: questions may be answered long before orders are taken again.
            who = f"{self._who} orders" if request.method == "POST" else self._who
            self._traffic.seen.append(Seen(now, now - began, who, fault))

    def close(self) -> None:
        self._inner.close()


class Watch:
    """Asks the same small question again and again on a thread, so that an outage's ends are known to a fraction of a second."""

    def __init__(self, traffic: Traffic, who: str, url: str, *, every_seconds: float) -> None:
        self._traffic, self._who, self._url, self._every = traffic, who, url, every_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask_on, name=f"watch-{who}", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(_TIMEOUT_SECONDS + 5)

    def _ask_on(self) -> None:
        # A new connection each time, as from another phone; a question that waits does not keep the next from being asked.
        while not self._over.wait(self._every):
            threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        with self._traffic.client(self._who) as http:
            try:
                http.get(self._url)
            except httpx.HTTPError:
                return


@dataclass(frozen=True)
class Impact:
    """What an outage did to the requests within it: how many there were, how many failed and how, and the slowest that did not."""

    requests: int
    failed: Counter[str]
    slowest_seconds: float

    @property
    def share(self) -> float:
        return self.failed.total() / self.requests if self.requests else 0.0


def impact_of(seen: Sequence[Seen]) -> Impact:
    good = [one.seconds for one in seen if not one.fault]
    return Impact(len(seen), Counter(f"{one.who} {one.fault}" for one in seen if one.fault), max(good, default=0.0))


def recovered_after(seen: Sequence[Seen], *, back_at: float, steady: int = 3) -> float | None:
    """Seconds from `back_at` until the last of those who met a failure was served again: `steady` good ends in a row, the first counts.

    0 where nobody met a failure of a request that was sent after that moment (what was sent before is of the outage); None while it
    is not over for somebody.
    """
    ends: dict[str, list[Seen]] = {}
    for one in sorted(seen, key=lambda one: one.at):
        if one.at - one.seconds >= back_at:
            ends.setdefault(one.who, []).append(one)
    met = {one.who for one in seen if one.fault}
    found = [_first_of_a_row(ends.get(who, []), steady) for who in met]
    if None in found:
        return None
    failed_since = {one.who for mine in ends.values() for one in mine if one.fault}
    late = [first for who, first in zip(met, found, strict=True) if first is not None and who in failed_since]
    return max(late) - back_at if late else 0.0


def _first_of_a_row(ends: Sequence[Seen], steady: int) -> float | None:
    """When the last row of good ends began, if it is long enough."""
    row: list[Seen] = []
    for one in ends:
        row = [] if one.fault else [*row, one]
    return row[0].at if len(row) >= steady else None
