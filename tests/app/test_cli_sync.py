"""`inet sync restart`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa

from app.db import transaction
from tests.services.apps.syncing import Phone, a_customer


def test_after_a_restart_by_hand_every_phone_is_told_everything_anew(database: sa.Engine) -> None:
    with transaction() as session:
        phone = Phone(a_customer(session))
    phone.sync()
    command = [sys.executable, "-m", "app.cli", "sync", "restart"]
    done = subprocess.run(
        command, env=dict(os.environ), cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True, timeout=60
    )
    assert "told everything anew" in done.stdout
    assert phone.ask().start_over
    with transaction() as session:
        assert session.execute(sa.text("SELECT action FROM audit_entry")).scalars().all() == ["sync.restart"]
