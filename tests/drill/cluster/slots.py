"""Proof that two schedulers do each thing once: every claim of a slot is written down by PostgreSQL itself, behind the product's back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.drill.ledgers import Finding
from tests.drill.world import World

_WATCH = (
    "CREATE TABLE drill_claim (id text NOT NULL, slot bigint NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp())",
    """CREATE FUNCTION drill_note_claim() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' OR NEW.last_started_at IS DISTINCT FROM OLD.last_started_at THEN
            INSERT INTO drill_claim (id, slot) VALUES (NEW.id, NEW.run_slot);
        END IF;
        RETURN NULL;
    END $$""",
    "CREATE TRIGGER drill_note_claim AFTER INSERT OR UPDATE ON periodic_job FOR EACH ROW EXECUTE FUNCTION drill_note_claim()",
)
_CLAIMS = "SELECT id, slot, count(*) AS n FROM drill_claim GROUP BY id, slot"
_RUNS = "SELECT job, sum(runs) AS runs FROM job_hour GROUP BY job"
_SCHEDULED = "SELECT id FROM periodic_job"


@dataclass(frozen=True)
class Slots:
    """`claims` by line of the schedule; `doubled` are slots that were claimed more than once."""

    claims: Counter[str]
    doubled: list[str]


def watch(world: World) -> None:
    """From now on each claim is written down."""
    world.change("DROP TABLE IF EXISTS drill_claim", *_WATCH)


def counted(world: World) -> Slots:
    rows = world.rows(_CLAIMS)
    claims: Counter[str] = Counter()
    for row in rows:
        claims[row["id"]] += int(row["n"])
    return Slots(claims, [f"{row['id']} slot {row['slot']}: {row['n']} times" for row in rows if row["n"] > 1])


def findings(slots: Slots) -> Iterator[Finding]:
    for what in slots.doubled:
        yield Finding("doubled", None, f"a periodic job claimed one slot more than once: {what}")
