"""Staff's word on where things are: it stands until staff takes it back, nobody overwrites another's, and two sites become one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from app.errors import Forbidden, InvalidInput, Stale
from services.access.errors import GatewayNotFound
from services.access.models import Gateway
from services.accounts.models import Role
from services.audit.models import AuditEntry
from services.network import desk, merging
from services.network.access_point_queries import AccessPointNotFound
from services.network.desk import AccessPointChanges, SiteChanges, SiteNameTaken
from services.network.incident_models import Incident, IncidentState
from services.network.merging import BothSitesDown
from services.network.models import AccessPoint, SetBy, Site
from services.network.site_queries import SiteNotFound
from tests.conftest import NOON
from tests.factories import make_gateway, staff
from tests.services.network.places import make_access_point, make_site

ROOT = staff()


def change(session: Session, point: AccessPoint, changes: AccessPointChanges, revision: str | None = None) -> AccessPoint:
    assert point.id is not None
    return desk.change_access_point(session, actor=ROOT, access_point_id=point.id, changes=changes, expected_revision=revision, now=NOON)


def edit(session: Session, site: Site, changes: SiteChanges, revision: str | None = None) -> Site:
    assert site.id is not None
    return desk.change_site(session, actor=ROOT, site_id=site.id, changes=changes, expected_revision=revision, now=NOON)


def merge(session: Session, source: Site, target: Site, revision: str | None = None) -> Site:
    assert source.id is not None
    assert target.id is not None
    return merging.merge_sites(session, actor=ROOT, source_id=source.id, target_id=target.id, expected_revision=revision, now=NOON)


def preview(session: Session, source: Site, target: Site) -> merging.Merger:
    assert source.id is not None
    assert target.id is not None
    return merging.preview_merger(session, actor=ROOT, source_id=source.id, target_id=target.id)


def an_incident(session: Session, site: Site, state: IncidentState = IncidentState.OPEN) -> Incident:
    over = None if state is IncidentState.OPEN else NOON
    incident = Incident(
        reference=f"I-{site.id}{state.value[:3]}", site_id=site.id, state=state, started_at=NOON, opened_at=NOON, resolved_at=over
    )
    session.add(incident)
    session.flush()
    return incident


def last_audit(session: Session) -> AuditEntry:
    return session.exec(select(AuditEntry).order_by(col(AuditEntry.id).desc()).limit(1)).one()


def test_what_staff_says_of_an_access_point_is_marked_as_theirs(session: Session) -> None:
    site, gateway, point = make_site(session), make_gateway(session), make_access_point(session)
    assert site.id is not None
    change(session, point, {"site_id": site.id, "gateway": gateway.slug})
    assert (point.site_id, point.site_set_by) == (site.id, SetBy.STAFF)
    assert (point.gateway_id, point.gateway_set_by) == (gateway.id, SetBy.STAFF)
    entry = last_audit(session)
    assert (entry.action, entry.target_id) == ("access_point.change", str(point.id))
    assert entry.after == {"site": site.name, "site_set_by": "staff", "gateway": gateway.slug, "gateway_set_by": "staff"}


def test_nowhere_is_an_answer_too(session: Session) -> None:
    point = make_access_point(session, site=make_site(session), gateway=make_gateway(session))
    change(session, point, {"site_id": None, "gateway": None})
    assert (point.site_id, point.gateway_id) == (None, None)
    assert (point.site_set_by, point.gateway_set_by) == (SetBy.STAFF, SetBy.STAFF)


def test_what_is_left_out_stays(session: Session) -> None:
    gateway = make_gateway(session)
    point = make_access_point(session, site=make_site(session), gateway=gateway)
    change(session, point, {"site_id": None})
    assert (point.gateway_id, point.gateway_set_by) == (gateway.id, SetBy.DISCOVERY)


def test_staff_lets_discovery_decide_again(session: Session) -> None:
    site = make_site(session)
    point = make_access_point(session)
    change(session, point, {"site_id": site.id})
    change(session, point, {"site_set_by": "discovery"})
    assert (point.site_id, point.site_set_by) == (site.id, SetBy.DISCOVERY)


@pytest.mark.parametrize("changes", [{"site_id": 1, "site_set_by": "discovery"}, {"gateway": "x", "gateway_set_by": "discovery"}], ids=str)
def test_two_contrary_wishes_at_once_are_refused(session: Session, changes: Any) -> None:
    with pytest.raises(InvalidInput):
        change(session, make_access_point(session), changes)


def test_a_change_meant_for_another_state_is_refused(session: Session) -> None:
    point = make_access_point(session)
    seen = point.revision
    change(session, point, {"site_id": make_site(session).id}, seen)
    with pytest.raises(Stale):
        change(session, point, {"site_id": None}, seen)


def test_a_health_poll_is_no_change_of_staffs(session: Session) -> None:
    point = make_access_point(session)
    seen = point.revision
    point.health_since = NOON + timedelta(hours=1)
    session.flush()
    change(session, point, {"site_id": None}, seen)


def test_what_is_not_there_cannot_be_chosen(session: Session) -> None:
    point = make_access_point(session)
    with pytest.raises(SiteNotFound):
        change(session, point, {"site_id": 10**12})
    with pytest.raises(GatewayNotFound):
        change(session, point, {"gateway": "no-such-router"})
    with pytest.raises(AccessPointNotFound):
        desk.change_access_point(session, actor=ROOT, access_point_id=10**12, changes={}, expected_revision=None, now=NOON)


@pytest.mark.parametrize("role", [Role.CUSTOMER_CARE, Role.FIELD_TECHNICIAN, Role.BILLING_OFFICER])
def test_who_may_only_look_changes_nothing(session: Session, role: Role) -> None:
    actor, site, other, point = staff(role), make_site(session), make_site(session), make_access_point(session)
    assert site.id is not None
    assert other.id is not None
    assert point.id is not None
    with pytest.raises(Forbidden):
        desk.change_access_point(session, actor=actor, access_point_id=point.id, changes={}, expected_revision=None, now=NOON)
    with pytest.raises(Forbidden):
        desk.change_site(session, actor=actor, site_id=site.id, changes={}, expected_revision=None, now=NOON)
    with pytest.raises(Forbidden):
        merging.merge_sites(session, actor=actor, source_id=site.id, target_id=other.id, expected_revision=None, now=NOON)


def test_a_site_is_renamed_and_put_on_the_map(session: Session) -> None:
    site = make_site(session)
    edit(session, site, {"name": " Tanji Lodge ", "address": "", "latitude": 13.35, "longitude": -16.79}, site.revision)
    assert (site.name, site.address, site.latitude, site.longitude) == ("Tanji Lodge", None, 13.35, -16.79)
    edit(session, site, {"latitude": None, "longitude": None})
    assert site.latitude is None
    assert last_audit(session).after == {"latitude": None, "longitude": None}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"address": "x" * 201}, "address"),
        ({"latitude": 13.4}, "longitude"),
        ({"longitude": -16.0}, "latitude"),
        ({"latitude": 91.0, "longitude": 0.0}, "latitude"),
        ({"latitude": 13.0, "longitude": 181.0}, "longitude"),
        ({"latitude": float("nan"), "longitude": 0.0}, "latitude"),
    ],
    ids=str,
)
def test_what_is_no_place_is_refused_at_its_field(session: Session, changes: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        edit(session, make_site(session), changes)
    assert refused.value.field == field


def test_two_sites_do_not_share_a_name(session: Session) -> None:
    one, other = make_site(session), make_site(session)
    with pytest.raises(SiteNameTaken):
        edit(session, other, {"name": one.name})


def test_merging_moves_everything_and_the_source_is_gone(session: Session) -> None:
    source, target = make_site(session), make_site(session)
    gateway, point = make_gateway(session), make_access_point(session, site=source)
    gateway.site_id = source.id
    incident = an_incident(session, source)
    source.external_id, source.latitude, source.longitude, source.address = "place-1", 13.4, -16.6, "Sayerr Jobe Avenue"
    session.flush()
    told = preview(session, source, target)
    assert (told.access_points, told.gateways, told.incidents) == (1, 1, 1)
    assert (told.place_moves, told.place_returns, told.position_moves) == (True, False, True)
    source_id = source.id
    merge(session, source, target, told.revision)
    session.expire_all()
    assert session.get(Site, source_id) is None
    for moved in (session.get(AccessPoint, point.id), session.get(Gateway, gateway.id), session.get(Incident, incident.id)):
        assert moved is not None
        assert moved.site_id == target.id
    assert (target.external_id, target.latitude, target.address) == ("place-1", 13.4, "Sayerr Jobe Avenue")
    assert session.get_one(AccessPoint, point.id).site_set_by is SetBy.DISCOVERY
    assert last_audit(session).action == "site.merge"


def test_where_openwisp_has_both_places_the_access_points_stay_where_staff_put_them(session: Session) -> None:
    source, target = make_site(session), make_site(session)
    point = make_access_point(session, site=source)
    source.external_id, target.external_id = "place-1", "place-2"
    session.flush()
    assert preview(session, source, target).place_returns
    merge(session, source, target)
    session.expire_all()
    assert target.external_id == "place-2"
    assert session.get_one(AccessPoint, point.id).site_set_by is SetBy.STAFF


def test_two_outages_under_way_are_not_thrown_together(session: Session) -> None:
    source, target = make_site(session), make_site(session)
    an_incident(session, source)
    an_incident(session, target)
    with pytest.raises(BothSitesDown):
        merge(session, source, target)


def test_an_outage_that_is_over_hinders_no_merging(session: Session) -> None:
    source, target = make_site(session), make_site(session)
    an_incident(session, source, IncidentState.RESOLVED)
    an_incident(session, target)
    merge(session, source, target)


def test_a_site_is_not_merged_with_itself_or_with_nothing(session: Session) -> None:
    site = make_site(session)
    with pytest.raises(InvalidInput):
        merge(session, site, site)
    with pytest.raises(SiteNotFound):
        merge(session, site, Site(id=10**12, name="nowhere"))


def test_a_merger_is_of_what_was_previewed(session: Session) -> None:
    source, target = make_site(session), make_site(session)
    seen = preview(session, source, target).revision
    make_access_point(session, site=source)
    with pytest.raises(Stale):
        merge(session, source, target, seen)
