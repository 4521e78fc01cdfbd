"""The portal's pages on a real port, once a test process."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from sqlmodel import Session

from app import redis
from tests.portal.served import served, web
from tests.portal.visiting import browser, portal_server

__all__ = ["served", "web"]


@pytest.fixture(scope="session")
def portal_url(servers: None) -> Iterator[str]:
    with portal_server() as url:
        yield url


@pytest.fixture
def phone(portal_url: str, session: Session) -> Iterator[httpx.Client]:
    """A phone's browser; what its visits change is rolled back with the test, and what earlier tests tried counts for nothing."""
    redis.client().flushall()
    with browser(portal_url) as client:
        yield client
