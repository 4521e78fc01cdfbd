"""HTTP from the sandbox to the product."""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any

import httpx


@cache
def _tls() -> ssl.SSLContext:
    # Loading the CA bundle takes longer than building all the rest of a client; two services need one each.
    return httpx.create_ssl_context()


def outgoing_client(**options: Any) -> httpx.AsyncClient:
    """A client that follows no redirect and heeds no proxy of the environment."""
    return httpx.AsyncClient(verify=_tls(), trust_env=False, follow_redirects=False, **options)
