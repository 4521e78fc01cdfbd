"""The console's search: what a text may mean among people, money, help desk and network, as far as who asks may know of it.

Each kind is asked by itself within a short time of its own, so that one that is slow today holds up none of the others. What was typed
may be a voucher's code or somebody's number: it stands in no log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import psycopg
import sqlalchemy as sa
from sqlmodel import Session

from services.accounts.permissions import Permission, Principal
from services.console.finders import desk, network, people, shop
from services.console.finders.asked import Asked, read
from services.console.finders.hits import SHOWN, Group, Hit, Kind, Rank

P = Permission
Find = Callable[[Session, Principal, Asked], list[Hit]]
Of = Callable[[Session, Principal, Sequence[str]], list[Hit]]


@dataclass(frozen=True)
class Finder:
    """`of` finds by key what somebody had open. Any one of `permissions` opens the kind; what of it is shown, the finder decides."""

    find: Find
    of: Of | None
    permissions: tuple[Permission, ...]

    def is_open_to(self, actor: Principal) -> bool:
        return any(actor.may(one) for one in self.permissions)


FINDERS: Mapping[Kind, Finder] = {
    Kind.PEOPLE: Finder(people.find_people, people.people_of, (P.CUSTOMERS_READ,)),
    Kind.TICKETS: Finder(desk.find_tickets, desk.tickets_of, (P.TICKETS_READ,)),
    Kind.PAYMENTS: Finder(shop.find_payments, shop.payments_of, (P.PAYMENTS_READ,)),
    Kind.VOUCHERS: Finder(shop.find_vouchers, shop.vouchers_of, (P.VOUCHERS_READ,)),
    Kind.DEVICES: Finder(people.find_devices, None, (P.CUSTOMERS_READ, P.SESSIONS_READ)),
    Kind.ACCESS_POINTS: Finder(network.find_access_points, network.access_points_of, (P.NETWORK_READ,)),
    Kind.SITES: Finder(network.find_sites, network.sites_of, (P.NETWORK_READ,)),
    Kind.GATEWAYS: Finder(network.find_gateways, network.gateways_of, (P.GATEWAYS_READ,)),
    Kind.INCIDENTS: Finder(network.find_incidents, network.incidents_of, (P.NETWORK_READ,)),
    Kind.STAFF: Finder(desk.find_staff, desk.staff_of, (P.STAFF_READ,)),
}

_BEGIN = sa.text("SELECT set_config('statement_timeout', :within, true), set_config('enable_seqscan', 'on', true)")


@dataclass(frozen=True)
class Patience:
    """How long each statement of one kind, and all kinds together, may take, in milliseconds."""

    each_ms: int = 250
    all_ms: int = 800


def find(
    session: Session,
    *,
    actor: Principal,
    text: str,
    now: datetime,
    finders: Mapping[Kind, Finder] = FINDERS,
    patience: Patience = Patience(),
) -> tuple[Group, ...]:
    """What `text` may mean, the group with the best hit first. Raises nothing, whatever was typed; what is too short finds nothing."""
    asked = read(text, now=now)
    if asked.is_short:
        return ()
    if asked.voucher_code is not None and Kind.VOUCHERS in finders and finders[Kind.VOUCHERS].is_open_to(actor):
        # A code that is somebody's voucher is nothing else, and nothing else is asked about it.
        finders = {Kind.VOUCHERS: finders[Kind.VOUCHERS]}
    asking = _Asking(session, actor, {kind: one for kind, one in finders.items() if one.is_open_to(actor)}, patience)
    groups = asking.ask(asked)
    if not any(_is_meant(group) for group in groups.values()):
        # What is written nearly so may be meant, where nothing else was found.
        nothing = [kind for kind, group in groups.items() if not group.hits and not group.is_late]
        groups |= asking.ask(replace(asked, nearly=True), nothing)
    session.execute(sa.text("SET LOCAL statement_timeout TO DEFAULT"))
    session.execute(sa.text("SET LOCAL enable_seqscan TO DEFAULT"))
    found = [groups[kind] for kind in asking.finders if groups[kind].hits or groups[kind].is_late]
    return tuple(sorted(found, key=lambda group: (not group.hits, group.best)))


def hits_of(session: Session, *, actor: Principal, things: Sequence[tuple[Kind, str]]) -> tuple[Hit, ...]:
    """These things as they are now, in this order, without those that are gone or that `actor` may not know of."""
    found: dict[tuple[Kind, str], Hit] = {}
    for kind in dict.fromkeys(kind for kind, _ in things):
        finder = FINDERS[kind]
        if finder.of is not None and finder.is_open_to(actor):
            keys = [key for one, key in things if one is kind]
            found |= {(kind, hit.key): hit for hit in finder.of(session, actor, keys)}
    return tuple(found[thing] for thing in things if thing in found)


class _Asking:
    """One search's time: what one kind does not use is there for the next."""

    def __init__(self, session: Session, actor: Principal, finders: Mapping[Kind, Finder], patience: Patience) -> None:
        self.finders = finders
        self._session, self._actor, self._each_ms = session, actor, patience.each_ms
        self._until = time.monotonic() + patience.all_ms / 1000

    def ask(self, asked: Asked, kinds: Sequence[Kind] | None = None) -> dict[Kind, Group]:
        wanted = self.finders if kinds is None else kinds
        return {kind: self._ask(kind, asked) for kind in wanted}

    def _ask(self, kind: Kind, asked: Asked) -> Group:
        left_ms = min(int((self._until - time.monotonic()) * 1000), self._each_ms)
        if left_ms <= 0:
            return Group(kind, is_late=True)
        try:
            # What else is in the transaction is not lost with a statement that is stopped.
            with self._session.begin_nested():
                self._session.execute(_BEGIN, {"within": str(left_ms)})
                return _group(kind, self.finders[kind].find(self._session, self._actor, asked))
        except sa.exc.OperationalError as error:
            if isinstance(error.orig, psycopg.errors.QueryCanceled):
                return Group(kind, is_late=True)
            raise


def _is_meant(group: Group) -> bool:
    """Whether it is likely to be what was looked for. That some ticket has the word says little: people mistype in tickets too."""
    return group.best <= (Rank.PREFIX if group.kind is Kind.TICKETS else Rank.PART)


def _group(kind: Kind, hits: Sequence[Hit]) -> Group:
    once = list({hit.key: hit for hit in sorted(hits, key=lambda hit: -hit.rank)}.values())
    place = {hit.key: at for at, hit in reversed(list(enumerate(hits)))}
    best_first = sorted(once, key=lambda hit: (hit.rank, place[hit.key]))
    return Group(kind, tuple(best_first[:SHOWN]), is_more=len(best_first) > SHOWN)
