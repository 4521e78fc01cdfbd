"""The process itself: memory, processor time, open files, and its pool of database connections."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable

import psutil
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy.pool import QueuePool

from app import db
from app.release import release
from app.settings import get_settings

_LABELS = ("process",)


def own(process: str) -> Iterable[Metric]:
    """Figures of this process alone, under its name among the processes of the machine. They end with it."""
    seen = psutil.Process()
    with seen.oneshot():
        times = seen.cpu_times()
        memory, threads, started = seen.memory_info().rss, seen.num_threads(), seen.create_time()
        files = seen.num_fds()
    yield _gauge("inet_process_resident_bytes", "Memory the process holds", process, memory)
    yield _gauge("inet_process_open_files", "Files and sockets it has open", process, files)
    yield _gauge("inet_process_threads", "Threads it runs", process, threads)
    yield _gauge("inet_process_start_time_seconds", "When it was started, in seconds since 1970", process, started)
    spent = CounterMetricFamily("inet_process_cpu_seconds", "Processor time it used", labels=_LABELS)
    spent.add_metric([process], times.user + times.system)
    yield spent


def now() -> Iterable[Metric]:
    """Gauges that are summed over the processes of a machine."""
    build = GaugeMetricFamily("inet_build_info", "1 for each release that runs here", labels=["release"])
    build.add_metric([release()], 1)
    yield build
    with contextlib.suppress(OSError):
        disk = shutil.disk_usage(get_settings().data_dir)
        yield GaugeMetricFamily("inet_disk_free_bytes", "Room left on the disk of the data directory", value=disk.free)
        yield GaugeMetricFamily("inet_disk_size_bytes", "Size of that disk", value=disk.total)
    in_use, size = pool()
    yield GaugeMetricFamily("inet_db_pool_in_use", "Database connections that somebody uses now", value=in_use)
    yield GaugeMetricFamily("inet_db_pool_size", "Database connections that may be used at one time", value=size)


def pool() -> tuple[int, int]:
    """Connections in use, and how many may be; zeros before the first one is made."""
    made = db._engine.pool if db._engine is not None else None
    if not isinstance(made, QueuePool):
        return 0, 0
    in_use = made.checkedout()
    with contextlib.suppress(AttributeError):
        return in_use, made.size() + made._max_overflow
    return in_use, made.size()


def _gauge(name: str, text: str, process: str, value: float) -> Metric:
    metric = GaugeMetricFamily(name, text, labels=_LABELS)
    metric.add_metric([process], value)
    return metric
