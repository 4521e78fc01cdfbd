"""What a list shows, as its address says it, and back."""

from __future__ import annotations

from pages.components.list_chips import in_words
from pages.components.list_pager import count_words
from pages.components.list_state import Amount, Choice, Day, ListState, read_state
from services.listing import COUNT_CAP, Listing, Walk

STATES = Choice("state", "State", {"open": "Open", "all": "All"})
FILTERS = (STATES, Choice("site", "Site", {"1": "Westfield"}), Day("from", "From"), Amount("least", "At least, D"))
DEFAULT = ListState(sort="created", filters={"state": "open"})
COLUMNS = ("code", "amount", "note")


def read(**query: str) -> ListState:
    return read_state(query, DEFAULT, FILTERS, ["created"], COLUMNS)


def test_an_address_says_all_that_is_shown_and_nothing_else() -> None:
    query = {"q": "83", "state": "all", "site": "1", "page": "3", "rows": "50", "sort": "created", "columns": "code,note"}
    assert read(**query).as_query(DEFAULT) == query
    assert read().as_query(DEFAULT) == {}


def test_columns_that_the_list_does_not_have_are_left_out_and_the_order_is_the_lists() -> None:
    assert read(columns="note,code,password").columns == ("code", "note")
    assert read(columns="").columns == read(columns="x").columns == ()


def test_only_what_was_chosen_narrows_and_can_be_taken_off() -> None:
    state = read(site="1", least="25")
    assert state.narrowing(DEFAULT) == {"site": "1", "least": "25"}
    assert state.without("site", DEFAULT).narrowing(DEFAULT) == {"least": "25"}
    closed = read(state="all", page="4")
    assert closed.narrowing(DEFAULT) == {"state": "all"}
    assert closed.without("state", DEFAULT) == DEFAULT


def test_what_narrows_is_said_in_words() -> None:
    said = [in_words(one, value) for one, value in zip(FILTERS, ("all", "1", "2026-11-23", "12.50"), strict=True)]
    assert said == ["All", "Westfield", "23 Nov 2026", "D 12.50"]


def test_the_number_of_matches_is_said_as_exactly_as_it_is_known() -> None:
    assert count_words(Listing((), 1), is_narrowed=True) == "1 match"
    assert count_words(Listing((), 1234), is_narrowed=True) == "1,234 matches"
    assert count_words(Listing((), 1234), is_narrowed=False) == "1,234 in the list"
    assert count_words(Listing((), COUNT_CAP, is_estimate=True), is_narrowed=True) == "more than 10,000 matches"


def test_a_list_that_is_walked_asks_for_the_walks_part() -> None:
    walk = Walk(limit=7)
    assert ListState(walk=walk).part is walk
    assert ListState(walk=walk) == ListState()
