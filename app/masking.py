"""What must not be read in a log or an error is made unreadable here: the last net under the rule that no secret is handed to either."""

from __future__ import annotations

import re

_PHONE = re.compile(r"(?<![\w.:-])\+?(?:220)?\d{7,12}(?![\w.:-])")
_LONG_HEX = re.compile(r"\b[0-9a-f]{40,}\b")
_BEARER = re.compile(r"(?i)(bearer|token|authorization|password|secret|faskey|rhid|fas|iv|code)(['\"]?\s*[=:]\s*['\"]?)[^\s'\"&,]+")
# What PostgreSQL and SQLAlchemy repeat of the row they refused, and pydantic of the input.
_ROWS = re.compile(r"(Key \([^)]*\)=\()[^\n]*?(\)(?= (?:already|is not|is still)|\.|\n|$))")
_FAILING_ROW = re.compile(r"(Failing row contains \()[^\n]*(\))")
_PARAMETERS = re.compile(r"(\[parameters: )[^\n]*(\])")
_INPUT_VALUE = re.compile(r"(input_value=)(?:'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|.*?(?=, input_type=))")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")

# Of an error's own words more is taken away: nobody knows what a library put into them.
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*")
_QUOTED = re.compile(r"'((?:[^'\\\n]|\\.)*)'|\"((?:[^\"\\\n]|\\.)*)\"|“([^”\n]*)”")
_NAME = re.compile(r"[A-Za-z_][A-Za-z_.\-]{0,48}")
_SHOUTED = re.compile(r"[A-Z]{8,}")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")
_QUERY = re.compile(r"\?[^\s'\"]+")
# Wherever its hyphens stand (services/vouchers/codes.py has the alphabet).
_VOUCHER = re.compile(r"(?<![\w-])(?:[2-9A-HJKMNPR-Z]-?){13}[2-9A-HJKMNPR-Z](?![\w-])")
# Long runs of letters with digits in them: codes, keys, tokens, ids.
_MIXED = re.compile(r"(?<![\w/.+=-])(?=[\w+/=-]*\d)(?=[\w+/=-]*[A-Za-z])[\w+/=-]{12,}")
_DIGITS = re.compile(r"(?<![\w.])\d{5,}(?![\w.])")
_MASK = "***"


def mask(text: str) -> str:
    """`text` with anything that looks like a phone number, key, token or refused row made unreadable."""
    text = _BEARER.sub(r"\1\2***", text)
    text = _LONG_HEX.sub(_MASK, text)
    if "(" in text or "=" in text:
        text = _ROWS.sub(r"\1***\2", text)
        text = _FAILING_ROW.sub(r"\1***\2", text)
        text = _PARAMETERS.sub(r"\1***\2", text)
        text = _INPUT_VALUE.sub(r"\1***", text)
    return _PHONE.sub(lambda match: _MASK + match.group()[-3:], text)


def mask_exception(text: str) -> str:
    """A traceback for the log: `mask`, and no voucher code and no mail address either."""
    return _MAIL.sub(_MASK, _VOUCHER.sub(_MASK, mask(text)))


def mask_message(text: str) -> str:
    """The words of an exception, fit for the eyes of staff and of an outside service: what was quoted stays only if it is a plain name."""
    text = mask(text[:4000])
    for pattern, instead in ((_CREDENTIALS, "***@"), (_QUERY, "?***"), (_MAIL, _MASK), (_VOUCHER, _MASK)):
        text = pattern.sub(instead, text)
    text = _QUOTED.sub(_only_names, text)
    text = _MIXED.sub(_MASK, text)
    return readable(_DIGITS.sub(_MASK, text))


def readable(text: str) -> str:
    """Without what PostgreSQL does not store or a terminal would obey."""
    return _CONTROL.sub("", text)


def _only_names(found: re.Match[str]) -> str:
    inside = next(group for group in found.groups() if group is not None)
    if _NAME.fullmatch(inside) and not _SHOUTED.search(inside):
        return found.group()
    quote = found.group()[0]
    return f"{quote}{_MASK}{'”' if quote == '“' else quote}" if inside else found.group()
