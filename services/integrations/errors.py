"""Turning what the wire did into one of the three outcomes of `app.outbound`, in one place for all providers."""

import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
import requests
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from app.outbound import OutcomeUnknown, Unavailable

MAX_RETRY_AFTER_SECONDS = 3600.0
_MESSAGE_LENGTH = 200
_DIGITS = re.compile(r"\d(?:[ -]?\d){5,}")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\u00a0-\ud7ff]+")


def harmless(text: object, *secrets: str | None) -> str:
    """A provider's words made fit for logs and records: given secrets and long digit runs (phones, PINs) masked, one short line."""
    words = str(text or "")
    for secret in sorted((s for s in secrets if s and len(s) >= 4), key=len, reverse=True):
        words = words.replace(secret, "***")
    return _DIGITS.sub("***", _UNPRINTABLE.sub(" ", words)).strip()[:_MESSAGE_LENGTH]


def retry_after_seconds(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """The wait a `Retry-After` header asks for, in seconds or as an HTTP date, at most an hour; None without a usable one."""
    value = (headers.get("Retry-After") or "").strip()
    if re.fullmatch(r"\d{1,9}", value):
        return min(float(value), MAX_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    wait = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(wait, 0.0), MAX_RETRY_AFTER_SECONDS)


@contextmanager
def httpx_outcomes(service: str, operation: str) -> Iterator[None]:
    """Translate httpx's exceptions. The originals are dropped: their texts may quote addresses and contents."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
        raise Unavailable(service, operation, f"not connected ({type(error).__name__})") from None
    except httpx.HTTPError as error:
        raise OutcomeUnknown(service, operation, f"no usable answer ({type(error).__name__})") from None


@contextmanager
def requests_outcomes(service: str, operation: str) -> Iterator[None]:
    """Translate the exceptions of requests, which raises the same class for "refused" and for "hung up in the middle"."""
    try:
        yield
    except requests.RequestException as error:
        if _never_connected(error):
            raise Unavailable(service, operation, f"not connected ({type(error).__name__})") from None
        raise OutcomeUnknown(service, operation, f"no usable answer ({type(error).__name__})") from None


def _never_connected(error: requests.RequestException) -> bool:
    if isinstance(error, requests.ConnectTimeout | requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return True
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else None
    if isinstance(reason, NewConnectionError | ConnectTimeoutError):
        return True
    return bool(reason and reason.args and isinstance(reason.args[0], ssl.SSLCertVerificationError))
