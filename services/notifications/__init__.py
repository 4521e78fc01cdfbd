"""Messages to people. Other contexts call `tell`."""

from __future__ import annotations

from services.notifications.service import Recipient, tell

__all__ = ["Recipient", "tell"]
