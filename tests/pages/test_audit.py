"""The audit's page knows every kind of record that the product writes about."""

from __future__ import annotations

import re
from pathlib import Path

from pages.audit import KINDS

ROOT = Path(__file__).parents[2]
_TARGET = re.compile(r'target=\("(\w+)"')


def test_every_kind_of_record_that_is_audited_can_be_chosen() -> None:
    sources = [path for folder in ("app", "services", "jobs", "pages") for path in (ROOT / folder).rglob("*.py")]
    written = {kind for path in sources for kind in _TARGET.findall(path.read_text(encoding="utf-8"))}
    assert {"staff", "api_token", "payment"} <= written
    assert written - set(KINDS) == set()
