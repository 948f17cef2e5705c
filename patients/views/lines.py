"""Pages of long lists by keyset, and how a patient is shown in one line."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import formats
from django.utils.translation import gettext as _

from clinic import localtime
from patients.models import LifeState, Patient

PER_PAGE = 30
Row = TypeVar("Row", bound=models.Model)

LIFE_PILLS = {
    LifeState.ENQUIRER: "planned",
    LifeState.ACTIVE: "confirmed",
    LifeState.PAUSED: "due",
    LifeState.DISCHARGED: "done",
    # Neither a cross nor a stroke through the word.
    LifeState.DECEASED: "not_assessed",
}


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of a list that is never counted."""

    rows: list[Row]
    before: str
    after: str

    def links(self, path: str, **kept: str) -> dict[str, str]:
        """Return the addresses of the neighbours, empty where there is none."""
        return {
            "newer": f"{path}?{urlencode({**kept, 'before': self.before})}" if self.before else "",
            "older": f"{path}?{urlencode({**kept, 'after': self.after})}" if self.after else "",
        }


def _key(row: models.Model, field: str) -> str:
    return f"{getattr(row, field).isoformat()}~{row.pk}"


def _parsed(text: str) -> tuple[datetime, uuid.UUID] | None:
    """Return the place in a list that an address names; None for anything a person made up."""
    moment, _tilde, key = text.partition("~")
    try:
        at, pk = datetime.fromisoformat(moment), uuid.UUID(key)
    except ValueError:
        return None
    return (at, pk) if at.tzinfo else None


def cut(rows: "models.QuerySet[Row]", field: str, asked: Mapping[str, str], *, oldest_first: bool = False) -> Page[Row]:
    """Return the page of ``rows`` by ``field`` and id that ``asked`` names: after a row, before one, or the first.

    One query, however deep; a row more than a page tells whether there is another.
    """
    after, before = _parsed(asked.get("after", "")), _parsed(asked.get("before", ""))
    backwards = before is not None and after is None
    place = before if backwards else after
    ascending = oldest_first != backwards
    if place is not None:
        way = "gt" if ascending else "lt"
        at, pk = place
        # The first half repeats what the second implies, so that the index is entered at the right place.
        rows = rows.filter(
            Q(**{f"{field}__{way}e": at}) & (Q(**{f"{field}__{way}": at}) | Q(**{field: at, f"id__{way}": pk}))
        )
    sign = "" if ascending else "-"
    found = list(rows.order_by(f"{sign}{field}", f"{sign}id")[: PER_PAGE + 1])
    has_more, found = len(found) > PER_PAGE, found[:PER_PAGE]
    if backwards:
        found.reverse()
    is_first, is_last = (not has_more, False) if backwards else (place is None, not has_more)
    return Page(
        found,
        before="" if is_first or not found else _key(found[0], field),
        after="" if is_last or not found else _key(found[-1], field),
    )


def birth_text(day: date) -> str:
    """Return a birth date, like "17 May 1984": nobody is found by the weekday they were born on."""
    return formats.date_format(day, "j M Y")


def patient_line(patient: Patient, now: datetime) -> dict[str, Any]:
    """Return what a list says of a patient, as text. The home location is loaded with the row."""
    place = patient.home_location
    age = patient.age_on(localtime.day_of(now, place.tz))
    return {
        "id": patient.pk,
        "url": reverse("patients:patient", args=[patient.pk]),
        "name": patient.full_name,
        "mrn": patient.mrn,
        "born": _("%(day)s (%(age)d)") % {"day": birth_text(patient.birth_date), "age": age},
        "phone": patient.phone.as_national if patient.phone else "",
        "email": patient.email,
        "location": place.name,
        "state": patient.get_life_state_display(),
        "pill": LIFE_PILLS[LifeState(patient.life_state)],
    }
