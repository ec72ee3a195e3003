"""Moments as programs print them: when was it, and can it be the time of the run?"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from time import localtime, strftime

from codeact_kernel.replay.tokens import MONTHS

DAY_AND_A_HALF = 36 * 3600.0
"""Seconds that a moment may lie from the run: time zones reach 14 hours, cells may run for hours."""
QUARTER = 15 * 60
_CLOCK = re.compile(r"(\d\d?):(\d\d)(?::(\d\d))?")
_MONTH = re.compile("|".join(MONTHS))
_DIGITS = re.compile(r"\d+")


def can_be_now(text: str, now: float) -> bool:
    """Whether a printed moment may be that of a run at `now` (seconds since the epoch)."""
    try:
        if text[2:3] == ":" or text[1:2] == ":":
            return _near_time_of_day(text, now)
        if text[4:5] in ("-", "/"):  # minutes do not matter; the hour is looked up more often than read
            return abs(_hour(text[:13]) - now) <= DAY_AND_A_HALF
        return abs(_seconds(text, now) - now) <= DAY_AND_A_HALF
    except (ValueError, OverflowError):
        return False


@lru_cache(maxsize=256)
def _hour(text: str) -> float:
    return _numbered(text).replace(tzinfo=UTC).timestamp()


def _near_time_of_day(text: str, now: float) -> bool:
    found = _CLOCK.match(text)
    assert found is not None
    hour, minute, second = (int(part or 0) for part in found.groups())
    if hour > 23 or minute > 59 or second > 60:
        return False
    if text.rstrip().endswith("PM"):
        hour = hour % 12 + 12
    elif text.rstrip().endswith("AM"):
        hour %= 12
    asked = hour * 3600 + minute * 60 + second
    here = localtime(now)
    present = (int(now) % 86400, here.tm_hour * 3600 + here.tm_min * 60 + here.tm_sec)
    return any(min((asked - one) % 86400, (one - asked) % 86400) <= QUARTER for one in present)


def _seconds(text: str, now: float) -> float:
    """Return seconds since the epoch, the zone taken as UTC."""
    if text[:1] == "1" and re.fullmatch(r"1\d{9}(?:\.\d+)?|1\d{12}|1\d{15}|1\d{18}", text):
        return float(text) if "." in text or len(text) == 10 else int(text) / 10 ** (len(text) - 10)
    named = _MONTH.search(text)
    moment = _named(text, named, now) if named else _numbered(text)
    return moment.replace(tzinfo=UTC).timestamp()


def _named(text: str, named: re.Match[str], now: float) -> datetime:
    clock = _CLOCK.search(text)
    rest = text.replace(clock.group(), " ", 1) if clock else text
    numbers = [int(one) for one in _DIGITS.findall(rest)]
    days = [one for one in numbers if 1 <= one <= 31]
    years = [one for one in numbers if 1900 <= one <= 2999]
    year = years[0] if years else int(strftime("%Y", localtime(now)))
    month = MONTHS.index(named.group()) + 1
    moment = datetime(year, month, days[0] if days else 1, tzinfo=UTC)
    if not years and moment - datetime.fromtimestamp(now, UTC) > timedelta(days=180):
        moment = moment.replace(year=year - 1)
    if clock:
        moment += timedelta(hours=int(clock[1]) % 24, minutes=int(clock[2]))
    return moment


def _numbered(text: str) -> datetime:
    numbers = _DIGITS.findall(text)
    if len(numbers[0]) >= 8:
        joined = "".join(numbers)
        numbers = [joined[:4], *(joined[place : place + 2] for place in range(4, min(14, len(joined)), 2))]
    year, month, day, *rest = (int(one) for one in numbers[:6])
    hour, minute, second = (*rest, 0, 0, 0)[:3]
    return datetime(year, month, day, hour % 24, min(minute, 59), min(second, 59), tzinfo=UTC)
