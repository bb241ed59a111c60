"""Values of FIX tags, each refusal saying the tag, what was there and what would be right."""

import re
from datetime import date, timedelta

from domain.errors import Refused
from domain.reasons import DeadLetterReason
from domain.vocabulary import SIDE_OF_FIX
from sources.ahead import LASTS_DAYS

Fields = dict[str, str]
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)", re.ASCII)
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)-(\d\d:\d\d:\d\d)(\.\d{1,12})?Z?", re.ASCII)


def as_number(text: str) -> float | None:
    """The text as a decimal number without exponent, None where it is not one."""
    return float(text) if _NUMBER.fullmatch(text) else None


def number(fields: Fields, tag: str, name: str) -> float | None:
    """The tag as a number, None where it is missing or empty. Raises Refused."""
    text = fields.get(tag, "").strip()
    if not text:
        return None
    value = as_number(text)
    if value is None:
        raise Refused(
            DeadLetterReason.WRONG_TYPE, f"tag {tag} ({name}) must be a number, was {text!r}"
        )
    return value


def whole(fields: Fields, tag: str) -> int | None:
    """The tag as a whole number, None where it is missing or not one."""
    text = fields.get(tag, "").strip()
    return int(text) if text.isascii() and text.isdigit() else None


def utc_time(fields: Fields, *tags: str) -> str:
    """RFC 3339 of the first of these tags that is there. Raises Refused."""
    for tag in tags:
        text = fields.get(tag, "").strip()
        if not text:
            continue
        found = _TIME.fullmatch(text)
        if found is None:
            raise Refused(
                DeadLetterReason.BAD_TIME,
                f"tag {tag} must be a UTC time such as 20261120-14:30:00.123, was {text!r}",
            )
        year, month, day, clock, fraction = found.groups()
        return f"{year}-{month}-{day}T{clock}{fraction or ''}Z"
    raise Refused(DeadLetterReason.BAD_TIME, f"no time of the event: tag {' or '.join(tags)}")


def event_time(fields: Fields) -> str:
    """When it happened: TransactTime (60), else SendingTime (52). Raises Refused.

    Logs exist in which one of them is days off; what would have happened a year after it was
    sent is refused.
    """
    found = utc_time(fields, "60", "52")
    happened, sent = _day(fields.get("60", "")), _day(fields.get("52", ""))
    if happened and sent and happened > sent + timedelta(days=LASTS_DAYS):
        raise Refused(
            DeadLetterReason.FUTURE,
            f"tag 60 (TransactTime) is {fields['60'].strip()}, more than {LASTS_DAYS} "
            f"days after the message was sent (tag 52): {fields['52'].strip()}",
        )
    return found


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()[:8])
    except ValueError:
        return None


def optional_time(fields: Fields, tag: str) -> str | None:
    """RFC 3339 of the tag, None where it is missing. Raises Refused."""
    return utc_time(fields, tag) if fields.get(tag) else None


def side(code: str) -> str | None:
    """The side of FIX 54, None where it is missing. Raises Refused."""
    if not code:
        return None
    known = SIDE_OF_FIX.get(code)
    if known is None:
        raise Refused(
            DeadLetterReason.BAD_SIDE,
            f"tag 54 (Side) must be one of {', '.join(SIDE_OF_FIX)}, was {code!r}",
        )
    return str(known)
