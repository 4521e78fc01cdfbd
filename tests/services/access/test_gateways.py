from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session

from services.access.errors import BadGateway, GatewayExists, GatewayNotFound
from services.access.gateways import add_gateway, faskey_of, gateway_by_slug, new_identity, router_identities, silent_after
from tests.conftest import NOON
from tests.factories import FASKEY, make_gateway

GOOD = {"slug": "airport-1", "gateway_name": "inet-3f9c2a7be1d04c58", "faskey": FASKEY, "level": 3}


@pytest.mark.parametrize(
    ("field", "named", "value"),
    [
        ("slug", "slug", "a"),
        ("slug", "slug", "Airport"),
        ("slug", "slug", "air port"),
        ("slug", "slug", "a/b"),
        ("slug", "slug", "-ab"),
        ("slug", "slug", "a" * 65),
        ("gateway_name", "name", "INET probe"),
        ("gateway_name", "name", "a'b\n"),
        ("gateway_name", "name", "abc"),
        ("faskey", "faskey", "1234567890"),
        ("faskey", "faskey", "k" * 65),
        ("faskey", "faskey", "k3yForProbe0123'"),
        ("level", "level", 2),
        ("level", "level", 1),
        ("level", "level", 0),
    ],
)
def test_a_router_that_would_be_unsafe_is_not_registered(session: Session, field: str, named: str, value: object) -> None:
    with pytest.raises(BadGateway) as refused:
        add_gateway(session, site_name=None, now=NOON, **(GOOD | {field: value}))  # type: ignore[arg-type]
    assert refused.value.field == named


def test_the_dossiers_gateway_hash_is_kept(session: Session) -> None:
    gateway = add_gateway(session, site_name=None, now=NOON, **GOOD)  # type: ignore[arg-type]
    assert gateway.gateway_hash == "2aacdcbd548b5a3d5f8a5de565d1f7c2ab2377531293c7d09d5b16f2e318733c"


def test_a_slug_or_a_name_is_registered_once(session: Session) -> None:
    add_gateway(session, site_name=None, now=NOON, **GOOD)  # type: ignore[arg-type]
    for changed in ({"slug": "airport-2"}, {"gateway_name": "inet-other"}):
        with pytest.raises(GatewayExists):
            add_gateway(session, site_name=None, now=NOON, **(GOOD | changed))  # type: ignore[arg-type]


def test_the_faskey_is_not_stored_in_clear_and_not_shown_by_accident(session: Session) -> None:
    gateway = make_gateway(session)
    identity = router_identities(session)[gateway.slug]
    assert FASKEY not in repr(gateway)
    assert FASKEY not in repr(identity)
    assert identity.keys == (FASKEY,)
    assert faskey_of(gateway) == FASKEY


@pytest.mark.parametrize("slug", ["", "unknown", "\x00", "a\x00b", "x" * 10_000, "é", "../x"])
def test_what_is_no_slug_is_simply_not_found(session: Session, slug: str) -> None:
    with pytest.raises(GatewayNotFound):
        gateway_by_slug(session, slug)


def test_a_new_routers_identity_is_accepted_and_random(session: Session) -> None:
    slug, name, faskey = new_identity()
    assert (slug, name, faskey) != new_identity()
    made = add_gateway(session, slug=slug, gateway_name=name, faskey=faskey, level=4, site_name=None, now=NOON)
    assert faskey_of(made) == faskey


def test_a_router_may_be_silent_for_three_polls_and_at_least_a_minute() -> None:
    assert silent_after(5) == silent_after(20) == timedelta(seconds=60)
    assert silent_after(30) == timedelta(seconds=90)


@pytest.mark.parametrize("seconds", [0, 60, -1])
def test_a_poll_interval_that_opennds_would_not_take_is_refused(session: Session, seconds: int) -> None:
    with pytest.raises(BadGateway) as refused:
        add_gateway(session, site_name=None, poll_seconds=seconds, now=NOON, **GOOD)  # type: ignore[arg-type]
    assert refused.value.field == "poll_seconds"
