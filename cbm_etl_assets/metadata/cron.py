"""Is a cron expression of five fields well formed? Owns that question; when it fires is the scheduler's business."""

from __future__ import annotations

import re

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_NAMES = {
    "month": {name: i for i, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)},
    "weekday": {name: i for i, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])},
}
_PART = re.compile(r"(?:\*|([a-z0-9]+)(?:-([a-z0-9]+))?)(?:/([0-9]+))?")


def check_cron(text: str) -> str:
    """The text itself. Raises: ValueError naming the field that is wrong and its range."""
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise ValueError(f"cron '{text}' must have five fields: minute hour day month weekday")
    for value, (name, low, high) in zip(fields, _FIELDS, strict=True):
        for part in value.lower().split(","):
            if not _fits(part, name, low, high):
                raise ValueError(f"cron '{text}': {name} '{value}' must be {low} to {high}, *, a range a-b, a list a,b or a step */n")
    return text


def _fits(part: str, name: str, low: int, high: int) -> bool:
    found = _PART.fullmatch(part)
    if found is None or (found[3] is not None and not 1 <= int(found[3]) <= high):
        return False
    ends = [_number(end, name) for end in (found[1], found[2]) if end is not None]
    return all(low <= end <= high for end in ends) and ends == sorted(ends)


def _number(text: str, name: str) -> int:
    return int(text) if text.isdigit() else _NAMES.get(name, {}).get(text, -1)
