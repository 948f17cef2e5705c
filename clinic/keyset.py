"""Long lists in pages, by the place of the last row seen: one query however deep, and never a total."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from urllib.parse import urlencode

from django.db import models
from django.db.models import Q

PER_PAGE = 30
Row = TypeVar("Row", bound=models.Model)


@dataclass(frozen=True)
class Place:
    """Where in a list ordered by a moment and an id a page begins."""

    at: datetime
    id: uuid.UUID

    @classmethod
    def asked(cls, text: str) -> "Place | None":
        """Return the place an address names; None for anything a person made up."""
        moment, _tilde, key = text.partition("~")
        try:
            at, pk = datetime.fromisoformat(moment), uuid.UUID(key)
        except ValueError:
            return None
        return cls(at, pk) if at.tzinfo else None

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.id}"


@dataclass(frozen=True)
class Page(Generic[Row]):
    """The rows of one page, and the place of the next one: None on the last."""

    rows: list[Row]
    next: Place | None

    def older_url(self, path: str, **kept: str) -> str:
        """Return the address of the next page with the filters kept, or ""."""
        return f"{path}?{urlencode({**kept, 'after': str(self.next)})}" if self.next else ""


def cut(rows: "models.QuerySet[Row]", field: str, asked: Mapping[str, str], *, oldest_first: bool = False) -> Page[Row]:
    """Return the page of ``rows`` by ``field`` and id that ``asked["after"]`` names, or the first."""
    place = Place.asked(asked.get("after", ""))
    if place is not None:
        way = "gt" if oldest_first else "lt"
        # The first half repeats what the second implies, so that the index is entered at the right place.
        beyond = Q(**{f"{field}__{way}": place.at}) | Q(**{field: place.at, f"id__{way}": place.id})
        rows = rows.filter(Q(**{f"{field}__{way}e": place.at}) & beyond)
    sign = "" if oldest_first else "-"
    found = list(rows.order_by(f"{sign}{field}", f"{sign}id")[: PER_PAGE + 1])
    if len(found) <= PER_PAGE:
        return Page(found, None)
    last = found[PER_PAGE - 1]
    return Page(found[:PER_PAGE], Place(getattr(last, field), last.pk))
