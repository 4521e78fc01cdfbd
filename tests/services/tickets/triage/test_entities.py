from __future__ import annotations

import pytest

from services.tickets.triage.entities import Entity, EntityKind, KnownNames, find_entities
from services.vouchers.codes import new_code, show_code


def found(text: str, names: KnownNames | None = None) -> list[tuple[str, str]]:
    return [(str(entity.kind), entity.value) for entity in find_entities(text, names)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("call me on 301 2345 please", [("phone", "+220833012345")]),
        ("my number is 3012345.", [("phone", "+220833012345")]),
        ("+220 83 301 2345", [("phone", "+220833012345")]),
        ("00220833012345", [("phone", "+220833012345")]),
        ("833012345 is mine", [("phone", "+220833012345")]),
        ("device AA:BB:CC:11:22:33", [("mac", "aa:bb:cc:11:22:33")]),
        ("aa-bb-cc-11-22-33", [("mac", "aa:bb:cc:11:22:33")]),
        ("mac aabb.cc11.2233", [("mac", "aa:bb:cc:11:22:33")]),
        ("AABBCC112233", [("mac", "aa:bb:cc:11:22:33")]),
        ("I paid D50", [("money", "GMD 50.00")]),
        ("GMD 1,200 is gone", [("money", "GMD 1200.00")]),
        ("d25 and 75 dalasi", [("money", "GMD 25.00"), ("money", "GMD 75.00")]),
        ("D1,250.50", [("money", "GMD 1250.50")]),
        ("100D", [("money", "GMD 100.00")]),
        ("Wave T_4KQ8ZP2M done", [("payment_reference", "T_4KQ8ZP2M")]),
        ("transaction TCN4Y4ZC3FM", [("payment_reference", "TCN4Y4ZC3FM")]),
        ("session cos-18qq25rgr100a", [("payment_reference", "cos-18qq25rgr100a")]),
        ("my receipt number 7kr2m9xa", [("payment_reference", "7KR2M9XA")]),
        ("Reference: 90817263554", [("payment_reference", "90817263554")]),
        ("Test12345 and Tomorrow2026", []),
        ("write to Awa.Ceesay@example.gm", [("email", "awa.ceesay@example.gm")]),
        ("code ABCD-1234 refused", [("voucher", "ABCD-1234")]),
        ("no entities in here, only words like transformation and need reset after", []),
        ("version 4.2.1 of 2026-11-22 at 12:30", []),
        ("5G, 20 Mbps, 300 GB, 24 hours, D", []),
    ],
)
def test_spellings(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


def test_a_voucher_is_known_by_its_check_character_in_each_spelling() -> None:
    code = new_code()
    while not any(character.isdigit() for character in code):
        code = new_code()
    shown = show_code(code)
    for written in (code, shown, shown.replace("-", " "), shown.lower()):
        (entity,) = find_entities(f"it says {written} is wrong")
        assert (entity.kind, entity.value, entity.checked) == (EntityKind.VOUCHER, shown, True)


def test_a_mistyped_voucher_is_shown_as_not_checked() -> None:
    (entity,) = find_entities("my code is VK2P-7QW3M-XN8RT")
    assert (entity.kind, entity.checked) == (EntityKind.VOUCHER, False)


def test_places_and_access_points_are_those_that_were_handed_in() -> None:
    names = KnownNames(sites=("Serrekunda Market", "Brikama"), access_points=("AP-Market-2",))
    text = "At serrekunda  market the box ap market 2 is dark, and also in Brikama; not in Banjul"
    assert found(text, names) == [("place", "Serrekunda Market"), ("access_point", "AP-Market-2"), ("place", "Brikama")]
    assert found(text) == []


def test_each_stretch_is_claimed_once_and_says_where_it_stood() -> None:
    text = "Device 00:11:22:33:44:55 of 301 2345"
    entities = find_entities(text)
    assert [text[entity.start : entity.end] for entity in entities] == ["00:11:22:33:44:55", "301 2345"]
    assert all(isinstance(entity, Entity) for entity in entities)
    assert len(find_entities("D50 " * 5000)) == 50
