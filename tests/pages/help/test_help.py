"""The help says what the product does: its pages, its roles, its words, its keys, and the jobs that a browser walks."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
from nicegui.testing import User

import pages
from pages.help.about_pages import ABOUT
from pages.help.drawing import TALL, WIDE, Drawing, as_svg
from pages.help.finding import anchor, entries, find
from pages.help.guide import groups, listed_pages
from pages.help.journeys import JOURNEYS, journeys_of, picture_names
from pages.help.parts import PATH, PICTURES
from pages.help.role_guides import BY_SLUG, GUIDES
from pages.help.terms import TERMS
from pages.shell import PAGES
from services.accounts.models import Role
from services.accounts.permissions import ROLE_PERMISSIONS
from tests.pages.conftest import SignIn

_WALKS = Path(__file__).parents[2] / "browser" / "journeys"
# Read by people on slow lines, and by everybody who clones the repository.
MOST_BYTES = 3_000_000
_LINK = re.compile(r"\]\((/console[\w/-]*)\)")


@pytest.fixture(scope="module", autouse=True)
def _all_pages_are_known() -> None:
    for module in pages._MODULES:
        import_module(f"pages.{module}")


def test_every_page_says_what_it_is_for_and_no_page_is_described_that_is_gone() -> None:
    assert set(ABOUT) == set(PAGES)


def test_the_guide_shows_the_pages_in_the_order_of_the_menu() -> None:
    shown = listed_pages()
    assert groups(shown) == ("Start", "Shop", "Money", "Network", "Help", "Administration", "For everybody")
    assert {page.href for page in shown if page.href} == {path for path, page in PAGES.items() if page.permission and "{" not in path}


def test_the_guide_knows_who_may_open_a_page_from_the_table_of_permissions() -> None:
    for page in listed_pages():
        assert page.roles == tuple(role for role in Role if page.permission in ROLE_PERMISSIONS[role])


def test_everybody_may_open_every_page_of_the_help() -> None:
    of_the_help = [page for page in listed_pages() if (page.href or "").startswith(PATH)]
    assert len(of_the_help) >= 7
    assert all(set(page.roles) == set(Role) for page in of_the_help)


@pytest.mark.parametrize("role", Role)
def test_each_role_has_a_guide_and_two_jobs(role: Role) -> None:
    assert [guide.role for guide in GUIDES].count(role) == 1
    assert len(journeys_of(role)) >= 2


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.slug)
def test_a_guide_leads_only_to_pages_that_its_role_may_open(guide) -> None:  # type: ignore[no-untyped-def]
    for path in _LINK.findall(" ".join((*guide.day, *guide.rules))):
        permission = PAGES[path].permission
        assert permission in ROLE_PERMISSIONS[guide.role], path


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.id)
def test_each_job_is_walked_by_a_browser_up_to_its_last_step(journey) -> None:  # type: ignore[no-untyped-def]
    walks = [body for body in _walks() if f"@walked('{journey.id}')" in body or f'walked("{journey.id}")' in body]
    assert len(walks) == 1
    said = [int(number) for number in re.findall(r"step\((\d+)\)", walks[0])]
    assert said == list(range(1, len(journey.steps) + 1))
    assert "walk.ends()" in walks[0]


def _walks() -> list[str]:
    found = []
    for file in sorted(_WALKS.glob("test_*.py")):
        text = file.read_text(encoding="utf-8")
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                decorators = "\n".join("@" + (ast.get_source_segment(text, one) or "") for one in node.decorator_list)
                found.append(f"{decorators}\n{ast.get_source_segment(text, node)}")
    return found


def test_every_picture_that_the_help_names_is_there_and_no_other() -> None:
    assert {file.stem for file in PICTURES.glob("*.webp")} == picture_names()


def test_the_pictures_weigh_little() -> None:
    assert sum(file.stat().st_size for file in PICTURES.iterdir()) <= MOST_BYTES


def test_a_word_is_found_by_its_beginning_and_with_a_typing_error() -> None:
    assert find("give money")[0].title == "Give money back, with a second person"
    assert "Refunds" in [entry.title for entry in find("refnds")]
    assert find("zzzzzzz") == []
    assert find("   ") == []


def test_whatever_is_found_has_a_page_to_open() -> None:
    slugs, ids = set(BY_SLUG), {journey.id for journey in JOURNEYS}
    for entry in entries():
        path, _, mark = entry.href.partition("#")
        assert path in PAGES or path.removeprefix(f"{PATH}/roles/") in slugs or path.removeprefix(f"{PATH}/journeys/") in ids
        assert not mark or mark in {anchor(term.name) for term in TERMS}


def test_each_word_is_explained_once() -> None:
    names = [anchor(term.name) for term in TERMS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("drawing", [WIDE, TALL], ids=["wide", "tall"])
def test_a_drawing_keeps_its_parts_apart_and_inside(drawing: Drawing) -> None:
    for box in drawing.boxes:
        assert 0 <= box.x <= box.x + box.w <= drawing.width
        assert 0 <= box.y <= box.y + box.h <= drawing.height
    boxes = sorted(drawing.boxes, key=lambda box: (box.y, box.x))
    for left, right in pairwise(boxes):
        assert left.x + left.w <= right.x or left.y + left.h <= right.y, (left.key, right.key)
    assert as_svg(drawing, "one").count("<rect") == len(drawing.boxes)


@pytest.mark.usefixtures("shop")
async def test_every_page_of_the_help_opens_for_a_technician(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.FIELD_TECHNICIAN)
    ways = [path for path in PAGES if path.startswith(PATH) and "{" not in path]
    ways += [f"{PATH}/roles/{slug}" for slug in BY_SLUG] + [f"{PATH}/journeys/{journey.id}" for journey in JOURNEYS]
    for path in ways:
        await user.open(path)
        for marker in ("not-allowed", "refused", "broken"):
            await user.should_not_see(marker=marker, retries=1)


@pytest.mark.usefixtures("shop")
async def test_a_job_or_a_role_that_is_not_there_is_said_so_calmly(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    for path in (f"{PATH}/journeys/nothing", f"{PATH}/roles/nobody"):
        await user.open(path)
        await user.should_see(marker="refused")


@pytest.mark.usefixtures("shop")
async def test_the_search_shows_ways_while_it_is_typed_and_its_address_shows_them_again(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(PATH)
    await user.should_see("For you as Customer Care")
    user.find(marker="help-search").type("gateway")
    await user.should_see("Add a gateway", retries=100)
    await user.open(f"{PATH}?q=gateway")
    await user.should_see("Add a gateway")
    user.find(marker="help-search").clear()
    await user.should_see("For you as Customer Care", retries=100)
