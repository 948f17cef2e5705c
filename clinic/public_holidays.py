"""Federal holidays that a manager may want to close on. Suggestions only: nothing closes by itself. Pure."""

from datetime import date
from functools import lru_cache

import holidays


@lru_cache(maxsize=8)
def _of_year(year: int) -> tuple[tuple[date, str], ...]:
    return tuple(sorted(holidays.country_holidays("US", years=year).items()))


def upcoming(today: date, count: int) -> list[tuple[date, str]]:
    """Return the next ``count`` federal holidays from ``today`` on as (day, name), observed days included."""
    found = [entry for year in (today.year, today.year + 1) for entry in _of_year(year) if entry[0] >= today]
    return found[:count]
