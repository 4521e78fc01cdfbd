"""While PostgreSQL is away the portal shows the prices that it saw last, and nobody buys by them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from html import unescape

import httpx
import orjson
import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app import db, redis
from app.clock import utc_now
from portal import last_prices, price_list
from portal.rendering import texts
from services.packages.models import Package
from services.packages.service import offers
from tests.conftest import free_port
from tests.factories import make_context, make_gateway, make_package

Outage = Callable[[], AbstractContextManager[None]]
_AWAY = texts()["start"]["away"]


@pytest.fixture(autouse=True)
def nothing_seen() -> Iterator[None]:
    last_prices.forget()
    yield
    last_prices.forget()


@pytest.fixture
def outage(session: Session) -> Outage:
    """Inside the block there is nobody where PostgreSQL should be."""

    @contextmanager
    def away() -> Iterator[None]:
        nobody = sa.create_engine(f"postgresql+psycopg://inet@127.0.0.1:{free_port()}/inet")
        db.use_bind(nobody)
        try:
            yield
        finally:
            bound = session.get_bind()
            assert isinstance(bound, sa.Connection)
            db.use_bind(bound)
            nobody.dispose()

    return away


def words(page: httpx.Response) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def test_the_start_page_shows_the_last_prices_and_says_that_buying_waits(phone: httpx.Client, session: Session, outage: Outage) -> None:
    package = make_package(session, name="Day", amount_bututs=5000)
    here = {"c": make_context(make_gateway(session, now=utc_now()), at=utc_now()).token()}
    assert _AWAY not in words(phone.get("/portal/", params=here))
    with outage():
        page = phone.get("/portal/", params=here)
        assert (page.status_code, "Day D 50" in words(page), _AWAY in words(page)) == (200, True, True)
        # Asked again by itself, with a script and without one.
        assert 'data-state="away"' in page.text
        assert 'http-equiv="refresh"' in page.text
        # The price at which one buys is PostgreSQL's to say.
        assert phone.get(f"/portal/buy/{package.public_id}", params=here).status_code == 503
    assert _AWAY not in words(phone.get("/portal/", params=here))


def test_at_a_hotspot_that_was_not_seen_yet_what_is_sold_everywhere_is_shown(phone: httpx.Client, session: Session, outage: Outage) -> None:
    make_package(session, name="Day", amount_bututs=5000)
    phone.get("/portal/")
    with outage():
        here = {"c": make_context(make_gateway(session, now=utc_now()), at=utc_now()).token()}
        assert "Day D 50" in words(phone.get("/portal/", params=here))


def test_without_a_list_seen_before_the_page_says_that_something_is_wrong(phone: httpx.Client, outage: Outage) -> None:
    with outage():
        assert phone.get("/portal/").status_code == 503


def test_the_price_list_of_programs_is_told_with_its_age(session: Session, outage: Outage) -> None:
    make_package(session, name="Day", amount_bututs=5000)

    async def ask() -> tuple[dict[str, object], str | None]:
        try:
            answer = await price_list.packages(limit=100, cursor=0, context=None)
            return orjson.loads(answer.body), answer.headers.get("age")
        finally:
            await redis.close_async()

    redis.client().flushall()
    fresh, age = asyncio.run(ask())
    assert (len(fresh["items"]), age) == (1, None)  # type: ignore[arg-type]
    # The list that is kept for all processes has run out.
    redis.client().flushall()
    with outage():
        assert asyncio.run(ask()) == (fresh, "0")


def test_a_sale_that_ended_meanwhile_is_not_shown(session: Session) -> None:
    now = utc_now()
    until = now + timedelta(minutes=1)
    package = make_package(session, name="Day")
    session.get_one(Package, package.id).on_sale_until = until

    last_prices.note(None, offers(session))
    seen, later = last_prices.last(None, now=now), last_prices.last(None, now=until + timedelta(seconds=1))
    assert seen is not None
    assert later is not None
    assert (len(seen.offers), len(later.offers)) == (1, 0)
