"""Demo data: enough to make every screen worth looking at. Loading twice adds nothing. Refused in production."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
from sqlmodel import Session, select

from app.clock import utc_now
from app.db import transaction
from app.errors import Conflict
from app.settings import DEMO_PASSWORD, get_settings
from services.access.gateways import MAX_POLL_SECONDS, MIN_POLL_SECONDS, add_gateway
from services.access.models import Gateway
from services.accounts.customers import find_or_create_customer
from services.accounts.models import Role, Staff
from services.accounts.staff import add_staff
from services.packages.models import Package
from services.packages.service import PackageTerms, add_package
from services.tickets.desk_models import RoutingRule, Team, TeamMember
from services.tickets.sla.defaults import add_default_policies
from services.tickets.triage.labels import Priority
from services.tickets.work_models import Macro

_STAFF = (
    ("root@inet.demo", Role.ROOT, "Fatou Ceesay"),
    ("admin@inet.demo", Role.SYSTEM_ADMIN, "Lamin Jallow"),
    ("care@inet.demo", Role.CUSTOMER_CARE, "Awa Sarr"),
    ("tech@inet.demo", Role.FIELD_TECHNICIAN, "Modou Bah"),
    ("billing@inet.demo", Role.BILLING_OFFICER, "Isatou Touray"),
)


@dataclass(frozen=True)
class _Member:
    """What somebody of a team knows; who leads hears of deadlines at risk. `zone` is where a technician is at home."""

    email: str
    skills: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("en",)
    zone: tuple[float, float] | None = None
    capacity: int = 20


_TEAMS: dict[str, tuple[_Member, ...]] = {
    "Care": (_Member("care@inet.demo", ("lead",), ("en", "wo", "fr")), _Member("admin@inet.demo", (), ("en", "mnk"), capacity=10)),
    "Billing": (_Member("billing@inet.demo", ("lead", "refunds")),),
    "Field": (_Member("tech@inet.demo", ("lead", "radio"), ("en", "wo"), (13.4382, -16.6781), 12),),
}
_FIELD = "Field"
# In the order in which they are asked: name, what a ticket must be, the team, the priority that it gets.
_RULES: tuple[tuple[str, dict[str, object], str, Priority | None], ...] = (
    ("Outages and masts", {"channel": ["incident"]}, "Field", None),
    ("Coverage and installation", {"category": ["coverage-installation"]}, "Field", None),
    ("Money and vouchers", {"category": ["payment", "voucher"]}, "Billing", None),
    ("A complaint about us", {"category": ["complaint-staff"]}, "Care", Priority.HIGH),
    ("Everything else", {}, "Care", None),
)
_HOUR, _DAY, _GB = 3600, 86400, 1 << 30
_PACKAGES = (
    ("hour-1", PackageTerms(name="1 hour", amount_bututs=1000, duration_seconds=_HOUR, down_kbps=4096, up_kbps=1024)),
    ("hours-3", PackageTerms(name="3 hours", amount_bututs=2500, duration_seconds=3 * _HOUR, down_kbps=4096, up_kbps=1024)),
    ("day-1", PackageTerms(name="1 day", amount_bututs=5000, duration_seconds=_DAY, quota_bytes=2 * _GB, down_kbps=8192, up_kbps=2048)),
    (
        "week-1",
        PackageTerms(name="1 week", amount_bututs=25000, duration_seconds=7 * _DAY, quota_bytes=10 * _GB, down_kbps=8192, up_kbps=2048),
    ),
    (
        "month-family",
        PackageTerms(
            name="1 month, 3 devices",
            amount_bututs=90000,
            duration_seconds=30 * _DAY,
            quota_bytes=60 * _GB,
            down_kbps=16384,
            up_kbps=4096,
            device_limit=3,
        ),
    ),
)
_CUSTOMERS = 20
_MACROS: tuple[tuple[str, str, dict[str, str]], ...] = (
    (
        "Ask for the receipt code",
        "Please send us the receipt code of your purchase: it is in the SMS that we sent you. {agent}, INET",
        {"state": "pending"},
    ),
    (
        "Try once more",
        "Please turn your Wi-Fi off and on again, and join INET once more. Tell us here if it still does not work. {agent}, INET",
        {},
    ),
    (
        "Known outage",
        "We know that the Wi-Fi at {place} is down and are working on it. Your time stands still until it is back.",
        {"priority": "high"},
    ),
)


class DemoInProduction(Conflict):
    code = "demo_in_production"
    message = "Demo data is for INET_ENV=demo; this is production."


def load(sandbox_url: str | None) -> str:
    """Add what is missing of the demo's staff, packages, customers and, from a running sandbox, its routers. Answers what stands."""
    if get_settings().env != "demo":
        raise DemoInProduction
    now = utc_now()
    routers = _routers(sandbox_url)
    with transaction() as session:
        _staff(session, now=now)
        add_default_policies(session, now=now)
        _teams(session, now=now)
        _rules(session, now=now)
        _macros(session)
        _packages(session, now=now)
        for number in range(1, _CUSTOMERS + 1):
            find_or_create_customer(session, phone=f"+2208330{number:05d}", now=now - timedelta(days=30 - number))
        for router in routers:
            _gateway(session, router, now=now)
    return f"{len(_STAFF)} staff, {len(_TEAMS)} teams, {len(_PACKAGES)} packages, {_CUSTOMERS} customers, {len(routers)} routers"


def _routers(sandbox_url: str | None) -> list[dict[str, Any]]:
    if sandbox_url is None:
        return []
    answer = httpx.get(f"{sandbox_url}/_control/routers", timeout=10)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()
    return found


def _staff(session: Session, *, now: datetime) -> None:
    for email, role, name in _STAFF:
        if session.exec(select(Staff).where(Staff.email == email)).one_or_none() is None:
            add_staff(session, email=email, role=role, password=DEMO_PASSWORD, now=now, name=name)


def _teams(session: Session, *, now: datetime) -> None:
    for name, members in _TEAMS.items():
        if session.exec(select(Team).where(Team.name == name)).one_or_none() is not None:
            continue
        team = Team(name=name, is_field=name == _FIELD, created_at=now)
        session.add(team)
        session.flush()
        for member in members:
            person = session.exec(select(Staff).where(Staff.email == member.email)).one()
            assert team.id is not None
            assert person.id is not None
            latitude, longitude = member.zone or (None, None)
            session.add(
                TeamMember(
                    team_id=team.id,
                    staff_id=person.id,
                    skills=list(member.skills),
                    languages=list(member.languages),
                    zone_latitude=latitude,
                    zone_longitude=longitude,
                    capacity=member.capacity,
                )
            )


def _rules(session: Session, *, now: datetime) -> None:
    if session.exec(select(RoutingRule.id).limit(1)).first() is not None:
        return
    teams = {team.name: team.id or 0 for team in session.exec(select(Team)).all()}
    for position, (name, conditions, team, priority) in enumerate(_RULES, start=1):
        rule = RoutingRule(position=position, name=name, conditions=conditions, team_id=teams[team], created_at=now)
        rule.set_priority = priority
        session.add(rule)
    session.flush()


def _macros(session: Session) -> None:
    for name, text, wanted in _MACROS:
        if session.exec(select(Macro.id).where(Macro.name == name)).first() is None:
            session.add(Macro(name=name, text=text, changes=wanted))
    session.flush()


def _packages(session: Session, *, now: datetime) -> None:
    for position, (public_id, terms) in enumerate(_PACKAGES, start=1):
        if session.exec(select(Package).where(Package.public_id == public_id)).one_or_none() is None:
            add_package(session, actor=None, public_id=public_id, terms=terms, position=position, now=now)


def _gateway(session: Session, router: dict[str, Any], *, now: datetime) -> None:
    if session.exec(select(Gateway).where(Gateway.slug == router["slug"])).one_or_none() is None:
        made = add_gateway(
            session,
            slug=router["slug"],
            gateway_name=router["gateway_name"],
            faskey=router["faskey"],
            level=router["level"],
            site_name=router["name"],
            poll_seconds=min(MAX_POLL_SECONDS, max(MIN_POLL_SECONDS, round(router["poll_interval_seconds"]))),
            now=now,
        )
        # What the first phone before a router of level 3 would tell; access points are linked by it.
        made.mac = router.get("mac")
