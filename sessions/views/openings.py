"""The list of openings that a visit's time is chosen from: its week, its filters, and what comes back with a taken slot."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.utils import formats
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.errors import Refused
from clinic.http import StaffRequest
from clinic.models import Location, Room
from patients.models import Patient
from sessions import availability, timetable
from sessions.actions.holds import SlotTaken, Team
from sessions.availability import Opening
from sessions.forms.visits import ChooseSlotForm, FindSlotForm, Slot
from sessions.models import Appointment, VisitType
from sessions.timetable import Choices

# When the chosen week is full, openings are looked for this much further.
LOOK_AHEAD = timedelta(weeks=6)


@dataclass
class Day:
    """One day of the list of openings."""

    label: str
    zone: str
    slots: list[dict[str, str]] = field(default_factory=list)


def find(
    request: StaffRequest,
    *,
    location: Location,
    visit_type: VisitType,
    patient: Patient,
    choices: Choices,
    keep: dict[str, str],
    chosen: Slot | None,
    ignoring: Appointment | None = None,
    may_begin: Callable[[datetime], bool] | None = None,
) -> dict[str, Any]:
    """Return the context of the list of openings: one week, by day, with links to the weeks around it.

    ``keep`` is what every link must carry besides the filters; ``may_begin`` says of a moment whether such a visit may begin then. Reads are fixed in number, however long the list.
    """
    form = FindSlotForm(request.GET)
    wished = form.cleaned_data if form.is_valid() else {k: v for k, v in form.cleaned_data.items() if v}
    tz, need = location.tz, timetable.need_of(visit_type)
    today = localtime.day_of(request.now, tz)
    first_week = localtime.week_start(today)
    begin = wished.get("week") or (localtime.day_of(ignoring.starts_at, tz) if ignoring else today)
    week = max(first_week, localtime.week_start(min(begin, today + timedelta(days=730))))
    clinician = choices.people.get(wished["clinician"]) if wished.get("clinician") else None
    room = choices.rooms.get(wished["room"]) if wished.get("room") else None
    rooms = list(choices.rooms)
    start = localtime.at(week, datetime.min.time(), tz) - timedelta(days=1)
    end = start + LOOK_AHEAD + timedelta(days=3)
    taken = timetable.held([*choices.resources, patient.pk], start, end, ignoring)
    calendar = timetable.read(location, people=choices.everybody, taken=taken, start=start, end=end)

    def found_between(first: date, last: date) -> list[Opening]:
        found = availability.open_slots(
            calendar, need, clinicians=[clinician.pk] if clinician else _least_busy_first(choices.clinicians, calendar, week),
            others=[_least_busy_first(seat, calendar, week) for seat in choices.others], devices=choices.kits,
            rooms=[room.pk] if room else rooms, patient=patient.pk, first=max(first, today), last=last, now=request.now,
        )  # fmt: skip
        return [one for one in found if may_begin is None or may_begin(one.starts_at)]

    def link(**changes: str) -> str:
        filters = {"clinician": str(clinician.pk) if clinician else "", "room": str(room.pk) if room else ""}
        asked = {**keep, **filters, "week": week.isoformat(), **changes}
        return "?" + urlencode({key: value for key, value in asked.items() if value})

    found = found_between(week, week + timedelta(days=6))
    later = None if found else next(iter(found_between(week + timedelta(days=7), week + LOOK_AHEAD)), None)
    return {
        "days": _by_day(found, choices, tz, show_person=clinician is None and len(choices.people) > 1),
        "chosen": str(chosen) if chosen else "",
        "week_label": _week_label(week),
        "week": week.isoformat(),
        "zone": localtime.zone_text(localtime.at(week, datetime.min.time(), tz), tz),
        "earlier_url": link(week=(week - timedelta(days=7)).isoformat()) if week > first_week else "",
        "later_url": link(week=(week + timedelta(days=7)).isoformat()),
        "next_opening": {
            "label": localtime.moment_text(later.starts_at, tz),
            "url": link(week=localtime.day_of(later.starts_at, tz).isoformat()),
        }
        if later
        else None,
        "people": [{"id": str(p.pk), "name": p.name, "is_chosen": p == clinician} for p in choices.people.values()],
        "rooms": [{"id": str(r.pk), "name": r.name, "is_chosen": r == room} for r in choices.rooms.values()],
        "post_url": link(),
        "keep": keep,
        "visit_type": visit_type,
        "location": location,
        "patient": patient,
    }


def _least_busy_first(people: list[uuid.UUID], calendar: availability.Calendar, week: date) -> list[uuid.UUID]:
    """Return the people with the fewest minutes taken that week first, so that one does not get all the visits."""
    start, end = localtime.week_bounds(week, calendar.tz)

    def taken(who: uuid.UUID) -> timedelta:
        spans = availability.common(calendar.taken.get(who, ()), [(start, end)])
        return sum((b - a for a, b in spans), timedelta(0))

    return sorted(people, key=taken)


def _by_day(found: list[Opening], choices: Choices, tz: Any, *, show_person: bool) -> list[Day]:
    """Return the openings by day, one for each start: the first person of the list who is free."""
    days: dict[date, Day] = {}
    seen: set[datetime] = set()
    for opening in found:
        if opening.starts_at in seen:
            continue
        seen.add(opening.starts_at)
        day = localtime.day_of(opening.starts_at, tz)
        entry = days.setdefault(day, Day(formats.date_format(day, "D j M"), localtime.zone_text(opening.starts_at, tz)))
        entry.slots.append(
            {
                "value": str(Slot.of(opening)),
                "time": localtime.clock_text(opening.starts_at, tz),
                "who": choices.people[opening.clinician_id].short_name if show_person else "",
                "label": _slot_label(opening, choices, tz),
            }
        )
    return list(days.values())


def _slot_label(opening: Opening, choices: Choices, tz: Any) -> str:
    team = [opening.clinician_id, *opening.others]
    parts = [localtime.moment_text(opening.starts_at, tz), ", ".join(choices.everybody[pk].name for pk in team)]
    if opening.room_id is not None:
        parts.append(choices.rooms[opening.room_id].name)
    return " · ".join(parts)


def _week_label(week: date) -> str:
    last = week + timedelta(days=6)
    begins = formats.date_format(week, "j M" if week.month != last.month else "j")
    return f"{begins}–{formats.date_format(last, 'j M Y')}"  # an en dash is how a span is written


def alternatives_of(refusal: Refused, choices: Choices, tz: Any) -> list[dict[str, str]]:
    """Return the one-tap buttons that a taken slot brings along."""
    if not isinstance(refusal, SlotTaken):
        return []
    return [
        {
            "value": str(Slot.of(opening)),
            "label": _slot_label(opening, choices, tz),
        }
        for opening in refusal.alternatives
        if opening.clinician_id in choices.people
        and (opening.room_id is None or opening.room_id in choices.rooms)
        and choices.everybody.keys() >= set(opening.others)
    ]


def place_of(form: ChooseSlotForm, choices: Choices) -> tuple[Slot, Team, Room | None] | None:
    """Return the slot with its people, devices and room, or None with an error on the form when the list has no such thing."""
    slot: Slot = form.cleaned_data["slot"]
    people = [choices.everybody.get(pk) for pk in (slot.clinician_id, *slot.others)]
    devices = [choices.devices.get(pk) for pk in slot.devices]
    room = choices.rooms.get(slot.room_id) if slot.room_id else None
    if None in people or None in devices or (slot.room_id is not None and room is None):
        form.add_error("slot", _("Choose a time from the list."))
        return None
    return slot, Team(tuple(filter(None, people)), tuple(filter(None, devices))), room


def chosen_in(form: ChooseSlotForm) -> Slot | None:
    slot = form.cleaned_data.get("slot") if form.is_bound and hasattr(form, "cleaned_data") else None
    return slot if isinstance(slot, Slot) else None
