"""What goes wrong on purpose, and how often. All chance comes from one seeded `random.Random`.

Meaning of the fields, per service:

- `latency_ms`: wait before the call is handled.
- `down`: the service is not there. By coin the connection is closed unread, or the load balancer answers 503. No work is done.
- `error_rate`: share of calls refused *before* any work, with a status drawn from `error_statuses`
  (429 comes with and without `Retry-After`, 5xx by coin as HTML).
- `drop_response_rate`: share of calls whose work *is done* and whose answer is lost: the socket is closed without a byte,
  or, with `lost_reply_status`, a gateway's HTML page of that status comes instead.
- `truncate_rate`: share of answers of which only the first half arrives.
- `duplicate_webhook_rate`, `lose_webhook_rate`, `reorder_webhooks`, `webhook_delay_ms`: per event sent to the product.
- `operations`: limits the call faults (not the webhook ones) to these operations. `count`: the set is void after that many
  calls (or, for webhook faults, events) it was consulted for.

For the service `routers` the router is the caller: an error means its request never left, a drop means the answer was lost.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

SERVICES = ("wave", "portabilling", "sms", "push", "routers", "openwisp")
DEFAULT_ERROR_STATUSES = [500, 502, 503]


class ServiceFaults(BaseModel):
    """The faults in force for one service. Rates are shares between 0 and 1."""

    model_config = ConfigDict(extra="forbid")

    latency_ms: float = Field(default=0, ge=0, le=120_000)
    error_rate: float = Field(default=0, ge=0, le=1)
    error_statuses: list[int] = Field(default=DEFAULT_ERROR_STATUSES, min_length=1)
    drop_response_rate: float = Field(default=0, ge=0, le=1)
    lost_reply_status: int | None = Field(default=None, ge=500, le=599)
    truncate_rate: float = Field(default=0, ge=0, le=1)
    down: bool = False
    duplicate_webhook_rate: float = Field(default=0, ge=0, le=1)
    lose_webhook_rate: float = Field(default=0, ge=0, le=1)
    # A share, or true for every event.
    reorder_webhooks: float = Field(default=0, ge=0, le=1)
    webhook_delay_ms: float = Field(default=0, ge=0, le=3_600_000)
    operations: list[str] | None = None
    count: int | None = Field(default=None, ge=1)

    @property
    def touches_calls(self) -> bool:
        return self.down or any((self.latency_ms, self.error_rate, self.drop_response_rate, self.truncate_rate))

    @property
    def touches_webhooks(self) -> bool:
        return any((self.duplicate_webhook_rate, self.lose_webhook_rate, self.reorder_webhooks, self.webhook_delay_ms))


@dataclass(frozen=True)
class CallVerdict:
    """What happens to one call. At most one of the flags is set."""

    latency_seconds: float = 0
    refused: bool = False
    error_status: int | None = None
    retry_after: bool = False
    as_html: bool = False
    dropped: bool = False
    lost_reply_status: int | None = None
    truncated: bool = False


@dataclass(frozen=True)
class WebhookVerdict:
    """What happens to one event: how many copies go out (0: it is lost), how late, and whether another overtakes it."""

    copies: int = 1
    delay_seconds: float = 0
    overtaken: bool = False


CLEAN_CALL = CallVerdict()
CLEAN_WEBHOOK = WebhookVerdict()


class Faults:
    """The faults of all services. They live in memory: a restarted sandbox is a well-behaved one."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._sets: dict[str, ServiceFaults] = {}

    def reseed(self, seed: int) -> None:
        """Start the chance anew, so that the same calls in the same order meet the same faults."""
        self._random = random.Random(seed)

    def put(self, service: str, faults: ServiceFaults) -> None:
        """Replace all faults of a service."""
        self._sets[service] = faults

    def clear(self, service: str | None = None) -> None:
        """Let one service, or all of them, behave again."""
        if service is None:
            self._sets.clear()
        else:
            self._sets.pop(service, None)

    def in_force(self) -> dict[str, dict[str, object]]:
        """The faults now in force, only what differs from good behaviour."""
        return {service: faults.model_dump(exclude_defaults=True) for service, faults in self._sets.items()}

    def judge_call(self, service: str, operation: str) -> CallVerdict:
        """Draw the fate of one call."""
        faults = self._sets.get(service)
        if faults is None or not faults.touches_calls or not (faults.operations is None or operation in faults.operations):
            return CLEAN_CALL
        self._count_down(service, faults)
        latency = faults.latency_ms / 1000
        if faults.down:
            refused = self._coin(0.5)
            return CallVerdict(latency_seconds=latency, refused=refused, error_status=None if refused else 503, as_html=True)
        if self._coin(faults.error_rate):
            status = self._random.choice(faults.error_statuses)
            html = status == 502 or (status >= 500 and self._coin(0.5))
            return CallVerdict(latency_seconds=latency, error_status=status, retry_after=self._coin(0.5), as_html=html)
        if self._coin(faults.drop_response_rate):
            return CallVerdict(latency_seconds=latency, dropped=True, lost_reply_status=faults.lost_reply_status)
        return CallVerdict(latency_seconds=latency, truncated=self._coin(faults.truncate_rate))

    def judge_webhook(self, service: str) -> WebhookVerdict:
        """Draw the fate of one event on its way to the product."""
        faults = self._sets.get(service)
        if faults is None or not faults.touches_webhooks:
            return CLEAN_WEBHOOK
        self._count_down(service, faults)
        if self._coin(faults.lose_webhook_rate):
            return WebhookVerdict(copies=0)
        return WebhookVerdict(
            copies=2 if self._coin(faults.duplicate_webhook_rate) else 1,
            delay_seconds=faults.webhook_delay_ms / 1000,
            overtaken=self._coin(faults.reorder_webhooks),
        )

    def _coin(self, rate: float) -> bool:
        return rate > 0 and self._random.random() < rate

    def _count_down(self, service: str, faults: ServiceFaults) -> None:
        if faults.count is None:
            return
        faults.count -= 1
        if faults.count == 0:
            self._sets.pop(service, None)
