"""What the two wires have in common: their interface, PortaBilling's faults, and the log-in session (portabilling.md §2, §3)."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from app.outbound import OutboundError, OutcomeUnknown, Refused, Unavailable
from services.integrations.errors import harmless
from services.integrations.portabilling.mapping import Operation

SERVICE = "portabilling"
LOGIN_HOLD_SECONDS = 60.0

_BARE_CODES = frozenset({"server", "soap:server", "soap-env:server", "env:server", "internal", "http"})
_TRANSIENT_WORDS = ("could not connect to host", "internal server error", "bad gateway", "timed out", "timeout")


class DuplicateAccount(Refused):
    """`add_account` met an id that is taken: after a lost answer, most likely by ourselves. Look it up and adopt it (§5)."""


class LoginRefused(Refused):
    """PortaBilling does not accept our user. An operator has to act; trying on would lock the user out (§3)."""


@dataclass(frozen=True)
class PortaLogin:
    """What a log-in gave us."""

    session_id: str = field(repr=False)
    access_token: str | None = field(default=None, repr=False)


class Wire(Protocol):
    """Carries one call. Raises Refused for a fault, OutcomeUnknown and Unavailable as `app.outbound` means them."""

    def call(self, operation: Operation, params: Mapping[str, Any], login: PortaLogin | None) -> Any:
        """The decoded answer as plain dicts, lists and scalars, None when it is empty."""
        ...

    def prepare(self, operation: Operation) -> None:
        """Fetch what is needed to speak at all (WSDL). Raises Unavailable, or Refused when the other side speaks otherwise."""
        ...

    def close(self) -> None: ...


def fault_error(operation: Operation, code: str | None, text: str | None, status: int, params: Mapping[str, Any]) -> Exception:
    """The exception for a fault. Its words are masked: PortaBilling likes to quote the account id, which is a voucher code."""
    words = harmless(text, *_strings(params))
    if _is_transient(code, text):
        return OutcomeUnknown(SERVICE, operation.method, f"transport fault (HTTP {status})")
    name = harmless(code, *_strings(params))[:80]
    refusal = DuplicateAccount if _is_duplicate(operation, code, text) else Refused
    return refusal(SERVICE, operation.method, name, words, status)


def is_auth_fault(refusal: Refused) -> bool:
    """True when the session, not the request, was refused: nothing was done and a new log-in may help (§3)."""
    if isinstance(refusal, DuplicateAccount | LoginRefused):
        return False
    code, text = refusal.code.lower(), refusal.message.lower()
    return refusal.http_status == 401 or "check_auth" in code or "auth_failed" in code or "authentif" in text or "authentic" in text


def _is_transient(code: str | None, text: str | None) -> bool:
    # Business faults have dotted codes. Anything else was made up on the way: zeep's "no code" (§6), SOAP stacks' bare "Server".
    if not code or code.lower() in _BARE_CODES:
        return not _is_about_session(text)
    return any(word in (text or "").lower() for word in _TRANSIENT_WORDS)


def _is_about_session(text: str | None) -> bool:
    # Old releases report an expired session by these words (sic) alone.
    return any(word in (text or "").lower() for word in ("authentif", "authentic"))


def _is_duplicate(operation: Operation, code: str | None, text: str | None) -> bool:
    if operation.method != "add_account":
        return False
    words = (text or "").lower()
    return "duplicate" in (code or "").lower() or "duplicate" in words or "already" in words


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, str):
        yield value


class LoginKeeper:
    """Holds the one session of this process. A refused log-in is not tried again for a minute, whoever asks. Thread-safe."""

    def __init__(self, log_in: Callable[[], PortaLogin], clock: Callable[[], float] = time.monotonic) -> None:
        self._log_in, self._clock = log_in, clock
        self._lock = threading.Lock()
        self._current: PortaLogin | None = None
        self._attempts = 0
        self._failure: OutboundError | None = None
        self._refused_at: float | None = None

    def current(self) -> PortaLogin:
        """The session, made now if there is none. Raises LoginRefused, or Unavailable when the log-in got no answer."""
        return self._newer_than(None)

    def renewed(self, stale: PortaLogin) -> PortaLogin:
        """A session newer than `stale`. Of several threads that saw the same one expire, only the first logs in."""
        return self._newer_than(stale)

    def _newer_than(self, stale: PortaLogin | None) -> PortaLogin:
        attempts_seen = self._attempts
        with self._lock:
            if self._current is not None and self._current is not stale:
                return self._current
            held = self._refused_at is not None and self._clock() - self._refused_at < LOGIN_HOLD_SECONDS
            if self._failure and (held or self._attempts != attempts_seen):
                # Whoever waited while another thread's log-in failed shares that failure, or they would all time out in turn.
                raise _login_failure(self._failure)
            return self._renew()

    def _renew(self) -> PortaLogin:
        self._current, self._failure, self._refused_at = None, None, None
        self._attempts += 1
        try:
            self._current = self._log_in()
        except OutboundError as error:
            self._failure = error
            self._refused_at = self._clock() if isinstance(error, Refused) else None
            raise _login_failure(error) from None
        return self._current


def _login_failure(error: OutboundError) -> OutboundError:
    if isinstance(error, Refused):
        return LoginRefused(SERVICE, error.operation, error.code, error.message, error.http_status)
    # Whatever became of the log-in, the operation that needed it was certainly not done.
    retry_after = error.retry_after if isinstance(error, Unavailable) else None
    breaker_open = isinstance(error, Unavailable) and error.breaker_open
    return Unavailable(SERVICE, error.operation, error.detail, retry_after, breaker_open)
