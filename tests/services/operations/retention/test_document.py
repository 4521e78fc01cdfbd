"""docs/personal-data.md says what the rules say."""

from __future__ import annotations

from pathlib import Path

from services.operations.retention import document

DOCUMENT = Path(__file__).parents[4] / "docs" / "personal-data.md"


def test_the_document_is_what_the_rules_are() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    between = text.partition(document.BEGIN)[2].partition(document.END)[0]
    assert between.strip() == document.tables(), "write it anew: services/operations/retention/document.py"
