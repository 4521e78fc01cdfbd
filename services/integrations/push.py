"""Expo push (protocols dossier push-and-sms.md part A): messages in batches, tickets at once, receipts a quarter of an hour later.

There is no idempotency key. A lost answer may mean that the pushes went out; each carries `data.notification_id`, by which the app drops
a second one. Nothing here is ever repeated.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.outbound import CircuitBreaker, OutcomeUnknown, Refused, Unavailable, observe
from services.integrations.errors import harmless, retry_after_seconds
from services.integrations.http import Answer, HttpExchange, refuse_unusable

SERVICE = "push"
MAX_BATCH, MAX_RECEIPTS = 100, 300
MAX_BYTES = 4096
_GZIP_FROM_BYTES = 1024
_TOKEN = re.compile(r"(?:ExponentPushToken|ExpoPushToken)\[.+\]|[a-z\d]{8}-[a-z\d]{4}-[a-z\d]{4}-[a-z\d]{4}-[a-z\d]{12}", re.IGNORECASE)
_LATER = frozenset({"TOO_MANY_REQUESTS"})
PROJECTS_MIXED = "PUSH_TOO_MANY_EXPERIENCE_IDS"


def is_token(text: str) -> bool:
    """Whether Expo could have made it."""
    return len(text) <= 200 and _TOKEN.fullmatch(text) is not None


@dataclass(frozen=True)
class PushMessage:
    """`notification_id` is the same at each try: the app drops what it has seen. No secret belongs in the words: lock screens show them."""

    to: str
    title: str
    body: str
    notification_id: str
    link: str | None = None
    is_urgent: bool = False
    # What it is about, such as `ticket:17`: the app opens it.
    entity: str | None = None

    def wire(self) -> dict[str, Any]:
        data = {"notification_id": self.notification_id} | ({"link": self.link} if self.link else {})
        data |= {"entity": self.entity} if self.entity else {}
        # A message that is replaced on the phone rather than doubled, should it ever come twice.
        one = {"collapseId": self.notification_id, "tag": self.notification_id}
        priority = "high" if self.is_urgent else "default"
        return {"to": self.to, "title": self.title, "body": self.body, "data": data, "priority": priority, "sound": "default", **one}

    @property
    def is_too_big(self) -> bool:
        return len(json.dumps(self.wire()).encode()) > MAX_BYTES


@dataclass(frozen=True)
class Ticket:
    """What Expo said of one message: its id, or an error such as DeviceNotRegistered."""

    id: str | None
    error: str | None = None


@dataclass(frozen=True)
class Receipt:
    """`error` None: handed to Apple or Google, which says nothing of the person having seen it."""

    error: str | None = None


class ProjectsMixed(Refused):
    """The tokens of one request belong to several projects; nothing was sent. `tokens` by project."""

    def __init__(self, tokens: Mapping[str, Sequence[str]]) -> None:
        super().__init__(SERVICE, "send", PROJECTS_MIXED)
        self.tokens = tokens


class PushClient:
    """Synchronous and thread-safe."""

    def __init__(
        self, url: str, *, access_token: str | None = None, timeout_seconds: float = 15.0, breaker: CircuitBreaker | None = None
    ) -> None:
        """`url` is the part before `/send` and `/getReceipts`."""
        self.breaker = breaker or CircuitBreaker(SERVICE)
        self._access_token = access_token
        self._http = HttpExchange(SERVICE, url, timeout_seconds=timeout_seconds)

    def send(self, messages: Sequence[PushMessage]) -> list[Ticket]:
        """One ticket for each message, in their order; at most MAX_BATCH of them.

        Raises Refused for the whole batch (ProjectsMixed says how to divide it), Unavailable (none was sent) or OutcomeUnknown.
        """
        assert len(messages) <= MAX_BATCH
        data = self._ask("send", "/send", [message.wire() for message in messages])
        # One message may be answered by an object instead of a list.
        rows = [data] if isinstance(data, dict) else data
        if not isinstance(rows, list) or len(rows) != len(messages):
            raise OutcomeUnknown(SERVICE, "send", "not one ticket for each message")
        return [_ticket(row) for row in rows]

    def receipts(self, ids: Sequence[str]) -> dict[str, Receipt]:
        """What became of messages; ids that Expo does not know (yet, or any more) are absent. At most MAX_RECEIPTS. Asking is harmless."""
        assert len(ids) <= MAX_RECEIPTS
        data = self._ask("receipts", "/getReceipts", {"ids": list(ids)})
        if not isinstance(data, dict):
            raise OutcomeUnknown(SERVICE, "receipts", "unreadable answer")
        return {str(name): Receipt(_error_of(row)) for name, row in data.items()}

    def close(self) -> None:
        self._http.close()

    def _ask(self, operation: str, path: str, body: object) -> Any:
        content = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if len(content) > _GZIP_FROM_BYTES:
            content, headers["Content-Encoding"] = gzip.compress(content, 6), "gzip"
        if self._access_token:
            headers["Authorization"] = f"Bearer {self._access_token}"
        with observe(SERVICE, operation) as seen, self.breaker.guard(operation):
            answer = self._http.send(operation, "POST", path, content=content, headers=headers)
            seen.detail = f"HTTP {answer.status}"
            return self._read(operation, answer)

    def _read(self, operation: str, answer: Answer) -> Any:
        refuse_unusable(SERVICE, operation, answer)
        try:
            read = answer.json()
        except ValueError:
            read = None
        if not isinstance(read, dict):
            if answer.status >= 400:
                raise Refused(SERVICE, operation, f"http_{answer.status}", http_status=answer.status)
            raise OutcomeUnknown(SERVICE, operation, "unreadable answer")
        if errors := read.get("errors"):
            self._refuse(operation, answer, errors)
        if answer.status >= 400:
            raise Refused(SERVICE, operation, f"http_{answer.status}", http_status=answer.status)
        return read.get("data")

    def _refuse(self, operation: str, answer: Answer, errors: object) -> None:
        """An answer that carries `errors` is a failure of the whole request, whatever its status."""
        first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
        code = harmless(first.get("code"))[:64] or "refused"
        if code in _LATER:
            raise Unavailable(SERVICE, operation, code, retry_after_seconds(answer.headers))
        details = first.get("details")
        if code == PROJECTS_MIXED and isinstance(details, dict):
            raise ProjectsMixed(
                {str(name): [str(token) for token in tokens] for name, tokens in details.items() if isinstance(tokens, list)}
            )
        raise Refused(SERVICE, operation, code, harmless(first.get("message"), self._access_token), answer.status)


def _ticket(row: object) -> Ticket:
    if not isinstance(row, dict):
        raise OutcomeUnknown(SERVICE, "send", "an unreadable ticket")
    if row.get("status") == "ok" and row.get("id"):
        return Ticket(str(row["id"])[:120])
    return Ticket(None, _error_of(row) or "Unknown")


def _error_of(row: object) -> str | None:
    if not isinstance(row, dict):
        return "Unknown"
    if row.get("status") == "ok":
        return None
    details = row.get("details")
    return harmless(details.get("error"))[:64] if isinstance(details, dict) and details.get("error") else "Unknown"
