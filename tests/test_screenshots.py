"""Every page of the console is pictured: `make screenshots` looks at what this knows."""

from __future__ import annotations

from importlib import import_module

import pytest

import pages
from tests.browser.furnished import ADDRESSES
from tests.screenshots import addresses, name_of


@pytest.fixture(scope="module", autouse=True)
def _all_pages_are_known() -> None:
    for module in pages._MODULES:
        import_module(f"pages.{module}")


def test_every_page_with_a_record_on_it_has_one_to_be_pictured_with() -> None:
    from pages.shell import PAGES

    assert {path for path in PAGES if "{" in path} == set(ADDRESSES)


def test_each_page_has_a_picture_of_its_own() -> None:
    from pages.shell import PAGES

    assert len({name_of(path) for path in PAGES}) == len(PAGES)


def test_a_page_of_which_nothing_is_there_is_an_error_and_not_left_out() -> None:
    shown = {"/console": "/console", "/console/login": "/console/login", "/console/jobs/{job_id}": "/console/jobs/backup"}
    assert addresses(shown) == {"dashboard": "", "jobs-one": "/jobs/backup"}
    with pytest.raises(SystemExit, match=r"console/errors"):
        addresses({"/console/errors/{error_id}": None})
