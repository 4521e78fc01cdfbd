"""What lists and searches of tickets cost among 100,000 open and 1,000,000 closed ones, and among 10,000 (issue 5, "Done when").

Run in a process of its own on a database of its own, as tests/bench/sla.py: `python -m tests.bench.tickets` with the product's environment
prints the numbers as JSON. Measured are the product's own use cases with their transaction, over a mix of what people filter and search by;
the rows are made by the database itself, in the same mix of states, places and words at either size. Every question is asked of both sizes
in turn, so that whatever else the machine does meanwhile slows down both.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.supervisor import Stack
from tests.bench.databases import empty_database
from tests.bench.table import Result

_ROOT = Path(__file__).parents[2]
_SMALL, _LARGE = 10_000, 1_100_000
_PORTION, _WARM, _ROUNDS = 50_000, 4, 40
_NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_PEOPLE, _TEAMS, _SITES = 40, 5, 60
_WORDS = [
    "wifi",
    "internet",
    "phone",
    "paid",
    "money",
    "voucher",
    "code",
    "slow",
    "connect",
    "connection",
    "login",
    "page",
    "market",
    "router",
    "morning",
    "please",
    "help",
    "again",
    "since",
    "today",
    "network",
    "payment",
    "wave",
    "refused",
    "device",
    "brikama",
    "serekunda",
    "kololi",
    "bakau",
    "banjul",
    "hotspot",
    "evening",
    "video",
    "football",
    "school",
    "office",
    "light",
    "power",
    "battery",
    "laptop",
    "samsung",
    "tecno",
    "iphone",
    "itel",
    "android",
    "browser",
    "password",
    "number",
    "wrong",
    "expired",
    "package",
    "bundle",
    "minutes",
    "hours",
    "week",
    "month",
]
# In the newest fifth nearly half are not done, before it none are: as in a desk that works. Words follow their ranks, as in a language.
_FILL = sa.text(
    "WITH made AS (INSERT INTO ticket (reference, channel, subject, body, customer_id, site_id, client_mac, language, state, priority,"
    " category, team_id, assignee_id, created_at, updated_at, last_customer_at, resolved_at, closed_at, due_at, reopened_count,"
    " change_number)"
    " SELECT 'T-' || lpad(n::text, 7, '0'), (ARRAY['portal','portal','portal','mobile','email','sms','phone'])[1 + n * 31 % 7],"
    " 'Report ' || n, 'My Wi-Fi does not work', 1 + n % :customers, CASE WHEN n % 3 > 0 THEN 1 + n % :sites END,"
    " '02:00:' || substr(h, 1, 2) || ':' || substr(h, 3, 2) || ':' || substr(h, 5, 2) || ':' || substr(h, 7, 2),"
    " (ARRAY['en','en','en','en','fr','wo','mnk'])[1 + n * 17 % 7], CASE WHEN is_open THEN (ARRAY['new','open','open','pending'])[1 + n%4]"
    " ELSE 'closed' END, (ARRAY['low','normal','normal','normal','normal','normal','normal','high','high','urgent'])[1 + n * 7 % 10],"
    " (ARRAY['connectivity','connectivity','slow-speed','payment','voucher','account-access','device-setup','coverage-installation',"
    "'general-question'])[1 + n * 13 % 9], 1 + n % :teams, CASE WHEN n % 10 > 2 THEN 1 + n * 11 % :people END, made, made, made,"
    " CASE WHEN NOT is_open THEN made + interval '5 hours' END, CASE WHEN NOT is_open THEN made + interval '2 days' END,"
    " CASE WHEN is_open THEN :now + (n * 7919 % 4000 - 400) * interval '1 minute' END, 0, 3"
    " FROM (SELECT n, md5(n::text) AS h, n > :all * :done AND n * 7919 % 100 < 45 AS is_open,"
    " :now - (:all - n) * :step * interval '1 second' AS made FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) n) s"
    " RETURNING id, reference, client_mac, customer_id)"
    " INSERT INTO ticket_search (ticket_id, words, names)"
    " SELECT id, to_tsvector('simple', said.text), lower(concat_ws(' ', reference, client_mac, replace(client_mac, ':', ''),"
    " '+220833' || lpad(customer_id::text, 6, '0'), (ARRAY['fatou','lamin','awa','ousman','isatou'])[1 + id % 5] || ' ' ||"
    " (ARRAY['ceesay','jallow','touray','camara','njie','sanneh','bojang'])[1 + id % 7], 'r' || substr(md5(reference), 1, 6)))"
    " FROM made, LATERAL (SELECT string_agg((CAST(:words AS text[]))[1 + floor(:count * power(random(), 3))::int], ' ')"
    " || ' w' || (id % 4000) AS text FROM generate_series(1, 14 + 0 * made.id::int)) said"
)


def lists_and_searches(stack: Stack) -> list[Result]:
    """Goal: at 1,100,000 tickets the 95th percentile is at most 1.3 times that at 10,000."""
    command = [sys.executable, "-m", "tests.bench.tickets"]
    done = subprocess.run(command, env=stack.environment, cwd=_ROOT, stdout=subprocess.PIPE, check=True, timeout=1800)
    found = json.loads(done.stdout.splitlines()[-1])
    results = []
    for what in ("list", "search", "board"):
        small, large = found["small"][what], found["large"][what]
        results += [
            Result(f"ticket {what} p95, 10,000 tickets", small, "ms", None, "lower"),
            Result(f"ticket {what} p95, 100,000 open and 1,000,000 closed", large, "ms", None, "lower"),
            # A small desk's board has columns of 45 where the large one counts to 201: the board is only shown.
            Result(f"ticket {what} p95, large / small", large / small, "times", None if what == "board" else 1.3, "lower"),
        ]
    return results


@dataclass(frozen=True)
class _Question:
    kind: str
    name: str
    ask: Callable[[Any], object]


class _Desk:
    """A database of this size, and what people ask of it."""

    def __init__(self, name: str, tickets: int) -> None:
        self._tickets = tickets
        self._took: dict[str, list[float]] = defaultdict(list)
        self._each: dict[str, list[float]] = defaultdict(list)
        from app import db

        self._engine = db.make_engine(empty_database(name))
        self._fill()

    def _fill(self) -> None:
        engine = sa.create_engine(self._engine.url, isolation_level="AUTOCOMMIT")
        customers = max(self._tickets // 10, 1)
        with engine.connect() as connection:
            numbers = "INSERT INTO customer (phone_e164, language, created_at) SELECT '+220833' || lpad(n::text, 6, '0'), 'en', now()"
            connection.execute(sa.text(f"{numbers} FROM generate_series(1, {customers}) n"))
            fill(connection, self._tickets, customers=customers, done=0.8, now=_NOON)
            connection.execute(sa.text("VACUUM (ANALYZE)"))
        engine.dispose()

    def questions(self, chance: random.Random) -> list[_Question]:
        return [*_lists(chance), *_searches(chance, self._tickets)]

    def ask(self, question: _Question, *, is_kept: bool) -> None:
        """As a use case, in a transaction of its own."""
        from app import db

        db.use_bind(self._engine)
        began = time.perf_counter()
        with db.transaction() as session:
            question.ask(session)
        if is_kept:
            milliseconds = (time.perf_counter() - began) * 1000
            self._took[question.kind].append(milliseconds)
            self._each[f"{question.kind}: {question.name}"].append(milliseconds)

    def result(self) -> dict[str, Any]:
        """The 95th percentile of lists, of searches and of the board in milliseconds, and the median of each question."""
        p95 = {kind: statistics.quantiles(times, n=20)[-1] for kind, times in self._took.items()}
        return p95 | {"each": {name: round(statistics.median(times), 2) for name, times in self._each.items()}}


def fill(connection: sa.Connection, tickets: int, *, customers: int, done: float, now: datetime) -> None:
    """So many tickets over three years, of the first so many customers; of those younger than the share `done` nearly half are open."""
    for statement in (
        f"INSERT INTO team (name, is_active, created_at) SELECT 'Team ' || n, true, now() FROM generate_series(1, {_TEAMS}) n",
        "INSERT INTO staff (email, name, role, password_hash, is_active, session_epoch, created_at)"
        f" SELECT 'p' || n || '@inet.test', 'Person ' || n, 'customer_care', '', true, 0, now() FROM generate_series(1, {_PEOPLE}) n",
        f"INSERT INTO site (name) SELECT 'Place ' || n FROM generate_series(1, {_SITES}) n",
    ):
        connection.execute(sa.text(statement))
    for index in ("ix_ticket_search_words", "ix_ticket_search_names"):
        connection.execute(sa.text(f"DROP INDEX {index}"))
    # What is filled in here is no news to anybody's phone; noting it would take longer than all the rest.
    connection.execute(sa.text("ALTER TABLE ticket DISABLE TRIGGER USER"))
    shared = {"customers": customers, "sites": _SITES, "teams": _TEAMS, "people": _PEOPLE, "now": now, "all": tickets, "done": done}
    shared |= {"words": list(_WORDS), "count": len(_WORDS), "step": 3 * 365 * 86400 / tickets}
    for first in range(1, tickets + 1, _PORTION):
        connection.execute(_FILL, shared | {"first": first, "last": min(first + _PORTION - 1, tickets)})
    connection.execute(sa.text("ALTER TABLE ticket ENABLE TRIGGER USER"))
    connection.execute(sa.text("CREATE INDEX ix_ticket_search_words ON ticket_search USING gin (words)"))
    connection.execute(sa.text("CREATE INDEX ix_ticket_search_names ON ticket_search USING gin (names gin_trgm_ops)"))
    tag = "INSERT INTO ticket_tag SELECT id, CASE WHEN id % 5 = 0 THEN 'refund' ELSE 'press' END FROM ticket WHERE id % 50 IN (0, 1)"
    connection.execute(sa.text(tag))
    said = "INSERT INTO ticket_word SELECT unnest(CAST(:words AS text[])), now() ON CONFLICT DO NOTHING"
    connection.execute(sa.text(said), {"words": [*_WORDS, "ceesay", "jallow", "touray", "camara", "sanneh", "fatou"]})


def _in_turns(desks: Sequence[_Desk]) -> None:
    """The same question of each desk, then the next one; who is asked first changes from round to round."""
    for turn in range(-_WARM, _ROUNDS):
        for asked in zip(*(desk.questions(random.Random(turn)) for desk in desks), strict=True):
            pairs = list(zip(desks, asked, strict=True))
            for desk, question in pairs if turn % 2 else reversed(pairs):
                desk.ask(question, is_kept=turn >= 0)


def _ask(kind: str, name: str, *, sort: str = "due", offset: int = 0, descending: bool = False, **wanted: Any) -> _Question:
    from services.listing import Slice
    from services.tickets.queries import TicketFilter, list_tickets
    from tests.factories import staff

    part, filters = Slice(offset=offset, sort=sort, descending=descending), TicketFilter(**wanted)
    return _Question(kind, name, lambda session: list_tickets(session, actor=staff(), wanted=filters, part=part))


def _lists(chance: random.Random) -> list[_Question]:
    from services.tickets.models import Category, Channel, Priority, TicketState
    from services.tickets.queries import TicketFilter

    person, team, site = chance.randint(1, _PEOPLE), chance.randint(1, _TEAMS), chance.randint(1, _SITES)
    today = _NOON + timedelta(hours=12)
    return [
        _ask("list", "not done", is_undone=True),
        _ask("list", "fifth page", is_undone=True, offset=100),
        _ask("list", "mine", is_undone=True, assignee_id=person),
        _ask("list", "my team's", is_undone=True, team_id=team),
        _ask("list", "nobody's", is_undone=True, is_unassigned=True),
        _ask("list", "late", due_before=_NOON),
        _ask("list", "due today", due_before=today),
        _ask("list", "late in my team", due_before=_NOON, team_id=team),
        _ask("list", "newest", sort="created", descending=True),
        _ask("list", "newest not done", sort="created", descending=True, is_undone=True),
        _ask("list", "closed", state=TicketState.CLOSED),
        _ask("list", "waiting", state=TicketState.PENDING),
        _ask("list", "urgent", is_undone=True, priority=Priority.URGENT),
        _ask("list", "category", is_undone=True, category=chance.choice(list(Category)[:4])),
        _ask("list", "category and priority", is_undone=True, category=Category.PAYMENT, priority=Priority.HIGH),
        _ask("list", "channel", is_undone=True, channel=chance.choice([Channel.SMS, Channel.EMAIL])),
        _ask("list", "language in a team", is_undone=True, language="mnk", team_id=team),
        _ask("list", "site", is_undone=True, site_id=site),
        _ask("list", "site, all", sort="created", descending=True, site_id=site),
        _ask("list", "tag", is_undone=True, tag=chance.choice(["refund", "press"])),
        _ask("list", "customer", sort="created", descending=True, customer_id=chance.randint(1, 900)),
        *(_team_board(TicketFilter(team_id=one)) for one in chance.sample(range(1, _TEAMS + 1), 3)),
    ]


def _team_board(wanted: Any) -> _Question:
    from services.tickets.board import board
    from tests.factories import staff

    return _Question("board", "of a team", lambda session: board(session, actor=staff(), wanted=wanted, now=_NOON))


def _searches(chance: random.Random, tickets: int) -> list[_Question]:
    from services.tickets.queries import BEST

    number = chance.randint(1, tickets)
    digest = __import__("hashlib").md5(str(number).encode(), usedforsecurity=False).hexdigest()
    code = __import__("hashlib").md5(f"T-{number:07d}".encode(), usedforsecurity=False).hexdigest()[:6]
    mac = ":".join(("02", "00", digest[:2], digest[2:4], digest[4:6], digest[6:8]))
    phone = f"833{number % max(tickets // 10, 1) + 1:06d}"

    def search(name: str, text: str, **wanted: Any) -> _Question:
        return _ask("search", name, sort=BEST, search=text, **wanted)

    return [
        search("reference", f"t-{number:07d}"),
        search("phone", phone),
        search("phone, new form", f"+220 {phone[:3]} {phone[3:]}"),
        search("part of a phone", phone[-6:]),
        search("device", mac),
        search("device without colons", mac.replace(":", "").upper()),
        search("part of a device", mac[6:]),
        search("part of a code", code[:5]),
        search("common word", chance.choice(_WORDS[:5])),
        search("usual word", chance.choice(_WORDS[15:40])),
        search("rare word", f"w{number % 4000}"),
        search("two words", f"{chance.choice(_WORDS[:8])} {chance.choice(_WORDS[30:])}"),
        search("word among mine", chance.choice(_WORDS[:20]), is_undone=True, assignee_id=chance.randint(1, _PEOPLE)),
        search("word among the late", chance.choice(_WORDS[:20]), due_before=_NOON),
        search("name", chance.choice(["ceesay", "jallow", "sanneh"])),
        search("whole name", "awa camara"),
        search("mistyped word", chance.choice(["conection", "vaucher", "pasword"])),
        search("mistyped name", chance.choice(["cesay", "jalow"])),
        search("nothing like it", "zzyzxqq"),
    ]


def _measure() -> dict[str, Any]:
    os.environ["INET_LOG_LEVEL"] = "ERROR"
    from app import logs
    from app.settings import get_settings

    logs.configure(get_settings(), process="bench")
    small, large = _Desk("bench_tickets_small", _SMALL), _Desk("bench_tickets_large", _LARGE)
    _in_turns([small, large])
    return {"small": small.result(), "large": large.result()}


if __name__ == "__main__":
    print(json.dumps(_measure()))
