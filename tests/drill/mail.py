"""The drill of mails: threads, duplicates, loops, broken and huge ones, a server that breaks off, readers that are killed anywhere.

`python -m tests.drill.mail`; DRILL_SEED and DRILL_MAILS choose. Afterwards every mail is in one ticket, or aside for the right reason,
exactly once, and both sides count the same.
"""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import structlog
from sqlmodel import select

import app.tables  # noqa: F401 - a reader relates tables that it never reads
from app import failpoints
from app.clock import utc_now
from app.db import transaction
from services.integrations.imap import ImapClient
from services.tickets import inbound_store, mail_fetching, mail_intake
from services.tickets.intake_models import InboundCount, InboundMessage, InboundState
from services.tickets.mail_intake import MOST_ATTEMPTS, TWICE
from services.tickets.models import MessageKind, TicketMessage
from tests.conftest import free_port
from tests.drill.alone import own_folder, servers
from tests.drill.letters import Letter, letters

_ROOT = Path(__file__).parents[2]
_READERS, _PHASES, _SETTLE_SECONDS = 2, 5, 90.0
_KILL_PROBABILITY = 0.03
BOUNDARIES = ("mail.fetched", "mail.stored", "mail.marked", "mail.counted", "mail.read")
_TROUBLES: tuple[dict[str, Any], ...] = ({"cut_in_fetch": 3}, {"cut_after_store": 2}, {"refuse_login": True}, {})
S = InboundState


@dataclass
class Found:
    """`lost`: nowhere; `doubled`: twice; `wrong`: somewhere else than it belongs; `stuck`: not read."""

    seed: int
    mails: int
    theirs: int = 0
    ours: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    # Marks of mails over which readers died until they were a person's, as they should be then.
    given_up: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.doubled or self.wrong or self.stuck) and self.theirs == self.ours

    def row(self) -> dict[str, object]:
        counts = {"lost": len(self.lost), "doubled": len(self.doubled), "stuck": len(self.stuck) + len(self.wrong)}
        return {"name": "mail", "seed": self.seed, "runs": self.mails, **counts, "ok": self.is_good}


def work() -> None:
    """What the periodic look and the workers do, in any order, until killed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    failpoints.arm_from_environment()
    client = ImapClient(os.environ["INET_IMAP_URL"], timeout_seconds=5)
    while True:
        mail_fetching.fetch(transaction, client, clock=utc_now)
        was_read = mail_intake.read(transaction, clock=utc_now)
        time.sleep(0.05 if was_read else 0.2)


def nurse() -> None:
    """Keeps readers at work: whenever one dies, another is born."""

    def end(*_: object) -> None:
        for child in children:
            os.kill(child, signal.SIGKILL)
        os._exit(0)

    children = {_born() for _ in range(_READERS)}
    signal.signal(signal.SIGTERM, end)
    while True:
        child, status = os.wait()
        children.discard(child)
        if not os.WIFSIGNALED(status):
            time.sleep(0.5)  # it failed by itself, and has said why
        children.add(_born())


def _born() -> int:
    """Forked before it has any connection: a new interpreter would take seconds to be ready to die."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        try:
            work()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return child


class Drill:
    """Servers, settings and the sandbox are there already."""

    def __init__(self, *, seed: int, mails: int, sandbox_url: str, deaths: Path) -> None:
        self._chance = random.Random(seed)
        self._letters = letters(self._chance, mails)
        self._found = Found(seed, len(self._letters))
        self._http = httpx.Client(base_url=sandbox_url, timeout=30, trust_env=False)
        self._deaths = deaths

    def run(self) -> Found:
        self._deaths.touch()
        command = [sys.executable, "-m", "tests.drill.mail", "nurse"]
        inherited = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        kill = f"{_KILL_PROBABILITY}:{self._found.seed}:{self._deaths}"
        readers = subprocess.Popen(command, env=inherited | {"INET_DRILL_KILL": kill, "INET_LOG_LEVEL": "ERROR"}, cwd=_ROOT)
        try:
            self._phases()
            self._found.deaths.update(self._deaths.read_text("ascii").split())
            self._deaths.unlink()  # from here on nobody dies
            self._settle()
        finally:
            readers.terminate()
            readers.wait(10)
        self._compare()
        self._http.close()
        return self._found

    def _phases(self) -> None:
        each = -(-len(self._letters) // _PHASES)
        for phase in range(_PHASES):
            self._order("mode", **_TROUBLES[phase % len(_TROUBLES)])
            for letter in self._letters[phase * each : (phase + 1) * each]:
                self._order("deliver", raw=letter.raw, copies=letter.copies)
            time.sleep(self._chance.uniform(0.5, 1.0))
            if phase == _PHASES // 2:
                self._order("mode")
                self._order("renumber")
        self._order("mode")
        for _ in range(3):
            if not set(BOUNDARIES) - set(self._deaths.read_text("ascii").split()):
                return
            self._order("renumber")  # they meet every mail anew, and die where they have not died yet
            time.sleep(2)

    def _settle(self) -> None:
        until = time.monotonic() + _SETTLE_SECONDS
        while time.monotonic() < until:
            time.sleep(0.2)
            with transaction() as session:
                count = session.exec(select(InboundCount)).first()
                stored = select(InboundMessage.id).where(InboundMessage.state == S.STORED)
                is_waiting = session.exec(stored.limit(1)).first() is not None
            if count is not None and not is_waiting and count.theirs == count.ours == self._in_mailbox and not count.error:
                return

    @property
    def _in_mailbox(self) -> int:
        return sum(letter.copies for letter in self._letters)

    def _order(self, path: str, **body: Any) -> None:
        self._http.post(f"/_control/mail/{path}", json=body).raise_for_status()

    def _compare(self) -> None:
        with transaction() as session:
            count = session.exec(select(InboundCount)).one()
            self._found.theirs, self._found.ours = self._in_mailbox, count.ours
            by_mark: dict[str, list[InboundMessage]] = {}
            for message in session.exec(select(InboundMessage)).all():
                raw = inbound_store.raw_of(message)
                mark = next((letter.mark for letter in self._letters if letter.mark.encode() in raw), "?")
                by_mark.setdefault(mark, []).append(message)
            said = session.exec(select(TicketMessage).where(TicketMessage.kind == MessageKind.CUSTOMER)).all()
            said_by = Counter(message.inbound_id for message in said)
            ticket_by = {message.inbound_id: message.ticket_id for message in said}
        tickets: dict[str, int | None] = {}
        for letter in self._letters:
            self._judge(letter, by_mark.get(letter.mark, []), said_by, ticket_by, tickets)
        self._judge_bombs(by_mark)

    def _judge(
        self,
        letter: Letter,
        rows: list[InboundMessage],
        said_by: Counter[int | None],
        ticket_by: dict[int | None, int],
        tickets: dict[str, int | None],
    ) -> None:
        real = [row for row in rows if row.why != TWICE]
        name = f"{letter.mark} {letter.kind}: {[(row.id, row.state.value, row.why) for row in rows]}"
        self._found.ends.update(f"{letter.kind} {row.state.value}" for row in real)
        self._found.stuck += [name] * any(row.state is S.STORED for row in rows)
        if not real:
            self._found.lost.append(name)
        elif len(real) > 1 or sum(said_by[row.id] for row in rows) > 1:
            self._found.doubled.append(name)
        elif letter.kind != "bomb":
            (row,) = real
            is_said = said_by[row.id] == 1
            if self._was_given_up(row):
                self._found.given_up.append(letter.mark)
                return
            if row.state is not letter.ends or is_said is not (row.state is S.TAKEN):
                self._found.wrong.append(name)
            tickets[letter.mark] = ticket_by.get(row.id)
            if (
                letter.goes_on_with
                and letter.goes_on_with not in self._found.given_up
                and tickets[letter.mark] != tickets.get(letter.goes_on_with)
            ):
                self._found.wrong.append(f"{name} is not with {letter.goes_on_with}")

    def _was_given_up(self, row: InboundMessage) -> bool:
        """Each such mail has cost as many readers as it may."""
        died = self._found.deaths["mail.counted"] + self._found.deaths["mail.read"]
        is_set_aside = row.state is S.HELD and row.attempts >= MOST_ATTEMPTS
        return is_set_aside and died >= MOST_ATTEMPTS * (len(self._found.given_up) + 1)

    def _judge_bombs(self, by_mark: dict[str, list[InboundMessage]]) -> None:
        """Of a sender who sends many, the first few are let in, whichever they are."""
        bombs = [row for letter in self._letters if letter.kind == "bomb" for row in by_mark.get(letter.mark, []) if row.why != TWICE]
        taken = sum(row.state is S.TAKEN for row in bombs)
        if bombs and taken != mail_limits():
            self._found.wrong.append(f"{taken} of {len(bombs)} mails of the bomb were let in")


def mail_limits() -> int:
    from services.tickets.loops import FLOOD

    return FLOOD[0][1]


def run_alone(*, seed: int, mails: int) -> Found:
    """The drill with servers of its own."""
    imap = free_port()
    mailbox = {"INET_SANDBOX_IMAP_PORT": str(imap), "INET_IMAP_URL": f"imap://help%40inet.demo:sandbox-mail@127.0.0.1:{imap}/INBOX?tls=no"}
    with own_folder() as directory, servers(directory, free_port(), **mailbox) as sandbox_url:
        return Drill(seed=seed, mails=mails, sandbox_url=sandbox_url, deaths=directory / "deaths").run()


def lines_of(found: Found) -> list[str]:
    ends = ", ".join(f"{name} {count}" for name, count in sorted(found.ends.items()))
    deaths = ", ".join(f"{name} {found.deaths[name]}" for name in BOUNDARIES)
    counts = f"lost {len(found.lost)}, doubled {len(found.doubled)}, wrong {len(found.wrong)}, stuck {len(found.stuck)}"
    bad = [f"  {name}" for name in (*found.lost, *found.doubled, *found.wrong, *found.stuck)][:40]
    counts += f", given up {len(found.given_up)}"
    first = f"mail: {found.mails} mails (seed {found.seed}); the mailbox says {found.theirs}, we hold {found.ours}; {counts}"
    return [first, f"  ends: {ends}", f"  readers died at: {deaths}", *bad]


def main() -> int:
    seed = int(os.environ.get("DRILL_SEED") or random.randrange(1_000_000))
    found = run_alone(seed=seed, mails=int(os.environ.get("DRILL_MAILS") or 500))
    print("\n".join(lines_of(found)), flush=True)
    row = found.row() | {"theirs": found.theirs, "ours": found.ours, "deaths": dict(found.deaths)}
    (Path.cwd() / "drill-mail.json").write_text(json.dumps(row) + "\n", encoding="utf-8")
    return 0 if found.is_good else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["nurse"]:
        nurse()
    sys.exit(main())
