"""Every page of the console as the guide shows it, read from the pages themselves and from the table of permissions."""

from __future__ import annotations

from dataclasses import dataclass

from pages import frame
from pages.help.about_pages import ABOUT, About
from pages.shell import PAGES, ConsolePage
from services.accounts.models import Role
from services.accounts.permissions import ROLE_PERMISSIONS, Permission

TOP = "Start"
OWN = "For everybody"


@dataclass(frozen=True)
class Listed:
    """A page in the guide. `href` is None for a page of one record, which is reached from the list above it."""

    group: str
    name: str
    icon: str
    text: str
    href: str | None
    permission: Permission
    roles: tuple[Role, ...]
    is_in_navigation: bool


def listed_pages() -> tuple[Listed, ...]:
    """In the order of the navigation, each page of one record after its list; the two that need no log-in are left out."""
    return tuple(_listed(page) for page in sorted(_inner(), key=_place))


def groups(pages: tuple[Listed, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(page.group for page in pages))


def may_open(permission: Permission) -> tuple[Role, ...]:
    return tuple(role for role in Role if permission in ROLE_PERMISSIONS[role])


def _inner() -> list[ConsolePage]:
    return [page for page in PAGES.values() if page.permission is not None]


def _parent(page: ConsolePage) -> ConsolePage | None:
    """The page of the navigation under which this one lies: the longest address that begins its own."""
    above = [one for one in _inner() if one.in_navigation and one.path != "/console" and page.path.startswith(f"{one.path}/")]
    return max(above, key=lambda one: len(one.path), default=None)


# Lies beside its list, because the name of a router may be anything.
_UNDER = {"/console/register-gateway": "/console/gateways"}


def _head(page: ConsolePage) -> ConsolePage | None:
    if page.in_navigation:
        return page
    return PAGES[_UNDER[page.path]] if page.path in _UNDER else _parent(page)


def _group(page: ConsolePage) -> str:
    head = _head(page)
    return OWN if head is None else head.group or TOP


def _place(page: ConsolePage) -> tuple[int, int, bool, int]:
    head = _head(page)
    order = list(PAGES)
    if head is None:
        return (len(frame.GROUPS), 0, False, order.index(page.path))
    return (frame.GROUPS.index(head.group), order.index(head.path), page is not head, order.index(page.path))


def _listed(page: ConsolePage) -> Listed:
    assert page.permission is not None
    about = ABOUT.get(page.path, About(""))
    head = _head(page)
    return Listed(
        group=_group(page),
        name=about.name or page.title,
        icon=page.icon or (head.icon if head else "") or "article",
        text=about.text,
        href=None if "{" in page.path else page.path,
        permission=page.permission,
        roles=may_open(page.permission),
        is_in_navigation=page.in_navigation,
    )
