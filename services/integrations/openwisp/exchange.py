"""One question to OpenWISP: bounded, watched, repeated when nobody answered, and its status turned into an error of ours."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from app.outbound import CircuitBreaker, OutcomeUnknown, Refused, Unavailable, observe, retry_reads
from services.integrations.errors import harmless, retry_after_seconds
from services.integrations.http import Answer, HttpExchange
from services.integrations.openwisp.errors import SERVICE, Forbidden, MalformedAnswer, NotAuthorised, NotFound, Throttled

T = TypeVar("T")

# A peer that throttles without naming a time is not asked again by the next attempt of the same read.
THROTTLE_SECONDS = 60.0


class OpenWispHttp:
    """Asks with the token, below one base address only: links in answers are never followed. Synchronous and thread-safe."""

    def __init__(self, base_url: str, token: str, *, timeout_seconds: float, breaker: CircuitBreaker, read_attempts: int) -> None:
        self.breaker = breaker
        self._token = token.strip()
        self._http = HttpExchange(SERVICE, base_url, timeout_seconds=timeout_seconds)
        self._repeated = retry_reads(attempts=read_attempts, timeout=timeout_seconds * 1.5)

    def get(self, operation: str, path: str, params: Mapping[str, str], read: Callable[[Any], T]) -> T:
        """What `read` makes of the JSON. Raises the errors of `openwisp.errors`, Unavailable, or Refused for other 4xx."""
        return self._repeated(self._ask)(operation, path, params, read)

    def close(self) -> None:
        self._http.close()

    def _ask(self, operation: str, path: str, params: Mapping[str, str], read: Callable[[Any], T]) -> T:
        if not (self._token and self._token.isascii() and self._token.isprintable()):
            raise NotAuthorised(operation, None)
        with observe(SERVICE, operation) as seen, self.breaker.guard(operation):
            answer = self._send(operation, path, params)
            seen.detail = f"HTTP {answer.status}"
            self._refuse(operation, answer)
            try:
                return read(answer.json())
            except ValidationError as error:
                raise MalformedAnswer(SERVICE, operation, f"unexpected answer: {_where(error)}") from None
            except ValueError:
                raise MalformedAnswer(SERVICE, operation, f"unreadable answer (HTTP {answer.status})") from None

    def _send(self, operation: str, path: str, params: Mapping[str, str]) -> Answer:
        try:
            return self._http.send(operation, "GET", path, params=params, headers={"Authorization": f"Bearer {self._token}"})
        except OutcomeUnknown as error:
            # A read that got no answer has done nothing.
            raise Unavailable(SERVICE, operation, error.detail) from None

    def _refuse(self, operation: str, answer: Answer) -> None:
        status = answer.status
        if status == 429:
            raise Throttled(operation, retry_after_seconds(answer.headers) or THROTTLE_SECONDS)
        if status == 408 or status >= 500:
            raise Unavailable(SERVICE, operation, f"HTTP {status}", retry_after_seconds(answer.headers))
        if status == 404:
            raise NotFound(operation, by_api=bool(_detail_of(answer)))
        if 300 <= status < 400:
            raise MalformedAnswer(SERVICE, operation, f"sent elsewhere (HTTP {status}); check INET_OPENWISP_BASE_URL")
        if answer.is_html:
            raise MalformedAnswer(SERVICE, operation, f"a page instead of an answer (HTTP {status})")
        if status == 401:
            raise NotAuthorised(operation)
        if status == 403:
            raise Forbidden(operation)
        if status >= 400:
            raise Refused(SERVICE, operation, f"http_{status}", harmless(_detail_of(answer), self._token), status)


def _detail_of(answer: Answer) -> str:
    try:
        data = answer.json()
    except ValueError:
        return ""
    detail = data.get("detail") if isinstance(data, dict) else None
    return detail if isinstance(detail, str) else ""


def _where(error: ValidationError) -> str:
    """The place and kind of the first fault. Never the value: it may be a device's key."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(part for part in (str(part) for part in first["loc"]) if part.isidentifier() or part.isdigit())
    return f"{place or 'the whole'} ({first['type']})"
