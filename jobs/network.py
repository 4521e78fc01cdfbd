"""Jobs of the network context: what OpenWISP has and how it fares. Each is safe to run twice, at once, late, or to die midway."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from app.settings import get_settings
from jobs.base import job
from services.integrations.clients import outside
from services.network import discovery, health, incident_news


@job
def discover(asked_by: str = "system", accept_loss: int = 0) -> None:
    discovery.discover(transaction, outside().openwisp, asked_by=asked_by, clock=utc_now, accept_loss=bool(accept_loss))


@job
def poll_health() -> None:
    """Ask how the network fares, if INET_HEALTH_POLL_SECONDS have passed since that was asked last."""
    settings = get_settings()
    with transaction() as session:
        if not health.is_due(session, every_seconds=settings.health_poll_seconds, now=utc_now()):
            return
    health.poll(transaction, outside().openwisp, clock=utc_now, can_filter=settings.openwisp_dialect == "openwisp")


@job
def tell_of_incident(incident_id: int) -> None:
    incident_news.tell(transaction, incident_id, clock=utc_now)


@job
def sweep_incidents() -> None:
    """Find the incidents of which somebody may not have heard yet."""
    with transaction() as session:
        incident_news.ring_untold(session, now=utc_now())
