"""The audit's page knows every kind of record that the product writes about."""

from __future__ import annotations

import re
from pathlib import Path

from pages.audit import KINDS, changes_in_words
from services.audit.models import AuditEntry
from tests.conftest import NOON

ROOT = Path(__file__).parents[2]
_TARGET = re.compile(r'target=\("(\w+)"')


def test_every_kind_of_record_that_is_audited_can_be_chosen() -> None:
    sources = [path for folder in ("app", "services", "jobs", "pages") for path in (ROOT / folder).rglob("*.py")]
    written = {kind for path in sources for kind in _TARGET.findall(path.read_text(encoding="utf-8"))}
    assert {"staff", "api_token", "payment"} <= written
    assert written - set(KINDS) == set()


def test_what_changed_is_said_in_words_and_not_as_a_program_keeps_it() -> None:
    entry = AuditEntry(
        at=NOON,
        actor="staff:root@inet.demo",
        action="token.change",
        target_type="api_token",
        target_id="1",
        before={"is_active": True, "scopes": ["payments:read"]},
        after={"name": "Tills", "is_active": False, "scopes": ["payments:read", "vouchers:read"], "allowed_addresses": [], "note": None},
    )
    assert changes_in_words(entry) == (
        "name: Tills, is active: yes → no, scopes: payments:read → payments:read, vouchers:read, allowed addresses: none"
    )
