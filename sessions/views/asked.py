"""What part of the schedule is asked for: by the address, else as it was last looked at."""

import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from clinic import localtime
from clinic.http import StaffRequest
from clinic.models import Location
from sessions.availability import Span
from sessions.models import OwnView
from sessions.models.ownviews import MOST_CHOSEN

VIEWS, GROUPS = OwnView.Span.values, OwnView.Grouping.values


@dataclass(frozen=True)
class Asked:
    """What part of the schedule is asked for. Anything unknown means the default."""

    day: date
    view: str
    by: str
    location: Location
    # The rooms or people it is about, by id; nothing for all of them.
    only: tuple[str, ...]

    @property
    def first(self) -> date:
        if self.view == "month":
            return self.day.replace(day=1)
        return self.day if self.view == "day" else localtime.week_start(self.day)

    @property
    def after(self) -> date:
        """Return the first day that is not asked for any more."""
        if self.view == "month":
            return (self.first + timedelta(days=31)).replace(day=1)
        return self.first + timedelta(days=1 if self.view == "day" else 7)

    @property
    def before(self) -> date:
        """Return a day of the stretch before this one."""
        return self.first - timedelta(days=1) if self.view == "month" else self.day - (self.after - self.first)

    @property
    def following(self) -> date:
        """Return a day of the stretch after this one."""
        return self.after if self.view == "month" else self.day + (self.after - self.first)

    @property
    def days(self) -> int:
        return (self.after - self.first).days

    @property
    def bounds(self) -> Span:
        tz = self.location.tz
        return (
            localtime.at(self.first, datetime.min.time(), tz),
            localtime.at(self.after, datetime.min.time(), tz),
        )

    @property
    def ids(self) -> list[uuid.UUID]:
        return [uuid.UUID(text) for text in self.only]

    @property
    def kept_as(self) -> dict[str, Any]:
        """Return the same as ``choice``, as an action takes it."""
        return {"span": OwnView.Span(self.view), "grouping": OwnView.Grouping(self.by), "only": self.ids}

    @property
    def choice(self) -> dict[str, object]:
        """Return what this session keeps of it for the next look: the view and whom it is about, and no day."""
        return {"view": self.view, "by": self.by, "only": list(self.only)}

    def query(self, **changes: str) -> str:
        values: dict[str, object] = {"view": self.view, "by": self.by, "only": self.only, **changes}
        return urlencode({key: value for key, value in values.items() if value}, doseq=True)

    def url(self, day: date | None = None, **changes: str) -> str:
        return reverse("sessions:schedule", args=[day or self.day]) + "?" + self.query(**changes)


def asked_of(request: StaffRequest, day: date | None, kept: dict[str, object] | None = None) -> Asked:
    """Return what the address (or the form that is sent) asks for, and for what it leaves open what is ``kept``."""
    kept, said = kept or {}, request.POST if request.method == "POST" else request.GET
    view = said.get("view", kept.get("view"))
    by = said.get("by", kept.get("by"))
    by = by if by in GROUPS else "room"
    if "view" in said or "by" in said or "only" in said:
        only: object = said.getlist("only")
    else:
        only = kept.get("only", [])
    tz = request.location.tz
    return Asked(
        day=day or localtime.day_of(request.now, tz),
        view=str(view) if view in VIEWS else "day",
        by=str(by),
        location=request.location,
        only=_ids(only),
    )


def _ids(texts: object) -> tuple[str, ...]:
    found = []
    for text in texts if isinstance(texts, list) else []:
        try:
            found.append(str(uuid.UUID(str(text))))
        except ValueError:
            continue
    return tuple(dict.fromkeys(found))[:MOST_CHOSEN]
