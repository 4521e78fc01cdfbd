"""What staff do with routers: register one and watch it call, read and change its key, give it its script."""

from __future__ import annotations

from datetime import timedelta

import pytest
from nicegui import ui
from nicegui.testing import User
from sqlmodel import Session, select

from app import redis
from app.clock import utc_now
from app.db import in_transaction
from services.access import busy
from services.access.gateway_keys import KeyState, key_state, key_used
from services.access.gateways import faskey_of, keys_of
from services.access.models import Gateway
from services.accounts.models import Role
from services.network.alarm_models import AlarmKind
from services.network.alarms import raise_alarm
from tests.pages.conftest import SignIn
from tests.pages.test_pages import toasted, until

pytestmark = pytest.mark.usefixtures("shop")


def first_gateway(session: Session) -> Gateway:
    return session.exec(select(Gateway).order_by(Gateway.id)).first()  # type: ignore[return-value, arg-type]


def snippets(user: User) -> list[str]:
    return [element.props["innerHTML"] for element in user.find(marker="snippet").elements]


def shown(user: User, text: str) -> bool:
    return any(text in getattr(element, "text", "") for element in user.find(kind=ui.label).elements)


async def test_a_router_is_registered_with_a_made_identity_and_its_first_call_is_waited_for(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/register-gateway")
    user.find(marker="gateway-name").type("Bakau Craft Market")
    user.find(marker="register-now").click()
    await user.should_see(marker="snippet", retries=100)
    gateway = await in_transaction(lambda session: session.exec(select(Gateway).where(Gateway.name == "Bakau Craft Market")).one())
    (text,) = snippets(user)
    assert f"/fas/{gateway.slug}" in text
    assert gateway.gateway_name in text
    assert faskey_of(gateway) in text
    assert "nat_traversal_poll_interval '10'" in text
    await user.should_see("The router has not called yet")
    redis.client().hset(busy.SEEN, gateway.slug, f"{int(utc_now().timestamp())}|openNDS(authmon;NDS:10.2.0;)")
    await until(lambda: shown(user, "The router has called"))


async def test_a_debian_router_gets_level_3_and_its_own_file(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/register-gateway")
    (system,) = user.find(marker="gateway-system").elements
    (level,) = user.find(marker="gateway-level").elements
    level.value = 4  # type: ignore[attr-defined]
    system.value = "debian"  # type: ignore[attr-defined]
    assert level.value == 3  # type: ignore[attr-defined]
    user.find(marker="gateway-name").type("Banjul Library")
    user.find(marker="register-now").click()
    await user.should_see(marker="snippet", retries=100)
    (text,) = snippets(user)
    assert "binauth /usr/lib/opennds/binauth_log.sh" in text
    assert "nat_traversal_poll_interval" not in text


async def test_a_slug_that_is_none_is_said_at_its_field(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open("/console/register-gateway")
    user.find(marker="gateway-slug").clear().type("No Slug")
    user.find(marker="register-now").click()
    (field,) = user.find(marker="gateway-slug").elements
    await until(lambda: "3 to 64" in str(field.props.get("error-message")))


async def test_a_router_key_is_hidden_until_it_is_asked_for_by_who_may(user: User, sign_in: SignIn) -> None:
    gateway = await in_transaction(first_gateway)
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.open(f"/console/gateways/{gateway.slug}")
    assert faskey_of(gateway) not in snippets(user)[0]
    for marker in ("reveal-key", "rotate-key", "download-script"):
        await user.should_not_see(marker=marker, retries=1)
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(f"/console/gateways/{gateway.slug}")
    user.find(marker="reveal-key").click()
    await until(lambda: any(faskey_of(gateway) in text for text in snippets(user)))


async def test_a_key_is_changed_and_the_page_says_how_far_it_is(user: User, sign_in: SignIn) -> None:
    slug = (await in_transaction(first_gateway)).slug
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(f"/console/gateways/{slug}")
    user.find(marker="rotate-key").click()
    await user.should_see(marker="confirm")
    user.find(marker="confirm").click()
    await user.should_see("Both keys open", retries=100)
    old, new = keys_of(await in_transaction(first_gateway))
    user.find(marker="reveal-key").click()
    await until(lambda: any(new in text for text in snippets(user)))
    assert not any(old in text for text in snippets(user))

    def take_up(session: Session) -> None:
        key_used(session, gateway_id=first_gateway(session).id or 0, key=new, is_fresh=True, now=utc_now())

    await in_transaction(take_up)
    await user.should_see("The router uses the new key", retries=100)
    user.find(marker="forget-former").click()
    await user.should_see("Forget the former key?", retries=100)
    user.find("Forget it").click()
    await until(toasted(user, "The former key opens nothing any more."))
    gateway = await in_transaction(first_gateway)
    assert (key_state(gateway), keys_of(gateway)) == (KeyState.STEADY, (new,))


async def test_the_script_is_fetched_with_the_routers_own_key_and_made_worthless(user: User, sign_in: SignIn) -> None:
    slug = (await in_transaction(first_gateway)).slug
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(f"/console/gateways/{slug}")
    user.find(marker="download-script").click()
    script = (await user.download.next()).text
    assert script.startswith("#!/bin/sh")
    assert "@INET_AGENT_KEY@" not in script
    await user.should_see(marker="forget-script", retries=100)
    user.find(marker="forget-script").click()
    await user.should_see(marker="confirm")
    user.find(marker="confirm").click()
    await until(toasted(user, "Its key is worth nothing now."))
    assert (await in_transaction(first_gateway)).agent_key_sealed is None


async def test_an_alarm_and_what_the_router_counts_are_shown(user: User, sign_in: SignIn) -> None:
    def change(session: Session) -> str:
        gateway, now = first_gateway(session), utc_now()
        gateway.agent_key_sealed, gateway.agent_seen_at, gateway.agent_clients = "sealed", now - timedelta(seconds=20), 17
        raise_alarm(session, AlarmKind.TWO_POLLERS, gateway.slug, "It polls twice.", now=now)
        return gateway.slug

    slug = await in_transaction(change)
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.open(f"/console/gateways/{slug}")
    await user.should_see("It polls twice.")
    await user.should_see("17, counted by the router")
