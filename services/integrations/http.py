"""One bounded HTTP exchange over a pooled httpx client, and the reading of its status; shared by the JSON providers."""

import json
import os
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

import httpx

from app.outbound import OutcomeUnknown, Unavailable, correlation_headers
from services.integrations.errors import httpx_outcomes, retry_after_seconds
from services.integrations.patience import bounded

CONNECT_SECONDS = 2.0
MAX_ANSWER_BYTES = 16 * 1024 * 1024
POOL_SIZE = 40


@dataclass(frozen=True)
class Answer:
    """A complete HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_html(self) -> bool:
        """True when something in front of the provider (proxy, load balancer) spoke instead of the provider."""
        return "html" in self.headers.get("Content-Type", "").lower() or self.body.lstrip()[:1] == b"<"

    def json(self) -> Any:
        """The decoded body. Raises ValueError for anything that is not JSON. Numbers with a point come as Decimal."""
        try:
            return json.loads(self.body, parse_float=Decimal, parse_constant=_no_constant)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class HttpExchange:
    """Sends single requests to one provider. Thread-safe, keeps connections alive, never follows redirects, never retries."""

    def __init__(self, service: str, base_url: str, *, timeout_seconds: float, ca_file: str | None = None) -> None:
        self._service, self._base_url = service, base_url.rstrip("/")
        self._timeout_seconds, self._ca_file = timeout_seconds, ca_file
        self._client, self._pid = self._open(), os.getpid()

    def send(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Raises Unavailable when nothing was sent and OutcomeUnknown when something was but no whole answer came back."""
        all_headers = {"Accept": "application/json", **correlation_headers(), **(headers or {})}
        # A peer that sends a byte now and then never trips the read time-out, hence a deadline for the whole answer.
        deadline = time.monotonic() + bounded(CONNECT_SECONDS + self._timeout_seconds)
        timeout = httpx.Timeout(bounded(self._timeout_seconds), connect=bounded(CONNECT_SECONDS))
        with (
            httpx_outcomes(self._service, operation),
            self._own_client().stream(
                method, self._base_url + path, content=content, params=params, headers=all_headers, timeout=timeout
            ) as response,
        ):
            body = bytearray()
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise OutcomeUnknown(self._service, operation, "answer too large")
                if time.monotonic() > deadline:
                    raise OutcomeUnknown(self._service, operation, "answer too slow")
            return Answer(response.status_code, response.headers, bytes(body))

    def close(self) -> None:
        self._client.close()

    def _own_client(self) -> httpx.Client:
        # After a fork (RQ's work-horse) the pooled sockets belong to the parent as well; two writers would mix their requests.
        if self._pid != os.getpid():
            self._client, self._pid = self._open(), os.getpid()
        return self._client

    def _open(self) -> httpx.Client:
        return httpx.Client(
            timeout=httpx.Timeout(self._timeout_seconds, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=POOL_SIZE, max_keepalive_connections=POOL_SIZE // 2, keepalive_expiry=15),
            verify=_tls(self._base_url.startswith("https:"), self._ca_file),
            trust_env=False,
        )


@lru_cache
def _tls(needed: bool, ca_file: str | None) -> ssl.SSLContext:
    # Loading the certificate authorities costs 25 ms of CPU, and a forked job opens its own clients: once per process tree.
    if not needed:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody
    return ssl.create_default_context(cafile=ca_file) if ca_file else httpx.create_ssl_context(trust_env=False)


def refuse_unusable(service: str, operation: str, answer: Answer) -> None:
    """Raise for the statuses that say the same with every provider: 429 (not done), 408, 5xx, redirects and foreign pages (unknown)."""
    status = answer.status
    if status == 429:
        raise Unavailable(service, operation, "too many requests (HTTP 429)", retry_after_seconds(answer.headers))
    if status == 408 or status >= 500 or 300 <= status < 400:
        raise OutcomeUnknown(service, operation, f"HTTP {status}")
    if answer.is_html:
        raise OutcomeUnknown(service, operation, f"a page instead of an answer (HTTP {status})")
