"""What an SMS costs: how many segments a text is cut into (3GPP TS 23.038 §6.2.1, TS 23.040 §9.2.3.24.1; push-and-sms.md §B4)."""

from __future__ import annotations

from dataclasses import dataclass

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# Each takes an escape before it, so counts twice.
_EXTENSION = frozenset("^{}\\[~]|€\f")


@dataclass(frozen=True)
class Cost:
    """`units` are septets in GSM-7 and UTF-16 code units in UCS-2. `foreign` are the characters that forbid GSM-7."""

    segments: int
    units: int
    is_gsm7: bool
    foreign: str = ""


def cost_of(text: str) -> Cost:
    """How a text is sent: one segment holds 160 septets or 70 UCS-2 units, and 153 or 67 of each when there are several."""
    foreign = "".join(dict.fromkeys(character for character in text if character not in _BASIC and character not in _EXTENSION))
    if foreign:
        sizes = [2 if ord(character) > 0xFFFF else 1 for character in text]
        return Cost(_segments(sizes, 70, 67), sum(sizes), False, foreign)
    sizes = [2 if character in _EXTENSION else 1 for character in text]
    return Cost(_segments(sizes, 160, 153), sum(sizes), True)


def _segments(sizes: list[int], alone: int, part: int) -> int:
    if sum(sizes) <= alone:
        return 1
    segments, used = 1, 0
    for size in sizes:
        # A character of two units is never cut in half.
        if used + size > part:
            segments, used = segments + 1, 0
        used += size
    return segments
