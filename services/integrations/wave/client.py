"""The HTTP client of Wave's Business API (wave.md §2, §4, §6)."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, TypeVar
from urllib.parse import quote

from app.outbound import CircuitBreaker, OutcomeUnknown, Refused, observe, retry_reads
from services.integrations.errors import harmless
from services.integrations.http import Answer, HttpExchange, refuse_unusable
from services.integrations.wave.values import (
    WaveSession,
    WaveTransaction,
    session_from_json,
    to_wave_amount,
    transaction_from_json,
)
from services.integrations.wave.webhook import sign

T = TypeVar("T")

SERVICE = "wave"
MAX_REFERENCE = 255
_SESSIONS = "/v1/checkout/sessions"


class WaveClient:
    """Synchronous and thread-safe. Every method raises OutcomeUnknown, Unavailable or Refused (`app.outbound`).

    Writes are tried once: Wave promises no idempotency (§1 fact 2), so after OutcomeUnknown the caller searches by reference.
    Reads are repeated up to `read_attempts` times.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout_seconds: float = 5.0,
        signing_secret: str | None = None,
        breaker: CircuitBreaker | None = None,
        read_attempts: int = 3,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.breaker = breaker or CircuitBreaker(SERVICE)
        self._api_key, self._signing_secret, self._clock = api_key, signing_secret, clock
        self._http = HttpExchange(SERVICE, base_url, timeout_seconds=timeout_seconds)
        self._repeated = retry_reads(attempts=read_attempts, timeout=timeout_seconds * 1.5)

    def create_session(self, *, amount_bututs: int, currency: str, client_reference: str, success_url: str, error_url: str) -> WaveSession:
        """Open a checkout. Raises ValueError for sums that are not whole dalasi and for a reference that is too long."""
        if not 0 < len(client_reference) <= MAX_REFERENCE:
            raise ValueError("client_reference must have 1 to 255 characters")
        order = {
            "amount": to_wave_amount(amount_bututs),
            "currency": currency,
            "client_reference": client_reference,
            "success_url": success_url,
            "error_url": error_url,
        }
        return self._call("create_session", "POST", _SESSIONS, body=order, read=session_from_json)

    def get_session(self, session_id: str) -> WaveSession | None:
        """The session as it is now, or None when Wave does not know it."""
        try:
            return self._repeated(self._call)("get_session", "GET", _session_path(session_id), read=session_from_json)
        except Refused as refusal:
            if refusal.http_status == 404:
                return None
            raise

    def find_sessions(self, client_reference: str) -> list[WaveSession]:
        """All sessions made with this reference: how a lost `create_session` answer is repaired (§4.1)."""
        found = self._repeated(self._call)(
            "find_sessions", "GET", f"{_SESSIONS}/search", params={"client_reference": client_reference}, read=_session_list
        )
        return [session for session in found if session.client_reference in (client_reference, None)]

    def expire_session(self, session_id: str) -> bool:
        """Close an open session. False when it is complete or expired already: read it to learn which."""
        try:
            self._call("expire_session", "POST", _session_path(session_id) + "/expire", read=_ignored, may_be_empty=True)
        except Refused as refusal:
            if refusal.http_status == 409:
                return False
            raise
        return True

    def refund_session(self, session_id: str) -> None:
        """Give the whole sum back. Harmless to repeat (§4); Refused with `checkout-refund-failed` when Wave cannot."""
        self._call("refund_session", "POST", _session_path(session_id) + "/refund", read=_ignored, may_be_empty=True)

    def transactions(self, day: date) -> Iterator[WaveTransaction]:
        """The wallet's movements of one UTC day, page by page as they are consumed."""
        params, seen = {"date": day.isoformat()}, set[str]()
        while True:
            rows, cursor = self._repeated(self._call)("transactions", "GET", "/v1/transactions", params=params, read=_page)
            yield from rows
            if cursor is None:
                return
            if cursor in seen:
                raise OutcomeUnknown(SERVICE, "transactions", "the same page was offered twice")
            seen.add(cursor)
            params = params | {"after": cursor}

    def close(self) -> None:
        self._http.close()

    def _call(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        read: Callable[[Any], T],
        body: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        may_be_empty: bool = False,
    ) -> T:
        content = json.dumps(body).encode() if body is not None else b""
        with observe(SERVICE, operation) as seen, self.breaker.guard(operation):
            answer = self._http.send(operation, method, path, content=content or None, params=params, headers=self._headers(content))
            seen.detail = f"HTTP {answer.status}"
            refuse_unusable(SERVICE, operation, answer)
            if answer.status >= 400:
                raise self._refusal(operation, answer)
            if may_be_empty and not answer.body.strip():
                return read({})
            try:
                return read(answer.json())
            except ValueError:
                raise OutcomeUnknown(SERVICE, operation, f"unreadable answer (HTTP {answer.status})") from None

    def _headers(self, content: bytes) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self._api_key}"}
        if content:
            headers["Content-Type"] = "application/json"
        if self._signing_secret:
            timestamp = str(int(self._clock()))
            headers["Wave-Signature"] = f"t={timestamp},v1={sign(self._signing_secret, timestamp, content)}"
        return headers

    def _refusal(self, operation: str, answer: Answer) -> Refused:
        code, message = _error_words(answer)
        secrets = (self._api_key, self._signing_secret)
        code = harmless(code, *secrets)[:64] or f"http_{answer.status}"
        return Refused(SERVICE, operation, code, harmless(message, *secrets), answer.status)


def _session_path(session_id: str) -> str:
    return f"{_SESSIONS}/{quote(session_id, safe='')}"


def _ignored(_: Any) -> None:
    return None


def _session_list(data: Any) -> list[WaveSession]:
    # An answer without the list must never pass for "no session": the caller would open a second one.
    rows = data.get("result") if isinstance(data, dict) else None
    if not isinstance(rows, list):
        raise ValueError("no result list")  # noqa: TRY004 - wrong data from outside, not a wrong argument
    return [session_from_json(row) for row in rows]


def _page(data: Any) -> tuple[list[WaveTransaction], str | None]:
    rows = data.get("items") if isinstance(data, dict) else None
    if not isinstance(rows, list):
        raise ValueError("no items")  # noqa: TRY004 - wrong data from outside, not a wrong argument
    info = data.get("page_info")
    more = isinstance(info, dict) and info.get("has_next_page") is True
    cursor = info.get("end_cursor") if more else None
    if more and not (isinstance(cursor, str) and cursor):
        raise ValueError("no cursor for the next page")
    return [transaction_from_json(row) for row in rows], cursor


def _error_words(answer: Answer) -> tuple[Any, Any]:
    """Code and message of the three error shapes that Wave documents (§2), empty when there is no JSON object."""
    try:
        data = answer.json()
    except ValueError:
        return "", answer.body.decode(errors="replace")
    if not isinstance(data, dict):
        return "", ""
    code = data.get("code") or data.get("error_code") or data.get("error")
    message = data.get("message") or data.get("error_message")
    return code, message
