"""Long lists in pages, by the place of the first or last row seen: one query however deep, and never a total.

A list of several parts, one after the other, is one list: a query for each part that its page reaches.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
from urllib.parse import urlencode

from django.db import models
from django.db.models import Q

PER_PAGE = 30
Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True)
class Place:
    """Where in a list ordered by a moment and an id a page begins or ends, and in which part of a list of several."""

    at: datetime
    id: uuid.UUID
    part: int = 0

    @classmethod
    def asked(cls, text: str) -> "Place | None":
        """Return the place an address names; None for anything a person made up."""
        moment, _tilde, rest = text.partition("~")
        key, _tilde, part = rest.partition("~")
        try:
            at, pk = datetime.fromisoformat(moment), uuid.UUID(key)
            # In UTC: Python reads zones that differ by fractions of a second, the database does not.
            return cls(at.astimezone(UTC), pk, int(part or 0)) if at.tzinfo else None
        except (ValueError, OverflowError):
            return None

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.id}" + (f"~{self.part}" if self.part else "")


@dataclass(frozen=True)
class Page(Generic[Row]):
    """The rows of one page, and the places where it goes on before and after them: None at either end of the list."""

    rows: list[Row]
    before: Place | None
    after: Place | None

    def links(self, path: str, **kept: str) -> dict[str, str]:
        """Return the addresses of the neighbours with the filters kept, empty where there is none."""
        return {
            "newer": url(path, kept, before=self.before) if self.before else "",
            "older": url(path, kept, after=self.after) if self.after else "",
        }


def url(
    path: str, kept: Mapping[str, str] | None = None, *, after: Place | None = None, before: Place | None = None
) -> str:
    """Return the address of the page that begins after a place, or ends before one, with the filters kept."""
    asked = {name: str(place) for name, place in (("after", after), ("before", before)) if place}
    return f"{path}?{urlencode({**(kept or {}), **asked})}"


def cut(rows: "models.QuerySet[Row]", field: str, asked: Mapping[str, str], *, oldest_first: bool = False) -> Page[Row]:
    """Return the page of ``rows`` by ``field`` and id that ``asked`` names: after a row, before one, or the first.

    A row more than a page tells whether there is another.
    """
    return cut_in_turn([rows], field, asked, oldest_first=oldest_first)


def cut_in_turn(
    parts: "Sequence[models.QuerySet[Row]]", field: str, asked: Mapping[str, str], *, oldest_first: bool = False
) -> Page[Row]:
    """Return the page of a list that has all rows of the first part before those of the next, each in order like ``cut``'s."""
    after, before = Place.asked(asked.get("after", "")), Place.asked(asked.get("before", ""))
    backwards = before is not None and after is None
    place = before if backwards else after
    ascending = oldest_first != backwards
    sign = "" if ascending else "-"
    found: list[tuple[Row, int]] = []
    for number in reversed(range(len(parts))) if backwards else range(len(parts)):
        rows = parts[number]
        if place is not None and number != place.part and (number > place.part) == backwards:
            continue
        if place is not None and number == place.part:
            rows = _beyond(rows, field, place, ascending=ascending)
        if left := PER_PAGE + 1 - len(found):
            found += [(row, number) for row in rows.order_by(f"{sign}{field}", f"{sign}id")[:left]]
    has_more, found = len(found) > PER_PAGE, found[:PER_PAGE]
    if backwards:
        found.reverse()
    is_first, is_last = (not has_more, False) if backwards else (place is None, not has_more)
    return Page(
        [row for row, _part in found],
        before=None if is_first or not found else _place_of(*found[0], field),
        after=None if is_last or not found else _place_of(*found[-1], field),
    )


def _beyond(rows: "models.QuerySet[Row]", field: str, place: Place, *, ascending: bool) -> "models.QuerySet[Row]":
    way = "gt" if ascending else "lt"
    # The first half repeats what the second implies, so that the index is entered at the right place.
    beyond = Q(**{f"{field}__{way}": place.at}) | Q(**{field: place.at, f"id__{way}": place.id})
    return rows.filter(Q(**{f"{field}__{way}e": place.at}) & beyond)


def _place_of(row: models.Model, part: int, field: str) -> Place:
    return Place(getattr(row, field), row.pk, part)
