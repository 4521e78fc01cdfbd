"""The network in the console: the map, the lists, one access point, one site, and setting right what is wrong about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, col, select

from app import redis
from app.db import in_transaction, transaction
from app.settings import get_settings
from pages.components.health_strip import share_text
from pages.network_parts import dot_of
from services.access.models import Gateway
from services.accounts.models import Role
from services.network.alarm_models import CheckKind, CheckOutcome, DiscoveryRun, NetworkCheck
from services.network.models import AccessPoint, Health, SetBy, Site
from services.network.site_queries import SiteOnMap
from services.network.uptime import Uptime
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import label, table, until
from tests.services.network.places import make_access_point, make_site, turn


@dataclass(frozen=True)
class _Network:
    site: int
    other: int
    up: int
    down: int
    gateway: str


@pytest.fixture
def network(database: sa.Engine, now: datetime) -> _Network:
    """Two sites; at one of them an access point that is up and one that is down, and a gateway with nearly the first one's MAC."""
    with transaction() as session:
        for role in Role:
            builders.a_staff(session, role, now=now)
        gateway = builders.a_gateway(session, now=now)
        site, other = make_site(session, "Tanji Lodge"), make_site(session, "Tanji Beach")
        site.latitude, site.longitude, site.address = 13.354, -16.798, "Tanji"
        up, down = (make_access_point(session, site=site, at=now - timedelta(days=2)) for _ in range(2))
        up.name, down.name = "ap-tanji-01", "ap-tanji-02"
        up.mac, gateway.mac = "02:0a:0b:0c:0d:10", "02:0a:0b:0c:0d:11"
        turn(session, down, Health.OFFLINE, now - timedelta(hours=1))
        session.flush()
        numbers = (site.id, other.id, up.id, down.id)
        return _Network(*(number or 0 for number in numbers), gateway=gateway.slug)


@pytest.fixture
def openwisp(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set up, though nothing answers there."""
    monkeypatch.setenv("INET_OPENWISP_BASE_URL", "http://127.0.0.1:9")
    get_settings.cache_clear()
    yield
    monkeypatch.undo()
    get_settings.cache_clear()


def point(session: Session, access_point_id: int) -> AccessPoint:
    return session.get_one(AccessPoint, access_point_id)


def href_of(user: User, marker: str) -> str:
    (found,) = user.find(marker=marker).elements
    return str(found.props["href"])


def choose(user: User, marker: str, value: object) -> None:
    (found,) = user.find(kind=ui.radio, marker=marker).elements
    assert value in found.options
    found.value = value


async def test_the_map_tells_what_is_down_and_asks_no_foreign_server(user: User, sign_in: SignIn, network: _Network) -> None:
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.open("/console/network")
    await user.should_see("1 online")
    await user.should_see("1 down")
    await user.should_see("ap-tanji-02")
    assert href_of(user, "down") == f"/console/access-points/{network.down}"
    (drawn,) = user.find(kind=ui.leaflet, marker="site-map").elements
    assert drawn.layers == []
    await user.should_see("has no position")


async def test_tiles_come_from_where_the_setting_says(
    user: User, sign_in: SignIn, network: _Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sign_in(Role.ROOT)
    monkeypatch.setattr(get_settings(), "map_tile_url", "https://tile.example.org/{z}/{x}/{y}.png")
    monkeypatch.setattr(get_settings(), "map_tile_attribution", "Those who drew it")
    await user.open("/console/network")
    (drawn,) = user.find(kind=ui.leaflet, marker="site-map").elements
    assert [layer.to_dict()["args"][0] for layer in drawn.layers] == ["https://tile.example.org/{z}/{x}/{y}.png"]
    await user.should_see("Those who drew it")


def test_a_site_is_coloured_by_the_worst_of_what_stands_there() -> None:
    dot = dot_of(SiteOnMap(7, "Tanji", 13.3, -16.8, {Health.ONLINE: 12, Health.OFFLINE: 1, Health.DEGRADED: 1}))
    assert dot is not None
    assert (dot.tone, dot.words, dot.href) == ("bad", "Tanji: 13 of 14 up", "/console/sites/7")
    calm = dot_of(SiteOnMap(7, "Tanji", 13.3, -16.8, {Health.ONLINE: 2}))
    assert calm is not None
    assert calm.tone == "good"
    assert dot_of(SiteOnMap(7, "Tanji", None, None, {})) is None


def test_a_hundred_per_cent_is_said_only_of_what_was_never_down() -> None:
    assert share_text(Uptime(online=1_000_000, offline=1)) == "99.99 %"
    assert share_text(Uptime(online=1_000_000)) == "100.00 %"
    assert share_text(Uptime(unknown=5)) == "–"


async def test_without_openwisp_the_page_says_which_setting_is_missing(user: User, sign_in: SignIn, network: _Network) -> None:
    await sign_in(Role.ROOT)
    await user.open("/console/access-points")
    await user.should_see(marker="openwisp-missing")
    await user.should_see("INET_OPENWISP_BASE_URL")
    await user.should_not_see(marker="discover", retries=1)


@pytest.mark.usefixtures("openwisp")
async def test_a_failed_question_is_told_in_words(user: User, sign_in: SignIn, network: _Network, now: datetime) -> None:
    def fails(session: Session) -> None:
        words = "OpenWISP does not answer: timed out. The network stays as it was."
        check = NetworkCheck(kind=CheckKind.HEALTH, started_at=now, ended_at=now, outcome=CheckOutcome.UNREACHABLE, message=words)
        session.add(check)

    await in_transaction(fails)
    await sign_in(Role.ROOT)
    await user.open("/console/network")
    await user.should_see("The last health poll failed")
    await user.should_see("The network stays as it was.")


async def test_the_list_is_narrowed_by_its_address(user: User, sign_in: SignIn, network: _Network) -> None:
    await sign_in(Role.CUSTOMER_CARE)
    await user.open("/console/access-points?health=offline")
    assert [row["name"] for row in table(user, "access-points").rows] == ["ap-tanji-02"]
    await user.open(f"/console/access-points?site={network.other}")
    assert table(user, "access-points").rows == []
    await user.open("/console/access-points?linked=no&q=02:0A:0B:0C:0D:10")
    assert [row["name"] for row in table(user, "access-points").rows] == ["ap-tanji-01"]
    await user.open("/console/access-points?site=9999999999999999999999&show=nonsense")
    assert len(table(user, "access-points").rows) == 2


@pytest.mark.usefixtures("openwisp")
async def test_discovery_is_asked_for_and_its_end_is_seen(user: User, sign_in: SignIn, network: _Network, now: datetime) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/access-points")
    await user.should_see("Never run")
    user.find(marker="discover").click()
    await until(lambda: user.notify.contains("Asked."))
    assert redis.client().llen("rq:queue:bulk") == 1

    def ends(session: Session) -> None:
        session.add(NetworkCheck(kind=CheckKind.DISCOVERY, started_at=now, ended_at=now, outcome=CheckOutcome.DONE, done_at=now))
        words = "7 access points at 2 places: 1 new."
        examples = {"created": ["ap-new"]}
        run = DiscoveryRun(
            started_at=now,
            ended_at=now,
            outcome=CheckOutcome.DONE,
            message=words,
            created=3,
            examples=examples,
            asked_by="staff:a@inet.test",
        )
        session.add(run)

    await in_transaction(ends)
    await user.open("/console/access-points")
    assert label(user, "discovery-words") == "7 access points at 2 places: 1 new."
    await user.should_see("New: ap-new and 2 more")
    user.find(marker="discovery-history").click()
    await user.should_see(marker="runs", retries=50)
    await until(lambda: [row["by"] for row in table(user, "runs").rows] == ["a@inet.test"])


@pytest.mark.usefixtures("openwisp")
async def test_a_loss_is_believed_only_after_a_person_said_so(user: User, sign_in: SignIn, network: _Network, now: datetime) -> None:
    def loses(session: Session) -> None:
        session.add(NetworkCheck(kind=CheckKind.DISCOVERY, started_at=now, ended_at=now, outcome=CheckOutcome.SUDDEN_LOSS, message="Lost."))

    await in_transaction(loses)
    await sign_in(Role.ROOT)
    await user.open("/console/access-points")
    user.find(marker="accept-loss").click()
    await user.should_see("Are they really gone?", retries=50)
    user.find(marker="confirm").click()
    await until(lambda: user.notify.contains("Asked."))


async def test_an_access_point_tells_how_it_fares_and_fared(user: User, sign_in: SignIn, network: _Network) -> None:
    await sign_in(Role.ROOT)
    await user.open(f"/console/access-points/{network.down}")
    assert label(user, "health") == "Down"
    (strip,) = user.find(marker="health-strip").elements
    assert str(strip.props["innerHTML"]).count("<rect") == 2
    assert label(user, "uptime").startswith("Up 95.8")
    (span,) = user.find(kind=ui.toggle, marker="span").elements
    span.value = 7
    await until(lambda: label(user, "uptime").startswith("Up 97.9"))


async def test_staff_links_an_access_point_to_the_gateway_that_is_suggested(user: User, sign_in: SignIn, network: _Network) -> None:
    await sign_in(Role.ROOT)
    await user.open(f"/console/access-points/{network.up}")
    await user.should_see(marker="suggestions")
    user.find(marker="suggested").click()
    await user.should_see(marker="pick-gateway", retries=50)
    user.find(marker="submit").click()
    await until(lambda: user.notify.contains("Saved."))
    row = await in_transaction(point, network.up)
    gateway = await in_transaction(lambda session: session.exec(select(Gateway).where(Gateway.slug == network.gateway)).one())
    assert (row.gateway_id, row.gateway_set_by) == (gateway.id, SetBy.STAFF)
    await user.should_see(marker="set-by-staff", retries=50)
    user.find(marker="correct-gateway").click()
    await user.should_see(marker="give-back", retries=50)
    user.find(marker="give-back").click()
    await until(lambda: user.notify.contains("The next discovery decides."))
    assert (await in_transaction(point, network.up)).gateway_set_by is SetBy.DISCOVERY


async def test_staff_says_where_an_access_point_stands(user: User, sign_in: SignIn, network: _Network) -> None:
    await sign_in(Role.ROOT)
    await user.open(f"/console/access-points/{network.up}")
    user.find(marker="correct-site").click()
    await user.should_see(marker="pick-site", retries=50)
    user.find(marker="search-site").type("beach")
    await until(lambda: network.other in next(iter(user.find(kind=ui.radio, marker="pick-site").elements)).options)
    choose(user, "pick-site", network.other)
    user.find(marker="submit").click()
    await until(lambda: user.notify.contains("Saved."))
    row = await in_transaction(point, network.up)
    assert (row.site_id, row.site_set_by) == (network.other, SetBy.STAFF)


async def test_who_was_slower_is_told_that_somebody_else_was_there(user: User, sign_in: SignIn, network: _Network) -> None:
    await sign_in(Role.ROOT)
    await user.open(f"/console/access-points/{network.up}")
    user.find(marker="correct-site").click()
    await user.should_see(marker="pick-site", retries=50)

    def meanwhile(session: Session) -> None:
        row = point(session, network.up)
        row.site_id, row.site_set_by = network.other, SetBy.STAFF

    await in_transaction(meanwhile)
    user.find(marker="submit").click()
    await until(lambda: user.notify.contains("This was changed since you read it"))


async def test_who_may_only_look_sees_nothing_to_change_and_no_money(user: User, sign_in: SignIn, network: _Network) -> None:
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.open(f"/console/access-points/{network.up}")
    for marker in ("correct-site", "correct-gateway", "suggested"):
        await user.should_not_see(marker=marker, retries=1)
    await user.open(f"/console/sites/{network.site}")
    await user.should_see("Tanji Lodge")
    await user.should_not_see("Paid here", retries=1)
    for marker in ("edit-site", "merge-site"):
        await user.should_not_see(marker=marker, retries=1)


async def test_the_sites_tell_how_many_are_up(user: User, sign_in: SignIn, network: _Network) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open("/console/sites?q=tanji+lodge")
    (row,) = table(user, "sites").rows
    assert (row["points"]["text"], row["live"], row["position"]) == ("1 of 2 up", "0", "yes")


async def test_a_site_is_edited_and_what_is_wrong_is_said_at_its_field(user: User, sign_in: SignIn, network: _Network) -> None:
    await sign_in(Role.ROOT)
    await user.open(f"/console/sites/{network.other}")
    user.find(marker="edit-site").click()
    await user.should_see(marker="field-latitude", retries=50)
    user.find(marker="field-latitude").type("thirteen")
    user.find(marker="submit").click()
    (field,) = user.find(marker="field-latitude").elements
    await until(lambda: "degrees" in str(field.props.get("error-message")))
    user.find(marker="field-latitude").clear().type("13,35")
    user.find(marker="field-longitude").type("-16.79")
    user.find(marker="field-name").clear().type("Tanji Fish Market")
    user.find(marker="submit").click()
    await until(lambda: user.notify.contains("Saved."))
    site = await in_transaction(lambda session: session.get_one(Site, network.other))
    assert (site.name, site.latitude, site.longitude) == ("Tanji Fish Market", 13.35, -16.79)


async def test_two_sites_are_merged_after_seeing_what_happens(user: User, sign_in: SignIn, network: _Network) -> None:
    await sign_in(Role.ROOT)
    await user.open(f"/console/sites/{network.site}")
    user.find(marker="merge-site").click()
    await user.should_see(marker="pick-target", retries=50)
    user.find(marker="preview").click()
    await until(lambda: "Choose the site" in str(next(iter(user.find(marker="search-target").elements)).props.get("error-message")))
    await until(lambda: network.other in next(iter(user.find(kind=ui.radio, marker="pick-target").elements)).options)
    choose(user, "pick-target", network.other)
    user.find(marker="preview").click()
    await user.should_see("2 access points move to Tanji Beach.", retries=50)
    user.find(marker="merge").click()

    def is_gone() -> bool:
        return bool(user.back_history) and user.back_history[-1].endswith(f"/console/sites/{network.other}")

    await until(is_gone)
    rows = await in_transaction(lambda session: session.exec(select(AccessPoint).where(col(AccessPoint.site_id) == network.other)).all())
    assert {row.id for row in rows} == {network.up, network.down}


async def test_what_is_not_there_is_said_to_be_not_there(user: User, sign_in: SignIn, network: _Network) -> None:
    await sign_in(Role.ROOT)
    for path in ("access-points", "sites"):
        await user.open(f"/console/{path}/999999")
        await user.should_see(marker="refused")
