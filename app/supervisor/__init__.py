"""The whole product on one machine: `inet up` for people, `Stack` for tests and drills."""

from app.supervisor.stack import Stack
from app.supervisor.up import up

__all__ = ["Stack", "up"]
