"""The walks share the product of all browser tests (tests/browser/conftest.py)."""

from __future__ import annotations

import pytest

from tests.browser.browsers import Browsers
from tests.browser.journeys.walk import Walk
from tests.browser.world import World


@pytest.fixture
def walk(request: pytest.FixtureRequest, world: World, browsers: Browsers) -> Walk:
    journey_id, screen, scheme = request.param
    return Walk(world, browsers, journey_id, screen, scheme)
