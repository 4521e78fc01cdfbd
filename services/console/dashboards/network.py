"""For who keeps the hotspots up: outages, radios that are down, routers that fell silent, and who is online through the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from services.access.models import SessionState
from services.access.queries import GatewayRow, list_gateways
from services.access.session_queries import SessionFilter, list_sessions
from services.accounts.permissions import Permission, Principal
from services.console.dashboards.figures import Figure, Weight, What, counted
from services.listing import Slice
from services.network.alarm_models import CheckKind, NetworkCheck
from services.network.glance import network_glance
from services.network.incident_models import IncidentState
from services.network.incident_queries import IncidentFilter, IncidentRow, list_incidents

_SHOWN = 6
_OLDEST_FIRST = Slice(limit=_SHOWN, sort="started", descending=False)
_BY_NAME = Slice(limit=_SHOWN, sort="name", descending=False)


@dataclass(frozen=True)
class NetworkPart:
    """`known` is of how many access points; `checks` are how asking OpenWISP went last; incidents stand longest first."""

    figures: tuple[Figure, ...]
    known: int
    incidents: tuple[IncidentRow, ...]
    silent: tuple[GatewayRow, ...]
    checks: Mapping[CheckKind, NetworkCheck]


def is_for(actor: Principal) -> bool:
    """Whether how the network fares is this person's to know at once, and not only to look up."""
    return actor.may(Permission.NETWORK_READ) and actor.may(Permission.GATEWAYS_READ)


def load(session: Session, *, actor: Principal, now: datetime) -> NetworkPart:
    """Raises Forbidden."""
    glance = network_glance(session, actor=actor)
    incidents = list_incidents(session, actor=actor, wanted=IncidentFilter(state=IncidentState.OPEN), part=_OLDEST_FIRST)
    silent = list_gateways(session, actor=actor, search="", part=_BY_NAME, is_silent=True)
    figures = [
        counted(What.INCIDENTS, incidents, Weight.WRONG),
        Figure(What.DOWN, glance.down, Weight.WRONG, of=glance.known),
        counted(What.SILENT, silent, Weight.WRONG),
        *_online(session, actor),
        # Each alarm's cause asks for itself: their number does not ask once more.
        Figure(What.ALARMS, glance.alarms),
    ]
    return NetworkPart(tuple(figures), glance.known, incidents.rows, silent.rows, glance.checks)


def _online(session: Session, actor: Principal) -> list[Figure]:
    if not actor.may(Permission.SESSIONS_READ):
        return []
    confirmed = SessionFilter(state=SessionState.ACTIVE)
    return [counted(What.ONLINE, list_sessions(session, actor=actor, wanted=confirmed, part=Slice(limit=1)))]
