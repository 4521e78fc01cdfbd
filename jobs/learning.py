"""Jobs of learning: triage is retrained on what staff decided."""

from __future__ import annotations

import structlog

from app.clock import utc_now
from app.db import transaction
from app.settings import get_settings
from jobs.base import job
from services.tickets import learning
from services.tickets.triage.encoder import installed_encoder

log = structlog.get_logger(__name__)


@job
def retrain(made_by: str = "system") -> None:
    """Harmless to repeat: the same decisions give the same model, which is judged once."""
    told = learning.learn(transaction, get_settings(), installed_encoder(), made_by=made_by, now=utc_now())
    log.info("triage.learnt", result=told)
