from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.vouchers import codes
from services.vouchers.codes import ALPHABET, new_code, new_codes, new_references, read_code, show_code
from services.vouchers.errors import MistypedCode

# As they are made: drawing from them shrinks nothing, and a code that fails is named by Hypothesis's own seed.
CODES = st.integers().map(lambda _: new_code())


def test_a_code_has_at_least_sixty_random_bits() -> None:
    # Of 900 pairs of neighbours two are never made.
    assert 13 * (math.log2(len(ALPHABET)) + math.log2(1 - 2 / len(ALPHABET) ** 2)) >= 60


def test_a_shown_code_is_read_back_in_any_spelling() -> None:
    code = new_code()
    for spelling in (code, show_code(code), show_code(code).lower(), f"  {code[:5]} {code[5:]} "):
        assert read_code(spelling) == code


@given(CODES, st.integers(0, 13), st.sampled_from(ALPHABET))
def test_any_single_wrong_character_is_noticed(code: str, position: int, wrong: str) -> None:
    if code[position] == wrong:
        return
    with pytest.raises(MistypedCode):
        read_code(code[:position] + wrong + code[position + 1 :])


@given(CODES, st.integers(0, 12))
def test_any_two_neighbours_that_were_swapped_are_noticed(code: str, position: int) -> None:
    first, second = code[position : position + 2]
    if first == second:
        return
    with pytest.raises(MistypedCode):
        read_code(code[:position] + second + first + code[position + 2 :])


@given(CODES, st.integers(0, 13), st.sampled_from(ALPHABET))
def test_a_character_too_many_or_too_few_is_noticed(code: str, position: int, more: str) -> None:
    for text in (code[:position] + code[position + 1 :], code[:position] + more + code[position:]):
        with pytest.raises(MistypedCode):
            read_code(text)


@given(st.text(max_size=80))
def test_no_text_is_taken_for_a_code_by_more_than_chance(text: str) -> None:
    try:
        read = read_code(text)
    except MistypedCode:
        return
    assert len(read) == 14


def test_many_codes_are_as_many_as_asked_for_and_all_different() -> None:
    for count in (0, 1, 999, 1000, 1001, 2500):
        made = list(new_codes(count))
        assert len(set(made)) == count
        assert [read_code(code) for code in made] == made
        assert len(list(new_references(count, 10))) == count


def test_no_character_is_likelier_than_another() -> None:
    """Chi squared over 29 degrees of freedom: by chance above 80 once in a million runs."""
    drawn = Counter("".join(new_references(30_000, 10)))
    expected = 300_000 / len(ALPHABET)
    assert set(drawn) == set(ALPHABET)
    assert sum((found - expected) ** 2 / expected for found in drawn.values()) < 80


def test_the_end_of_a_code_has_the_mac_of_the_whole_code() -> None:
    code = new_code()
    assert codes.tail_mac(code) == codes.tail_mac(code[-5:]) == codes.tail_macs(code[-5:])[0]
    assert 0 <= codes.tail_mac(code) < 2**31
    assert codes.tail_mac(code) != codes.tail_mac(code[:-5])
