"""httpx reads this machine's certificate authorities anew for every client: 40 ms of CPU, for each of thousands of clients in tests."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from typing import Any

import httpx
from httpx._transports import default


def read_once() -> None:
    """From now on all clients of this process that believe in the same authorities share what the first of them has read."""
    default.create_ssl_context = _shared


def _shared(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
    # A context of the caller's own is handed on as it is.
    if not isinstance(verify, bool) or cert is not None:
        return httpx.create_ssl_context(verify=verify, cert=cert, trust_env=trust_env)
    return _read(verify, trust_env, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache
def _read(verify: bool, trust_env: bool, *_named: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context(verify=verify, trust_env=trust_env)
