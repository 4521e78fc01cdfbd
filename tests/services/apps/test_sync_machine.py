"""Transactions that begin, change, commit and are undone in any order on several connections, with phones that sync in between."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from app.db import transaction
from tests.conftest import NOON
from tests.depth import examples
from tests.services.apps.syncing import MOVED, SEEN, Phone, a_customer, a_device, a_mac, standing

_CONNECTIONS = 3
_NEW = sa.text("INSERT INTO device (customer_id, created_at, last_seen_at) VALUES (:owner, :now, :now) RETURNING id")


class Syncing(RuleBasedStateMachine):
    """Two customers, whose devices change and pass between them, and a phone of each. What one transaction has changed no other touches
    until it ends: it would wait."""

    engine: sa.Engine

    def __init__(self) -> None:
        super().__init__()
        with transaction() as session:
            self.phones = [Phone(a_customer(session)) for _ in range(2)]
            self.devices = [a_device(session, self.phones[number % 2].caller) for number in range(4)]
        self.connections = [self.engine.connect() for _ in range(_CONNECTIONS)]
        self.touched: list[set[int]] = [set() for _ in range(_CONNECTIONS)]
        self.made: list[list[int]] = [[] for _ in range(_CONNECTIONS)]

    def _take(self, connection: int, device: int) -> bool:
        if any(device in others for number, others in enumerate(self.touched) if number != connection):
            return False
        self.touched[connection].add(device)
        return True

    @rule(connection=st.integers(0, _CONNECTIONS - 1), which=st.integers(0, 30))
    def change(self, connection: int, which: int) -> None:
        device = self.devices[which % len(self.devices)]
        if self._take(connection, device):
            self.connections[connection].execute(SEEN, {"mac": a_mac(), "id": device})

    @rule(connection=st.integers(0, _CONNECTIONS - 1), which=st.integers(0, 30), to=st.sampled_from([0, 1, None]))
    def hand_over(self, connection: int, which: int, to: int | None) -> None:
        device = self.devices[which % len(self.devices)]
        if self._take(connection, device):
            owner = self.phones[to].caller.customer_id if to is not None else None
            self.connections[connection].execute(MOVED, {"owner": owner, "id": device})

    @rule(connection=st.integers(0, _CONNECTIONS - 1), to=st.integers(0, 1))
    def add(self, connection: int, to: int) -> None:
        owner = self.phones[to].caller.customer_id
        self.made[connection].append(self.connections[connection].execute(_NEW, {"owner": owner, "now": NOON}).scalar_one())

    @rule(connection=st.integers(0, _CONNECTIONS - 1), keep=st.booleans())
    def end(self, connection: int, keep: bool) -> None:
        if keep:
            self.connections[connection].commit()
            self.devices += self.made[connection]
        else:
            self.connections[connection].rollback()
        self.touched[connection], self.made[connection] = set(), []

    @rule(phone=st.integers(0, 1), limit=st.integers(1, 4), lost=st.booleans())
    def ask(self, phone: int, limit: int, lost: bool) -> None:
        self.phones[phone].ask(limit=limit, answer_is_lost=lost)

    @rule(phone=st.integers(0, 1), chance=st.integers(0, 7))
    def forget_the_cursor(self, phone: int, chance: int) -> None:
        """Rarely: a phone that starts over is healed of what it missed."""
        if chance == 7:
            self.phones[phone].cursor = None

    @rule(phone=st.integers(0, 1))
    def holds_what_stands(self, phone: int) -> None:
        """Once in step, whatever is open meanwhile."""
        self.phones[phone].sync(limit=3)
        with transaction() as session:
            assert self.phones[phone].held == standing(session, self.phones[phone].caller)

    def teardown(self) -> None:
        for connection in range(_CONNECTIONS):
            self.end(connection, keep=connection != 1)
            self.connections[connection].close()
        for phone in range(2):
            self.holds_what_stands(phone)


@pytest.mark.timeout(120)
def test_phones_always_end_with_what_stands(database: sa.Engine) -> None:
    Syncing.engine = database
    run_state_machine_as_test(
        Syncing,
        settings=settings(max_examples=examples(12), stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)),
    )
