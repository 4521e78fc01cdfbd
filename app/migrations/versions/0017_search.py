"""the console's search: indexes by which people, devices and places are found, and the words of names for mistyped ones"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from app import expanding

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

_NAMED = "name IS NOT NULL"
# What a name's words are is said in one place: whoever changes a name keeps them without knowing.
_KEEPING = """
CREATE OR REPLACE FUNCTION customer_name_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' AND NEW.name IS NOT NULL THEN
        -- In order, so that two who write the same new words wait for each other and never in a circle.
        INSERT INTO name_word (word)
            SELECT said FROM unnest(tsvector_to_array(to_tsvector('simple', NEW.name))) AS said
            WHERE length(said) BETWEEN 2 AND 40 ORDER BY said ON CONFLICT DO NOTHING;
    END IF;
    IF TG_OP <> 'INSERT' AND OLD.name IS NOT NULL THEN
        -- Nobody's name any more: a person who wishes to be forgotten leaves no word behind.
        DELETE FROM name_word WHERE word = ANY (tsvector_to_array(to_tsvector('simple', OLD.name)))
            AND NOT EXISTS (SELECT FROM customer WHERE name IS NOT NULL AND to_tsvector('simple', name) @@ quote_literal(word)::tsquery);
    END IF;
    RETURN NULL;
END $$
"""
_TRIGGERS = {
    "customer_name_given": f"AFTER INSERT ON customer FOR EACH ROW WHEN (NEW.{_NAMED})",
    "customer_name_changed": "AFTER UPDATE OF name ON customer FOR EACH ROW WHEN (NEW.name IS DISTINCT FROM OLD.name)",
    "customer_name_gone": f"AFTER DELETE ON customer FOR EACH ROW WHEN (OLD.{_NAMED})",
}
_FILL = """
INSERT INTO name_word (word) SELECT DISTINCT said FROM customer, unnest(tsvector_to_array(to_tsvector('simple', name))) AS said
WHERE name IS NOT NULL AND length(said) BETWEEN 2 AND 40 ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    """Each step commits for itself and may be run twice."""
    expanding.create_index("ix_customer_phone_ending", "customer", [sa.text("reverse(phone_e164)")])
    expanding.create_index("ix_customer_name", "customer", [sa.text("lower(name) text_pattern_ops")], where=_NAMED)
    expanding.create_index("ix_customer_name_words", "customer", [sa.text("to_tsvector('simple', name)")], where=_NAMED, using="gin")
    expanding.create_index("ix_device_last_mac", "device", ["last_mac"], where="last_mac IS NOT NULL")
    expanding.create_index("ix_access_session_mac", "access_session", ["mac", "id"], where="mac IS NOT NULL")
    expanding.create_index("ix_gateway_name_part", "gateway", [sa.text("name gin_trgm_ops")], using="gin")
    expanding.create_index("ix_site_name_part", "site", [sa.text("name gin_trgm_ops")], using="gin")
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '5s'")
        op.create_table(
            "name_word",
            sa.Column("word", sa.String(length=40), nullable=False),
            sa.PrimaryKeyConstraint("word", name=op.f("pk_name_word")),
            if_not_exists=True,
        )
        op.execute(_KEEPING)
        for name, when in _TRIGGERS.items():
            op.execute(f"CREATE OR REPLACE TRIGGER {name} {when} EXECUTE FUNCTION customer_name_words()")
        op.execute(_FILL)
    expanding.create_index("ix_name_word_word_part", "name_word", [sa.text("word gin_trgm_ops")], using="gin")


def downgrade() -> None:
    for name in _TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON customer")
    op.execute("DROP FUNCTION customer_name_words()")
    op.drop_table("name_word")
    for name, table in (
        ("ix_site_name_part", "site"),
        ("ix_gateway_name_part", "gateway"),
        ("ix_access_session_mac", "access_session"),
        ("ix_device_last_mac", "device"),
        ("ix_customer_name_words", "customer"),
        ("ix_customer_name", "customer"),
        ("ix_customer_phone_ending", "customer"),
    ):
        op.drop_index(name, table_name=table)
