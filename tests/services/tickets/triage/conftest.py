"""The shipped triage, loaded once a test process: nothing here changes it."""

from __future__ import annotations

import pytest

from services.tickets.triage.encoder import Encoder, installed_encoder
from services.tickets.triage.engine import Triage, shipped


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    found = installed_encoder()
    assert found is not None, "the sentence encoder is a dependency; `make venv-test` installs it"
    return found


@pytest.fixture(scope="session")
def local() -> Triage:
    return shipped()


@pytest.fixture(scope="session")
def without_encoder(local: Triage) -> Triage:
    return Triage(local.model, None)
