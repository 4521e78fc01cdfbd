"""How a call to the server ends when it does not succeed."""

from __future__ import annotations

from typing import Any


class Offline(Exception):
    """No answer came: the server may or may not have done what was asked. Ask again later; every call of the client bears that."""


class Refused(Exception):
    """The server said no, with a problem document (RFC 9457). `retry_after` is in seconds, where it says when to ask again."""

    def __init__(self, status: int, problem: dict[str, Any], retry_after: int | None = None) -> None:
        self.status, self.problem, self.retry_after = status, problem, retry_after
        super().__init__(f"{status} {problem.get('code', '')}: {problem.get('detail', '')}")

    @property
    def code(self) -> str:
        """What programs key on."""
        return str(self.problem.get("code", ""))


class LoggedOut(Exception):
    """This phone's key opens nothing any more. What waits in the queue is kept until the same person logs in again."""
