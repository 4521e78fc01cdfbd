"""Which tests one worker runs together, in which order all are handed out (`--dist loadgroup`), and how many may be run twice.

Groups are by address alone: pytest-xdist 3.8 writes those of its own mark into something that pytest 9.2 no longer reads, and then hands
out every test by itself, without a word (pytest-xdist issue 1386).
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from _pytest.nodeid import coerce_node_id
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling

_HERE = Path(__file__).parent
MOST_RUN_TWICE = 6
"""So many tests of a run may fail once and pass the second time; with one more the run has failed."""


@cache
def group_of(module: str) -> str | None:
    """What has to stay together with the tests of this module (a path below the checkout); None where each may run anywhere.

    All browser tests share one product, and the faults of one must not meet another. A fixture of module scope is made for every worker
    that meets one of its tests, and most of them start processes.
    """
    if module.startswith("tests/browser/"):
        return "browser"
    return module if 'scope="module"' in (_HERE.parent / module).read_text(encoding="utf-8") else None


class Scheduling(LoadGroupScheduling):
    """Hands out groups whole and everything else by itself."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0]) or nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadGroupScheduling | None:
    if config.getoption("dist") != "loadgroup":
        return None
    config.option.loadscopereorder = False  # else groups go first by their size, and not in the order below
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Nothing long begins last; and what fails is looked at twice.

    Ten processes of the product and a browser share two cores with the rest of the suite, and seven thousand tests run in an order that no
    two runs have alike. The report lists who needed a second run (`-r R`), which is a test to be mended; a fault of the product fails both.
    """
    _tell_apart(items)
    items.sort(key=_turn)
    for item in items:
        item.add_marker(pytest.mark.flaky(reruns=1))


def _tell_apart(items: list[pytest.Item]) -> None:
    """Each test has an address of its own, by which workers know it: of several of one address pytest-xdist runs one, without a word.

    Schemathesis 4.32 names an operation's test after the operation, which pytest 9.2 no longer takes into the address. Raises UsageError
    where two tests are still alike.
    """
    for item in items:
        if getattr(item, "operation_label", None) and item.parent is not None:
            item._id = coerce_node_id(f"{item.parent.nodeid}::{item.name}")  # type: ignore[attr-defined]
    alike = [address for address, number in Counter(item.nodeid for item in items).items() if number > 1]
    if alike:
        raise pytest.UsageError(f"several tests have the address {alike[0]}, of which only one would be run")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A second look is for the odd test: many of them are a fault that shows itself only now and then."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(session.config, "workerinput"):
        return
    twice = {report.nodeid for report in reporter.stats.get("rerun", ())}
    if len(twice) > MOST_RUN_TWICE:
        reporter.write_line(f"\n{len(twice)} tests were run twice, and a run may have {MOST_RUN_TWICE} such.", red=True)
        session.exitstatus = max(session.exitstatus, pytest.ExitCode.TESTS_FAILED)


def _turn(item: pytest.Item) -> int:
    """The browser tests are one long piece that mostly waits. Beside them run those that start no process of their own, then the drills and
    whole products; the rest is short and fills all workers up to the end.
    """
    if item.path.is_relative_to(_HERE / "browser"):
        return 0
    if item.path.is_relative_to(_HERE / "services"):
        return 1
    return 2 if item.get_closest_marker("stack") else 3
