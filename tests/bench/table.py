"""What a benchmark says: ratios measured in one run, each beside its goal (contract.md, `make bench`)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Result:
    name: str
    value: float
    unit: str
    goal: float | None
    better: Literal["higher", "lower"]

    @property
    def ok(self) -> bool:
        if self.goal is None:
            return True
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal


def report(results: list[Result], path: Path | None) -> bool:
    """Print the table and write it as JSON, if there is a path for it; answers whether every goal was met."""
    width = max(len(result.name) for result in results)
    print(f"{'measured':<{width}}  {'value':>10}  {'unit':<12}  {'goal':>10}")
    for result in results:
        sign = "" if result.goal is None else (">= " if result.better == "higher" else "<= ") + f"{result.goal:g}"
        verdict = "" if result.goal is None else "ok" if result.ok else "MISSED"
        print(f"{result.name:<{width}}  {result.value:>10.3f}  {result.unit:<12}  {sign:>10}  {verdict}")
    if path is not None:
        path.write_text(json.dumps([{**asdict(result), "ok": result.ok} for result in results], indent=2) + "\n")
    return all(result.ok for result in results)
