"""Requests, counted on the event loop: by hand, since the hottest answers cost little more than the library's own counting would."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

# From a hot answer out of Redis to a page that nobody waits for any more.
BOUNDS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
_ENDS = [*(str(bound) for bound in BOUNDS), "+Inf"]
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
CLIENT_LEFT = 499
"""The status of a request whose client was gone before there was an answer."""
NO_ROUTE = "none"
_UNKNOWN = "unknown"  # what app/problems.py says of a request that no route took


class _Answers:
    """Of one route and method."""

    __slots__ = ("buckets", "seconds", "statuses")

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.buckets = [0] * len(_ENDS)
        self.seconds = 0.0


class Requests(Collector):
    """To be told of requests by one thread alone; read by any."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], _Answers] = {}
        self._in_progress = 0

    def begin(self) -> None:
        self._in_progress += 1

    def end(self) -> None:
        self._in_progress -= 1

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request. `route` is a route's template, never an address; `status` 0 means that the client left first."""
        held = self._answers.get((route, method))
        if held is None:
            held = self._of(route, method)
        held.statuses[status] = held.statuses.get(status, 0) + 1
        held.buckets[bisect_left(BOUNDS, seconds)] += 1
        held.seconds += seconds

    def _of(self, route: str, method: str) -> _Answers:
        # A method is whatever a stranger writes.
        key = (NO_ROUTE if route == _UNKNOWN else route, method if method in _METHODS else "other")
        return self._answers.setdefault(key, _Answers())

    def collect(self) -> Iterator[Metric]:
        total = CounterMetricFamily("inet_http_requests", "Requests answered", labels=("route", "method", "status"))
        seconds = HistogramMetricFamily("inet_http_request_seconds", "Time until a request was answered", labels=("route", "method"))
        for (route, method), held in list(self._answers.items()):
            for status, number in list(held.statuses.items()):
                total.add_metric((route, method, str(status or CLIENT_LEFT)), number)
            reached, so_far = 0, []
            for end, number in zip(_ENDS, held.buckets, strict=True):
                reached += number
                so_far.append((end, reached))
            seconds.add_metric((route, method), so_far, held.seconds)
        yield total
        yield seconds
        yield GaugeMetricFamily("inet_http_in_progress", "Requests being answered now", value=self._in_progress)
