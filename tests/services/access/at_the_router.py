"""A router and its phones without a wire: what authmon would say is said to the services directly."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote

from sqlmodel import Session, col, select

from services.access import entitlements, grants, reports
from services.access.context import HotspotContext
from services.access.gateways import faskey_of
from services.access.models import Entitlement, Gateway, Grant
from services.integrations import opennds
from services.integrations.opennds import DeauthReport
from services.vouchers.models import Voucher, VoucherState
from services.vouchers.service import issue_voucher
from tests.conftest import NOON
from tests.factories import make_gateway, make_package, staff

MAC = "02:00:00:bb:00:50"


@dataclass
class AtRouter:
    """One router; `tokens` are its secrets, by the hid of each entry on its list."""

    session: Session
    level: int = 3
    gateway: Gateway = field(init=False)
    tokens: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gateway = make_gateway(self.session, level=self.level)

    def joins(self, mac: str = MAC, *, at: datetime = NOON) -> HotspotContext:
        """A phone is redirected: a new entry on the router's list."""
        token = secrets.token_hex(4)
        hid = opennds.hid_of(token)
        self.tokens[hid] = token
        assert self.gateway.id is not None
        return HotspotContext(self.gateway.id, hid, mac, self.level == 3, at)

    def view(self, now: datetime) -> list[list[str]]:
        """The words of each entry that the router is told."""
        lines = grants.entries_on_offer(self.session, gateway_id=self.gateway.id or 0, now=now)
        return [unquote(line).split(" ") for line in lines]

    def polls(self, now: datetime) -> list[str]:
        """One turn of authmon's loop, in which every entry is let in. Answers their names."""
        names = [words[0] for words in self.view(now)]
        grants.acknowledge(self.session, gateway_id=self.gateway.id or 0, acked=tuple(names), now=now)
        return names

    def name_of(self, context: HotspotContext) -> str:
        return opennds.rhid(context.hid, faskey_of(self.gateway))

    def reports_end(self, context: HotspotContext, method: str, *, now: datetime, seconds: int = 60, down: int = 0, up: int = 0) -> None:
        """The end of the newest session of this client, told by its token or, where it was let in by MAC, by its grant's number."""
        mine = (Grant.gateway_id == self.gateway.id, Grant.mac == context.mac, Grant.offer_count > 0)
        grant = self.session.exec(select(Grant).where(*mine).order_by(col(Grant.id).desc())).first()
        assert grant is not None
        token = self.tokens[grant.hid] if grant.hid else None
        report = DeauthReport(method, context.mac, down, up, seconds, token, opennds.custom_for(grant.id or 0))
        reports.deauthenticated(self.session, gateway_id=self.gateway.id or 0, report=report, now=now)

    def restarts(self, now: datetime) -> None:
        reports.router_restarted(self.session, gateway_id=self.gateway.id or 0, slug=self.gateway.slug, now=now)


def bought(session: Session, *, now: datetime = NOON, **terms: object) -> Entitlement:
    """Time that was paid for and nobody uses yet."""
    return bought_with_code(session, now=now, **terms)[0]


def bought_with_code(session: Session, *, now: datetime = NOON, **terms: object) -> tuple[Entitlement, str]:
    package = make_package(session, now=now, **terms)
    voucher, code = issue_voucher(session, actor=staff(), package_id=package.public_id, phone=None, note=None, now=now)
    voucher.state, voucher.used_at = VoucherState.USED, now
    session.flush()
    return entitlements.create_entitlement(session, voucher, now=now), code


def new_code(session: Session, *, now: datetime = NOON, **terms: object) -> str:
    """A voucher that was not entered yet."""
    package = make_package(session, now=now, **terms)
    voucher, code = issue_voucher(session, actor=staff(), package_id=package.public_id, phone=None, note=None, now=now)
    voucher.state, voucher.porta_issued_at = VoucherState.ACTIVE, now
    session.flush()
    assert isinstance(voucher, Voucher)
    return code
