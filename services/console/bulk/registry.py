"""Every action on many rows, by the list above which it stands."""

from __future__ import annotations

from typing import Any

from services.accounts.permissions import Principal
from services.console.bulk import access_points, batches, findings, incidents, messages, sessions, tickets, vouchers
from services.console.bulk.errors import ActionNotFound
from services.console.bulk.shape import Action

ACTIONS: tuple[Action[Any], ...] = (
    *tickets.ACTIONS,
    *vouchers.ACTIONS,
    *batches.ACTIONS,
    *sessions.ACTIONS,
    *findings.ACTIONS,
    *access_points.ACTIONS,
    *incidents.ACTIONS,
    *messages.ACTIONS,
)
_BY_NAME = {action.name: action for action in ACTIONS}


def action_named(name: str) -> Action[Any]:
    """Raises ActionNotFound."""
    action = _BY_NAME.get(name)
    if action is None:
        raise ActionNotFound
    return action


def actions_of(page: str, actor: Principal) -> tuple[Action[Any], ...]:
    """What this person may do to rows of this list."""
    return tuple(action for action in ACTIONS if action.page == page and actor.may(action.permission))
