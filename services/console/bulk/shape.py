"""What an action on many rows is made of. One action is one class beside this file; `registry.py` lists them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from sqlmodel import Session

from services.accounts.permissions import Permission, Principal

W = TypeVar("W")
Answers = Mapping[str, str]
"""What a person answered to the questions, by their names. A question that was left empty is not in it."""


class Ask(StrEnum):
    TEXT = "text"
    CHOICE = "choice"
    YES = "yes"


@dataclass(frozen=True)
class Question:
    """Asked once for all rows. A `YES` that was ticked is answered with "yes".

    What can be chosen are `choices`, texts by value, or the members `of` an enum, which the page has words for.
    """

    name: str
    label: str
    ask: Ask = Ask.TEXT
    choices: Mapping[str, str] = field(default_factory=dict)
    of: tuple[StrEnum, ...] = ()
    hint: str = ""
    is_needed: bool = False
    longest: int = 200

    def accepts(self, answer: str) -> bool:
        return self.ask is not Ask.CHOICE or answer in self.choices or answer in {member.value for member in self.of}


class Why(StrEnum):
    """When a reason is demanded: money and people need one."""

    NEVER = "never"
    ALWAYS = "always"
    WHEN_TOLD = "when_told"


@dataclass(frozen=True)
class Line:
    """What would become of one row: `will` in words, nothing of both if it is so already, or `why_not`.

    `tells`: a customer would hear of it.
    """

    row_id: int
    name: str
    will: tuple[str, ...] = ()
    why_not: str | None = None
    tells: bool = False

    @property
    def changes(self) -> bool:
        return bool(self.will) and self.why_not is None


@dataclass(frozen=True)
class Doing:
    """Who acts, why and when; `place` is how many rows of the same step came before this one."""

    actor: Principal
    reason: str
    now: datetime
    place: int = 0


@dataclass(frozen=True)
class Done:
    """What became of a row in words, and what taking it back needs, as JSON keeps it."""

    said: str
    kept: dict[str, Any] = field(default_factory=dict)


class Action(ABC, Generic[W]):
    """Something that can be done to many rows of one list. `W` is what its answers come to once they are read.

    A row is changed in a transaction of its own, with all its locks, checks and audit, by the same service that changes a single one.
    """

    name: ClassVar[str]
    page: ClassVar[str]
    label: ClassVar[str]
    # What it means for a row, said before it is done.
    meaning: ClassVar[str]
    # One of them, and many.
    things: ClassVar[tuple[str, str]]
    permission: ClassVar[Permission]
    why: ClassVar[Why] = Why.ALWAYS
    needs_proof: ClassVar[bool] = False
    # It takes something away: its button is red.
    is_grave: ClassVar[bool] = False
    # Why it cannot be taken back; empty for what can.
    stays: ClassVar[str] = ""

    @property
    def address(self) -> str:
        """Where the list stands in the console."""
        return f"/console/{self.page}"

    def questions(self, session: Session, *, actor: Principal) -> tuple[Question, ...]:
        """What is asked, with the choices that this person has."""
        return ()

    @abstractmethod
    def read(self, session: Session, answers: Answers, *, actor: Principal) -> W:
        """Raises what no row could be given, InvalidInput naming the question."""

    @abstractmethod
    def look(self, session: Session, row_ids: Collection[int], wish: W, *, actor: Principal, now: datetime) -> Sequence[Line]:
        """What would become of each. Changes nothing, and leaves out rows that are not there for this person."""

    @abstractmethod
    def apply(self, session: Session, row_id: int, wish: W, doing: Doing) -> Done | None:
        """Do it to one row, in its own transaction; None if it is so already. Raises the DomainError that the row is refused with."""

    def undo(self, session: Session, row_id: int, kept: Mapping[str, Any], doing: Doing) -> str:
        """Take it back; answers in words what stays all the same. Raises ChangedSince, or another DomainError, when nothing goes back."""
        raise NotImplementedError
