"""What payments can be narrowed by: the places and promo codes that there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel import Session, col, select

from services.access.models import Gateway
from services.network.models import Site
from services.packages.promo_models import PromoCode

_MOST = 1_000


@dataclass(frozen=True)
class SaleChoices:
    """Numbers of sites and gateways to their names; promo codes to themselves, the newest first."""

    sites: Mapping[str, str]
    gateways: Mapping[str, str]
    promos: Mapping[str, str]


def sale_choices(session: Session) -> SaleChoices:
    sites = session.exec(select(Site.id, Site.name).order_by(col(Site.name)).limit(_MOST)).all()
    gateways = session.exec(select(Gateway.id, Gateway.name).order_by(col(Gateway.name), col(Gateway.id)).limit(_MOST)).all()
    promos = session.exec(select(PromoCode.code).order_by(col(PromoCode.id).desc()).limit(_MOST)).all()
    return SaleChoices(
        sites={str(number): name for number, name in sites},
        gateways={str(number): name for number, name in gateways},
        promos={code: code for code in promos},
    )
