"""Promo codes for tests: each takes what the test is about and fills in the rest."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import Session

from services.packages import promos
from services.packages.promos import PromoRules, PromoView
from tests.conftest import NOON
from tests.factories import staff

DAY = timedelta(days=1)


def rules(**given: object) -> PromoRules:
    filled: dict[str, object] = {"valid_from": NOON - DAY, "valid_until": NOON + DAY}
    if not {"percent_off", "bututs_off"} & set(given):
        filled["percent_off"] = 20
    return promos.read_rules(filled | given)


def make_promo(session: Session, code: str = "TABASKI-20", **given: object) -> PromoView:
    return promos.make(session, actor=staff(), code=code, rules=rules(**given), now=NOON)
