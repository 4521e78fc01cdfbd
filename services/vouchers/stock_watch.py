"""Staff is warned while the stock of a package is low, which it is when PortaBilling takes no new vouchers."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import Session

from services.network import alarms
from services.network.alarm_models import AlarmKind
from services.vouchers.stock import StockLevel, levels

# What was just made is with PortaBilling in seconds: a new package is not an emergency.
_PATIENCE = timedelta(minutes=2)


def watch(session: Session, *, now: datetime) -> int:
    """Raise the alarm for each package whose stock is low and stays so, end the others. Answers how many alarms are new."""
    low = {level.public_id: _words(level) for level in levels(session, now=now) if _stays_low(level, now=now)}
    alarms.end_alarms_except(session, AlarmKind.LOW_STOCK, list(low), now=now)
    return alarms.raise_alarms(session, AlarmKind.LOW_STOCK, low, now=now)


def _stays_low(level: StockLevel, *, now: datetime) -> bool:
    return level.is_low and level.pending_since is not None and level.pending_since <= now - _PATIENCE


def _words(level: StockLevel) -> str:
    return (
        f"{level.ready} of {level.mark} vouchers of “{level.name}” are in stock; {level.pending} wait for PortaBilling to take them. "
        "When none is left, who pays waits for PortaBilling."
    )
