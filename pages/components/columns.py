"""The columns of the console's table: what kinds of cells there are, how each is drawn, and the values they are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from app.clock import isoformat, utc_now
from pages.components import words
from pages.components.words import Tone

Kind = Literal["text", "link", "money", "number", "chip", "time", "left", "due", "code", "action", "pick"]
Cell = str | dict[str, str] | None
# What is always there, and in no file.
_TOOLS = ("action", "pick")

# One template for every list: which cell is drawn how is told by its column's kind. What can have the focus says by `data-keep` as what it
# is found again when news drew the rows anew (static/lists.js).
BODY = """
<q-tr :props="props" :class="props.row.href ? 'opens' : ''">
  <q-td v-for="col in props.cols" :key="col.name" :props="props" :data-label="col.label"
        :class="['cell-' + col.kind, 'phone-' + col.phone, col.value ? '' : 'is-nothing']">
    <span class="key">{{ col.label }}</span>
    <template v-if="!col.value"><span v-if="col.kind !== 'pick'" class="faint">–</span></template>
    <a v-else-if="col.kind === 'link'" class="open" :href="props.row.href" :data-keep="'open-' + props.row.id">{{ col.value
       }}<span v-if="props.row.second" class="second">{{ props.row.second }}</span></a>
    <span v-else-if="col.kind === 'chip'" :class="'chip tone-' + col.value.tone">{{ col.value.text }}</span>
    <q-checkbox v-else-if="col.kind === 'pick'" dense :model-value="!!col.value.on" aria-label="Choose" :data-keep="'pick-' + props.row.id"
           @update:model-value="() => $parent.$emit('pick', props.row.id)" @click.stop />
    <time v-else-if="col.kind === 'due'" :datetime="col.value.at" :data-at="col.value.at" data-mode="due" :title="col.value.exact"
          :class="col.value.late">{{ col.value.text }}</time>
    <time v-else-if="(col.kind === 'time' || col.kind === 'left') && col.value.text" :datetime="col.value.at" :data-at="col.value.at"
          :data-mode="col.kind === 'left' ? 'left' : 'relative'" :title="col.value.exact">{{ col.value.text }}</time>
    <q-btn v-else-if="col.kind === 'action'" outline no-caps size="12px" color="link" :label="col.value"
           :data-keep="'act-' + props.row.id" @click.stop="() => $parent.$emit('act', props.row.id)" />
    <span v-else-if="col.kind === 'money' || col.kind === 'number'" class="money">{{ col.value }}</span>
    <span v-else-if="col.kind === 'code'" class="mono">{{ col.value }}</span>
    <span v-else class="clamp" :title="col.value">{{ col.value }}</span>
  </q-td>
</q-tr>
"""
# A header that sorts is a button within its cell: it has the focus, and Enter and the space bar press it.
HEAD = """
<q-th :props="props" :aria-sort="!props.col.sortable ? null : !/\\bsorted\\b/.test(props.col.__thClass) ? 'none'
      : /sort-desc/.test(props.col.__thClass) ? 'descending' : 'ascending'">
  <button v-if="props.col.sortable" type="button" class="sort" :data-keep="'sort-' + props.col.name">{{ props.col.label }}</button>
  <span v-else-if="props.col.label">{{ props.col.label }}</span>
  <span v-else class="spoken">{{ props.col.spoken }}</span>
</q-th>
"""


@dataclass(frozen=True)
class Column:
    """`phone` says where the cell stands on a card: as its title, in its corner, as a line, or nowhere.

    A `hidden` one is shown only to those who choose it. `second` names what stands under a link, for the list's file.
    """

    name: str
    label: str
    kind: Kind = "text"
    sortable: bool = False
    phone: Literal["title", "corner", "line", "hide"] = "line"
    hidden: bool = False
    second: str = ""

    @property
    def is_tool(self) -> bool:
        """Nothing is said by it: it is for choosing the row, or for acting on it."""
        return self.kind in _TOOLS

    def as_quasar(self, *, is_chosen: bool = False) -> dict[str, Any]:
        """`is_chosen`: the person asked for it, so that it stands on a phone's card as well."""
        align = "right" if self.kind in ("money", "number", "action") else "left"
        return {
            "name": self.name,
            "label": self.label,
            "field": self.name,
            "sortable": self.sortable,
            "align": align,
            "kind": self.kind,
            "phone": "line" if is_chosen and self.phone == "hide" else self.phone,
            "spoken": "Choose" if self.kind == "pick" else "Action",
        }


def shown_columns(columns: Sequence[Column], chosen: Sequence[str], fixed: int) -> list[Column]:
    """Those that the list shows by itself, or the chosen ones; the first `fixed` and the tools always."""
    always = [column.name for column in columns if not column.is_tool][:fixed]
    return [
        column for column in columns if column.is_tool or column.name in always or (column.name in chosen if chosen else not column.hidden)
    ]


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
