"""Figures as plain data: how one process hands them to another, and how those of several become one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

Family = list[Any]
"""`[name, type, help, [[name of sample, labels, value], …]]`, as it stands in a file."""

OF_ONE_PROCESS = "inet_process_"
"""How the names of figures begin that end with their process, whatever they are."""
_COUNTED = ("counter", "histogram")
# Of these the largest counts where several processes say one; everything else of several processes is summed.
_LARGEST = frozenset({"inet_build_info", "inet_disk_free_bytes", "inet_disk_size_bytes"})


def plain(metrics: Iterable[Metric]) -> list[Family]:
    return [
        [one.name, one.type, one.documentation, [[sample.name, sample.labels, sample.value] for sample in one.samples]] for one in metrics
    ]


def counted(families: Iterable[Family]) -> list[Family]:
    """Those that only grow, and that stay counted when their process is gone."""
    return [family for family in families if family[1] in _COUNTED and not family[0].startswith(OF_ONE_PROCESS)]


class Sum:
    """Adds up families of several processes."""

    def __init__(self) -> None:
        self._heads: dict[str, tuple[str, str]] = {}
        self._values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}

    def add(self, families: Sequence[Family]) -> None:
        """Raises ValueError, TypeError or KeyError on what is no family; nothing of it is added then."""
        read = [
            (str(name), str(kind), str(text), [((str(sample), tuple(labels.items())), float(value)) for sample, labels, value in samples])
            for name, kind, text, samples in families
        ]
        for name, kind, text, samples in read:
            self._heads.setdefault(name, (kind, text))
            held = self._values.setdefault(name, {})
            for key, value in samples:
                held[key] = max(held.get(key, value), value) if name in _LARGEST else held.get(key, 0.0) + value

    def metrics(self) -> list[Metric]:
        found = []
        for name, (kind, text) in self._heads.items():
            metric = Metric(name, text, kind)
            metric.samples = [Sample(sample, dict(labels), value) for (sample, labels), value in self._values[name].items()]
            found.append(metric)
        return found


class _Given(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def as_text(metrics: Iterable[Metric]) -> bytes:
    """In Prometheus' text format, version 0.0.4."""
    return generate_latest(_Given(metrics))
