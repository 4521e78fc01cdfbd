"""Which step boundaries the product has: read from its source, so that a new one cannot stay undrilled."""

from __future__ import annotations

import re
from pathlib import Path

_PROJECT = Path(__file__).parents[2]
_CALL = re.compile(r'boundary\((f?)"([^"]+)"\)')
_STEP = re.compile(r'name: ClassVar\[str\] = "(\w+)"')
# Drills of their own die there: tests/drill/mail.py, tests/drill/photos.py, and the phones that play against the server.
# A batch of the drill is one chunk: between chunks, a making process dies in tests/services/vouchers/batches.
_ELSEWHERE = ("mail.", "photo.", "mutation.", "batch.chunk_", "restore.")


def all_boundaries() -> list[str]:
    """Every name that the product hands to `app.failpoints.boundary`, `{step.name}` filled in for each step."""
    steps = _STEP.findall((_PROJECT / "services/payments/steps.py").read_text(encoding="utf-8"))
    found: list[str] = []
    for folder in ("services", "portal", "jobs"):
        for path in sorted((_PROJECT / folder).rglob("*.py")):
            for is_made, name in _CALL.findall(path.read_text(encoding="utf-8")):
                if name.startswith(_ELSEWHERE):
                    continue
                found += [name.replace("{step.name}", step) for step in steps] if is_made else [name]
    return found
