"""Which tests one worker runs together, and in which order all are handed out (`--dist loadgroup`).

By address alone: pytest-xdist 3.8 writes the groups of its own mark into something that pytest 9.2 no longer reads, and then hands out
every test by itself, without a word (pytest-xdist issue 1386).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadGroupScheduling

_HERE = Path(__file__).parent
# Ten processes of the product and a browser on two cores that run the rest of the suite as well. The report lists who needed a second run
# (`-r R`); a fault of the product fails both.
_WHOLE_PRODUCTS = frozenset({"browser", "deploy", "drill"})


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
    """Nothing long begins last; and what many busy processes do together may be looked at twice."""
    items.sort(key=_turn)
    for item in items:
        if item.path.relative_to(_HERE).parts[0] in _WHOLE_PRODUCTS:
            item.add_marker(pytest.mark.flaky(reruns=1))


def _turn(item: pytest.Item) -> int:
    """The browser tests are one long piece that mostly waits. Beside them run those that start no process of their own, then the drills and
    whole products; the rest is short and fills all workers up to the end.
    """
    if item.path.is_relative_to(_HERE / "browser"):
        return 0
    if item.path.is_relative_to(_HERE / "services"):
        return 1
    return 2 if item.get_closest_marker("stack") else 3
