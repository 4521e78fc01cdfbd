from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.integrations.openwisp import OpenWispClient
from tests.conftest import Sandbox
from tests.services.network.openwisp import Clock, OpenWisp, client_of


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def openwisp(sandbox: Sandbox) -> OpenWisp:
    """The sandbox's OpenWISP with its demo network: 24 devices at 10 places."""
    return OpenWisp(sandbox)


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[OpenWispClient]:
    with client_of(sandbox) as opened:
        yield opened
