from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.accounts.errors import BadPhone
from services.accounts.phones import local_format, parse_phone, same_number

BOTH_FORMS = [
    ("+2203012345", "+220833012345"),
    ("+2205012345", "+220835012345"),
    ("+2207012345", "+220877012345"),
    ("+2202012345", "+220872012345"),
    ("+2204012345", "+220874012345"),
    ("+2206012345", "+220866012345"),
    ("+2209912345", "+220899912345"),
]


@pytest.mark.parametrize(("old", "new"), BOTH_FORMS)
def test_both_forms_of_a_number_are_one_person(old: str, new: str) -> None:
    assert parse_phone(old) == parse_phone(new)
    assert parse_phone(new).canonical == new
    assert parse_phone(new).legacy == old


@pytest.mark.parametrize(
    "typed",
    ["3012345", "301-2345", "301 2345", "00220 301 2345", "833012345", "+220 83 301 2345", "0301 2345", "+220 (0) 301 2345", "٣٠١٢٣٤٥"],
)
def test_what_people_type_is_read(typed: str) -> None:
    assert parse_phone(typed).canonical == "+220833012345"


@pytest.mark.parametrize("wrong", ["", "12", "+2201234567", "+220831234567", "+220873012345", "+220879999999", "hello", "3" * 40, "+"])
def test_what_is_no_number_is_refused(wrong: str) -> None:
    with pytest.raises(BadPhone):
        parse_phone(wrong)


def test_a_fixed_line_keeps_its_one_form() -> None:
    assert parse_phone("+2204212345").legacy is None


def test_a_foreign_number_is_taken_as_it_is() -> None:
    assert parse_phone("+221 77 123 45 67").canonical == "+221771234567"


def test_a_text_goes_to_the_old_form_only_while_it_works() -> None:
    phone = parse_phone("3012345")
    assert phone.sms_address(legacy_works=True) == "+2203012345"
    assert phone.sms_address(legacy_works=False) == "+220833012345"


def test_numbers_are_shown_as_people_write_them() -> None:
    assert local_format("+220833012345") == "83 301 2345"
    assert local_format("+2204212345") == "421 2345"
    assert local_format("+221771234567") == "+221771234567"


@given(st.text(max_size=40))
def test_no_input_does_more_than_be_refused(text: str) -> None:
    try:
        parsed = parse_phone(text)
    except BadPhone:
        return
    assert parsed.canonical.startswith("+")
    assert same_number(text, parsed.canonical)
