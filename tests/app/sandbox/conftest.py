from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness import PortalStub, SandboxClient, make_config, running_sandbox, serving


@pytest.fixture
def portal() -> Iterator[PortalStub]:
    stub = PortalStub()
    with serving(stub.app(), linger=True) as url:
        stub.url = url
        yield stub


@pytest.fixture
def sandbox(portal: PortalStub, tmp_path: Path) -> Iterator[SandboxClient]:
    """A sandbox without routers that sends its webhooks to the portal stub."""
    with running_sandbox(make_config(tmp_path, portal_url=portal.url, router_count=0), linger=True) as client:
        yield client


@pytest.fixture
def town(portal: PortalStub, tmp_path: Path) -> Iterator[SandboxClient]:
    """A sandbox with the demo routers, which poll the portal stub."""
    with running_sandbox(make_config(tmp_path, portal_url=portal.url), linger=True) as client:
        yield client
