"""An outage that is over and one that goes on, with people whose clocks stood: for tests of what is shown of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, select

from services.network import incident_news, incidents
from services.network.alarm_models import AlarmKind, CheckKind, CheckOutcome, NetworkCheck
from services.network.alarms import end_alarm, raise_alarm
from services.network.incident_models import Incident
from services.network.models import AccessPoint, Health, Site
from services.notifications.models import Notification
from tests.factories import make_gateway
from tests.services.access.online import online
from tests.services.network.places import make_access_point, make_site, turn

MINUTE = timedelta(minutes=1)
LOST = timedelta(minutes=45)


@dataclass(frozen=True)
class Outages:
    """`over` lasted 45 minutes and cost two customers time; `open` is of another site, where one customer's clock stands."""

    over: Incident
    open: Incident
    site: Site
    other_site: Site
    points: tuple[AccessPoint, ...]


def two_outages(session: Session, *, now: datetime) -> Outages:
    site, other = make_site(session, "Albert Market"), make_site(session, "=Brufut Beach")
    over, points = _outage(session, site, 2, ("+220833000901", "+220833000902"), at=now - 90 * MINUTE)
    for point in points:
        change = turn(session, point, Health.ONLINE, now - 90 * MINUTE + LOST)
        incidents.react(session, [change], now=now - 44 * MINUTE)
    _tell(session, over, now=now - 43 * MINUTE)
    still, more = _outage(session, other, 1, ("+220833000903",), at=now - 20 * MINUTE)
    session.flush()
    return Outages(over, still, site, other, (*points, *more))


def _outage(session: Session, site: Site, number: int, phones: tuple[str, ...], *, at: datetime) -> tuple[Incident, list[AccessPoint]]:
    gateway = make_gateway(session)
    points = [make_access_point(session, site=site, gateway=gateway, at=at - timedelta(days=2)) for _ in range(number)]
    for phone in phones:
        online(session, gateway=gateway, at=at - 10 * MINUTE, minutes=180, phone=phone)
    incidents.react(session, [turn(session, point, Health.OFFLINE, at) for point in points], now=at + MINUTE)
    return session.exec(select(Incident).where(Incident.site_id == site.id)).one(), points


def _tell(session: Session, incident: Incident, *, now: datetime) -> None:
    @contextmanager
    def begin() -> Iterator[Session]:
        yield session
        session.flush()

    assert incident.id is not None
    incident_news.tell(begin, incident.id, clock=lambda: now)
    # Nothing is sent from here: the texts are as they are while the gateway works on them.
    for message in session.exec(select(Notification)).all():
        message.next_attempt_at = None
    session.flush()


def some_alarms(session: Session, *, now: datetime) -> None:
    """One that stands, one that is over; a discovery that went well and a health poll that did not."""
    raise_alarm(session, AlarmKind.OPENWISP_UNREACHABLE, "health", "OpenWISP does not answer: timeout.", now=now - 5 * MINUTE)
    raise_alarm(session, AlarmKind.MONITORING_ABSENT, "health", "No monitoring there.", now=now - 90 * MINUTE)
    end_alarm(session, AlarmKind.MONITORING_ABSENT, "health", now=now - 30 * MINUTE)
    for kind, outcome, text in (
        (CheckKind.DISCOVERY, CheckOutcome.DONE, "24 access points; nothing changed."),
        (CheckKind.HEALTH, CheckOutcome.UNREACHABLE, "OpenWISP does not answer: timeout. The network stays as it was."),
    ):
        done = now if outcome is CheckOutcome.DONE else now - 10 * MINUTE
        session.add(NetworkCheck(kind=kind, started_at=now, ended_at=now, outcome=outcome, message=text, done_at=done))
    session.flush()
