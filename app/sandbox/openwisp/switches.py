"""How the imitated OpenWISP behaves as a whole. It lives in memory: a restarted sandbox is a well-behaved one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

# In place of the answer: an HTML page with 500, 502, 504 or 200. Of the answer: its first half. In lists: nothing at all, or every
# second row of each page (the count says nothing of it).
Answer = Literal["ok", "html_500", "bad_gateway", "gateway_timeout", "html_200", "truncated", "empty", "half"]
WRONG_HOST = "http://openwisp.internal:8000"
Item = TypeVar("Item")


@dataclass
class Mode:
    """The switches.

    `monitoring`: whether openwisp-monitoring is installed. `gateway`: whether the two own addresses are offered (`own_dialect`).
    `forbidden`: the token's user lacks the view permissions (403). `next_host`: origin in `next` and `previous`; None takes it from the
    request. `clear_management_ip`: OpenWISP's AUTO_CLEAR_MANAGEMENT_IP.
    """

    answer: Answer = "ok"
    monitoring: bool = True
    gateway: bool = False
    forbidden: bool = False
    next_host: str | None = WRONG_HOST
    clear_management_ip: bool = True


@dataclass
class Switches:
    """The mode in force, and what is to happen between two pages of a list."""

    gateway_at_start: bool
    mode: Mode = field(default_factory=Mode)
    _pages_left: int = 0
    _then: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Behave."""
        self.mode = Mode(gateway=self.gateway_at_start)
        self._then = None

    def after_pages(self, pages: int, then: Callable[[], None]) -> None:
        """Do something once, right after so many further pages of device lists were made up."""
        self._pages_left, self._then = pages, then

    def page_served(self) -> None:
        """One page of a list of devices was made up."""
        self._pages_left -= 1
        if self._then is not None and self._pages_left <= 0:
            then, self._then = self._then, None
            then()

    def survivors(self, page: list[Item]) -> list[Item]:
        """What is left of a page when half a list is lost."""
        return page[::2] if self.mode.answer == "half" else page
