"""The columns of the console's table: what kinds of cells there are, how each is drawn, and the values they are drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from app.clock import isoformat, utc_now
from pages.components import words
from pages.components.words import Tone

Kind = Literal["text", "link", "money", "chip", "time", "left", "due", "code", "action", "pick"]
Cell = str | dict[str, str] | None

# One template for every list: which cell is drawn how is told by its column's kind.
BODY = """
<q-tr :props="props" :class="props.row.href ? 'opens' : ''">
  <q-td v-for="col in props.cols" :key="col.name" :props="props" :data-label="col.label"
        :class="['cell-' + col.kind, 'phone-' + col.phone, col.value ? '' : 'is-nothing']">
    <span class="key">{{ col.label }}</span>
    <span v-if="!col.value" class="faint">–</span>
    <a v-else-if="col.kind === 'link'" class="open" :href="props.row.href">{{ col.value }}<span v-if="props.row.second"
       class="second">{{ props.row.second }}</span></a>
    <span v-else-if="col.kind === 'chip'" :class="'chip tone-' + col.value.tone">{{ col.value.text }}</span>
    <q-checkbox v-else-if="col.kind === 'pick'" dense :model-value="!!col.value.on" aria-label="Choose"
           @update:model-value="() => $parent.$emit('pick', props.row.id)" @click.stop />
    <time v-else-if="col.kind === 'due'" :datetime="col.value.at" :data-at="col.value.at" data-mode="due" :title="col.value.exact"
          :class="col.value.late">{{ col.value.text }}</time>
    <time v-else-if="(col.kind === 'time' || col.kind === 'left') && col.value.at" :datetime="col.value.at" :data-at="col.value.at"
          :data-mode="col.kind === 'left' ? 'left' : 'relative'" :title="col.value.exact">{{ col.value.text }}</time>
    <q-btn v-else-if="col.kind === 'action'" outline no-caps size="12px" color="link" :label="col.value"
           @click.stop="() => $parent.$emit('act', props.row.id)" />
    <span v-else-if="col.kind === 'money'" class="money">{{ col.value }}</span>
    <span v-else-if="col.kind === 'code'" class="mono">{{ col.value }}</span>
    <span v-else class="clamp" :title="col.value">{{ col.value }}</span>
  </q-td>
</q-tr>
"""


@dataclass(frozen=True)
class Column:
    """`phone` says where the cell stands on a card: as its title, in its corner, as a line, or nowhere."""

    name: str
    label: str
    kind: Kind = "text"
    sortable: bool = False
    phone: Literal["title", "corner", "line", "hide"] = "line"

    def as_quasar(self) -> dict[str, Any]:
        align = "right" if self.kind in ("money", "action") else "left"
        return {
            "name": self.name,
            "label": self.label,
            "field": self.name,
            "sortable": self.sortable,
            "align": align,
            "kind": self.kind,
            "phone": self.phone,
        }


def time_cell(at: datetime | None, *, left: bool = False) -> Cell:
    if at is None:
        return None
    now = utc_now()
    text = words.time_left(at, now) if left else words.relative(at, now)
    return {"at": isoformat(at) or "", "text": text, "exact": words.exact(at)}


def due_cell(at: datetime | None) -> Cell:
    """A deadline in words, red once it has passed."""
    if at is None:
        return None
    now = utc_now()
    return {"at": isoformat(at) or "", "text": words.due(at, now), "exact": words.exact(at), "late": "late" if at <= now else ""}


def chip_cell(text: str, tone: Tone) -> Cell:
    return {"text": text, "tone": tone}


def state_cell(state: Any) -> Cell:
    found = words.words_of(state)
    return chip_cell(found.text, found.tone)
