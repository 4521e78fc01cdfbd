"""What customers say of themselves."""

from __future__ import annotations

import pytest
from sqlmodel import Session

from app.errors import InvalidInput
from services.apps.profile import set_profile
from tests.services.apps.texting import logged_in


def test_name_and_language_are_set_each_by_itself_and_the_name_taken_away(session: Session) -> None:
    _, me = logged_in(session)
    set_profile(session, me, name="  Awa\n Ceesay ")
    assert set_profile(session, me, language="fr").name == "Awa Ceesay"
    stands = set_profile(session, me, name=" ")
    assert (stands.name, stands.language) == (None, "fr")


@pytest.mark.parametrize(("change", "field"), [({"language": "xx"}, "language"), ({"name": "x" * 121}, "name")])
def test_what_we_cannot_keep_is_refused(session: Session, change: dict[str, str], field: str) -> None:
    _, me = logged_in(session)
    with pytest.raises(InvalidInput) as refused:
        set_profile(session, me, **change)
    assert refused.value.field == field
