from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.vouchers.codes import ALPHABET, new_code, read_code, show_code
from services.vouchers.errors import MistypedCode


def test_a_code_has_at_least_sixty_random_bits() -> None:
    assert (len(new_code()) - 1) * math.log2(len(ALPHABET)) >= 60


def test_a_shown_code_is_read_back_in_any_spelling() -> None:
    code = new_code()
    for spelling in (code, show_code(code), show_code(code).lower(), f"  {code[:5]} {code[5:]} "):
        assert read_code(spelling) == code


@given(st.integers(0, 13), st.sampled_from(ALPHABET))
def test_any_single_wrong_character_is_noticed(position: int, wrong: str) -> None:
    code = new_code()
    if code[position] == wrong:
        return
    with pytest.raises(MistypedCode):
        read_code(code[:position] + wrong + code[position + 1 :])


@given(st.text(max_size=80))
def test_no_text_is_taken_for_a_code_by_more_than_chance(text: str) -> None:
    try:
        read = read_code(text)
    except MistypedCode:
        return
    assert len(read) == 14
