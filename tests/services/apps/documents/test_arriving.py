"""Whatever changes a document is noted for each who holds it: every table that feeds one, also where it is only shown within it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from services.apps.callers import Caller
from services.tickets import changes
from services.tickets.models import Channel, MessageKind
from tests.conftest import NOON
from tests.services.apps.documents.world import CARE, World, a_world
from tests.services.apps.syncing import standing

_SQL = {
    "customer": "UPDATE customer SET name = 'Awa' WHERE id = :customer",
    "package": "UPDATE package SET is_on_sale = false",
    "package version": "UPDATE package SET current_version = 2; INSERT INTO package_version (package_id, version, name, amount_bututs,"
    " duration_seconds, down_kbps, up_kbps, device_limit, validity_days, created_at) SELECT id, 2, 'New', 100, 60, 0, 0, 1, 1, now()"
    " FROM package",
    "payment": "UPDATE payment SET status = 'expired' WHERE id = :payment",
    "checkout": "UPDATE checkout SET launch_url = 'https://pay.wave.com/c/cos-2' WHERE payment_id = :payment",
    "voucher": "UPDATE voucher SET customer_id = :stranger WHERE id = :voucher",
    "entitlement": "UPDATE entitlement SET bytes_used = 5",
    "device slot": "UPDATE device_slot SET released_at = now()",
    "access session": "UPDATE access_session SET bytes_down = 7",
    "device": "UPDATE device SET last_mac = '02:00:00:bb:00:51'",
    "device of nobody": "UPDATE device SET customer_id = NULL",
    "phone": "UPDATE app_device SET name = 'Old phone'",
    "phone logged out": "UPDATE app_device SET revoked_at = now()",
    "ticket": "UPDATE ticket SET subject = 'Slow' WHERE id = :ticket",
    "ticket of another": "UPDATE ticket SET customer_id = :stranger, assignee_id = :other_tech WHERE id = :ticket",
    "message moved": "UPDATE ticket_message SET ticket_id = :done, said_in_id = :ticket WHERE ticket_id = :ticket",
    "message blanked": "UPDATE ticket_message SET body = '' WHERE ticket_id = :ticket",
    "attachment": "UPDATE attachment SET file = NULL, why = 'gone' WHERE ticket_id = :ticket",
    "attachment deleted": "DELETE FROM attachment",
    "rating": "UPDATE ticket_rating SET score = 1",
    "visit": "UPDATE visit SET state = 'on_the_way'",
    "visit check": "DELETE FROM visit_check",
    "part": "UPDATE part_used SET quantity = 2",
    "confirmation": "UPDATE visit_confirmation SET works = false",
    "checklist": "INSERT INTO checklist (category, items, changed_by, changed_at)"
    """ VALUES ('connectivity', '[{"key": "mast", "text": "Mast stands"}]', 'x', now())""",
    "site": "UPDATE site SET name = 'New market' WHERE id = :site",
    "gateway": "UPDATE gateway SET name = 'Gate' WHERE id = :gateway",
    "gateway moved": "UPDATE gateway SET site_id = NULL WHERE id = :gateway",
    "access point": "UPDATE access_point SET firmware = '24.10'",
    "health period": "UPDATE health_period SET state = 'online'",
    "health period deleted": "DELETE FROM health_period",
    "incident": "UPDATE incident SET state = 'resolved', resolved_at = now()",
    "incident member": "UPDATE incident_member SET ended_at = now()",
    "staff": "UPDATE staff SET name = 'Lamin' WHERE id = :tech",
    "team": "UPDATE team SET name = 'South'",
    "on duty": "UPDATE team_member SET is_on_duty = false",
    "team left": "DELETE FROM team_member",
    "notice": "UPDATE notification SET read_at = now() WHERE id = :notice",
}
_ALSO_FOR_OTHERS = ("voucher", "ticket of another")
_CODE: dict[str, Callable[[Session, World], object]] = {
    "message": lambda session, world: changes.say(
        session, world.ticket, kind=MessageKind.REPLY, body="Better now?", channel=Channel.MOBILE, who=CARE, now=NOON
    ),
    "note": lambda session, world: changes.record(session, world.ticket, "visit", {"to": "on_site"}, who=CARE, now=NOON),
}


def _numbers(world: World) -> dict[str, int | None]:
    rows = {name: getattr(world, name).id for name in ("payment", "voucher", "site", "gateway", "ticket", "done", "notice")}
    people = {"tech": world.tech.technician().id, "other_tech": world.other_tech.technician().id}
    return rows | people | {"customer": world.customer.customer_id, "stranger": world.stranger.customer_id}


def _noted(session: Session, caller: Caller) -> set[tuple[str, str]]:
    wanted = sa.text("SELECT kind, CAST(entity_id AS text) FROM sync_change WHERE audience = ANY(:audiences)")
    return {(row[0], row[1]) for row in session.execute(wanted, {"audiences": list(caller.audiences)})}


@pytest.mark.parametrize("half", [0, 1])
def test_every_change_of_what_documents_are_made_of_is_noted(session: Session, half: int) -> None:
    world = a_world(session)
    callers = (world.customer, world.tech, world.stranger, world.other_tech)
    before = [standing(session, caller) for caller in callers]
    quiet, missed = [], {}
    for number, name in enumerate([*_SQL, *_CODE]):
        if number % 2 != half:
            continue
        point = session.begin_nested()
        session.execute(sa.text("DELETE FROM sync_change"))
        if name in _CODE:
            _CODE[name](session, world)
        else:
            for statement in _SQL[name].split(";"):
                wanted = sa.text(statement)
                session.execute(wanted, {key: value for key, value in _numbers(world).items() if f":{key}" in statement})
        changed = 0
        for caller, held in list(zip(callers, before, strict=True))[: 4 if name in _ALSO_FOR_OTHERS else 2]:
            now = standing(session, caller)
            differ = {key for key in held.keys() | now.keys() if held.get(key) != now.get(key)}
            changed += len(differ)
            if unnoted := differ - _noted(session, caller):
                missed[name] = unnoted
        quiet += [name] if not changed else []
        point.rollback()
        session.expire_all()
    assert not missed
    # A case that changes no document would show nothing.
    assert not quiet


def test_what_is_taken_away_is_noted_for_who_had_it(session: Session) -> None:
    world = a_world(session)
    for statement in ("UPDATE gateway SET site_id = NULL", "UPDATE ticket SET site_id = NULL", "UPDATE access_point SET site_id = NULL"):
        session.execute(sa.text(statement))
    session.execute(sa.text("UPDATE incident SET site_id = NULL"))
    session.execute(sa.text("DELETE FROM sync_change"))
    session.execute(sa.text("DELETE FROM site WHERE id = :id"), {"id": world.site.id})
    assert ("place", str(world.site.id)) in _noted(session, world.customer)
    assert ("site", str(world.site.id)) in _noted(session, world.tech)


def test_counters_that_routers_send_by_the_minute_wake_nobody(session: Session) -> None:
    a_world(session)
    session.execute(sa.text("DELETE FROM sync_change"))
    for statement in (
        "UPDATE gateway SET last_poll_at = now(), agent_counter = 5",
        "UPDATE access_session SET live_bytes_down = 5, live_at = now()",
        "UPDATE device SET last_seen_at = now()",
        "UPDATE app_device SET last_seen_at = now(), key_seen = 1",
        "UPDATE staff SET last_login_at = now()",
        "UPDATE team_member SET last_given_at = now()",
    ):
        session.execute(sa.text(statement))
    assert session.execute(sa.text("SELECT count(*) FROM sync_change")).scalar_one() == 0
