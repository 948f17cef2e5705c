"""The list of openings that a visit's time is chosen from: its week, its filters, and what comes back with a taken slot."""

import functools
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.utils import formats
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.errors import Refused
from clinic.http import StaffRequest
from clinic.models import Location, Room, User
from patients.models import Patient
from sessions import availability, dosegate, timetable
from sessions.actions.holds import NotAtThatTime, Team
from sessions.availability import Calendar, Opening
from sessions.forms.visits import ChooseSlotForm, FindSlotForm, Slot
from sessions.models import Appointment, VisitType, WaitlistEntry
from sessions.timetable import Choices
from sessions.views import reasons
from sessions.whynot import WhyNot

# When the chosen week is full, openings are looked for this much further.
LOOK_AHEAD = timedelta(weeks=6)


# So many of the next openings are shown when the chosen days have none.
NEXT_OPENINGS = 3


@dataclass
class Day:
    """One day of the list: its openings, why it has none, and why the hour that was asked for is not one of them."""

    label: str
    zone: str
    slots: list[dict[str, str]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    asked: str = ""


@dataclass(frozen=True)
class _Wished:
    """What is looked for: days, person, room and time of day."""

    first: date
    days: int
    clinician: User | None
    room: Room | None
    part: str
    at: time | None

    @property
    def last(self) -> date:
        return self.first + timedelta(days=self.days - 1)

    def query(self, keep: dict[str, str], **changes: str) -> str:
        """Return the search as the end of an address: ids, days and hours, nobody's name."""
        filters = {
            "clinician": str(self.clinician.pk) if self.clinician else "", "room": str(self.room.pk) if self.room else "",
            "part": self.part, "at": f"{self.at:%H:%M}" if self.at else "", "days": str(self.days) if self.days != 7 else "",
        }  # fmt: skip
        asked = {**keep, **filters, "week": self.first.isoformat(), **changes}
        return "?" + urlencode({key: value for key, value in asked.items() if value})


def _wished(request: StaffRequest, choices: Choices, tz: ZoneInfo, ignoring: Appointment | None) -> _Wished:
    form = FindSlotForm(request.GET)
    wished = form.cleaned_data if form.is_valid() else {k: v for k, v in form.cleaned_data.items() if v}
    today = localtime.day_of(request.now, tz)
    begin = wished.get("week") or (localtime.day_of(ignoring.starts_at, tz) if ignoring else today)
    return _Wished(
        first=max(localtime.week_start(today), localtime.week_start(min(begin, today + timedelta(days=730)))),
        days=wished.get("days") or 7,
        clinician=choices.people.get(wished["clinician"]) if wished.get("clinician") else None,
        room=choices.rooms.get(wished["room"]) if wished.get("room") else None,
        part=wished.get("part") or "", at=wished.get("at"),
    )  # fmt: skip


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
    same_team: Team | None = None,
    may_begin: Callable[[datetime], bool] | None = None,
    near: str = "",
) -> dict[str, Any]:
    """Return the context of the list of openings: a week or two, by day, with links to those around it, and why a day has none.

    ``keep`` is what every link must carry besides the filters; ``may_begin`` says of a moment whether such a visit may begin then as far
    as doses go, and ``near`` what is said of one that may not. Openings with ``same_team`` come first. Reads are fixed in number,
    however long the list.
    """
    tz, need = location.tz, timetable.need_of(visit_type)
    today = localtime.day_of(request.now, tz)
    wished = _wished(request, choices, tz, ignoring)

    def calendar_between(first: date, last: date) -> Calendar:
        start, end = (
            localtime.at(first, time.min, tz) - timedelta(days=1),
            localtime.at(last, time.max, tz) + timedelta(days=2),
        )
        taken = timetable.held([*choices.resources, patient.pk], start, end, ignoring)
        return timetable.read(location, people=choices.everybody, taken=taken, start=start, end=end)

    calendar = calendar_between(wished.first, wished.last)
    # Whom the visit has comes first; then whoever is least busy, so that one does not get all the visits.
    own = [who.pk for who in same_team.people] if same_team else []
    seats = [
        _with_first(own[n : n + 1], _least_busy_first(seat, calendar, wished.first))
        for n, seat in enumerate([choices.clinicians, *choices.others])
    ]
    search: dict[str, Any] = {
        "clinicians": [wished.clinician.pk] if wished.clinician else seats[0], "others": seats[1:],
        "devices": choices.kits, "rooms": _rooms(wished, choices, ignoring), "patient": patient.pk, "now": request.now,
    }  # fmt: skip

    def in_part(moment: datetime) -> bool:
        return not wished.part or WaitlistEntry.DayPart.at(moment.astimezone(tz)) == wished.part

    def found_between(of: Calendar, first: date, last: date) -> list[Opening]:
        found = availability.open_slots(of, need, first=max(first, today), last=last, **search)
        return [one for one in found if in_part(one.starts_at) and (may_begin is None or may_begin(one.starts_at))]

    found = found_between(calendar, wished.first, wished.last)
    step = timedelta(days=wished.days)
    later: list[Opening] = []
    if not found:
        ahead = (wished.first + step, wished.first + LOOK_AHEAD)
        later = found_between(calendar_between(*ahead), *ahead)
    days = _by_day(found, choices, tz, show_person=wished.clinician is None and len(choices.people) > 1, own=own)
    why = WhyNot(calendar, need, may_begin=may_begin, **search)
    said = functools.partial(
        reasons.sentences, choices=choices, kind=visit_type, location=location, patient=patient, near=near
    )
    for day in (wished.first + timedelta(days=n) for n in range(wished.days)):
        if day < today:
            continue
        entry = days.setdefault(day, _day(day, localtime.at(day, time(12), tz), tz))
        if wished.at:
            entry.asked = " ".join(said(why.at(localtime.at(day, wished.at, tz))))
        if not entry.slots and not entry.asked:
            entry.reasons = said(why.on(day, within=in_part))
    last_seen = _saw_them_last(patient, choices, request.now)
    return {
        "days": [days[day] for day in sorted(days)],
        "has_openings": bool(found),
        "chosen": str(chosen) if chosen else "",
        "week_label": _week_label(wished.first, wished.last),
        "week": wished.first.isoformat(),
        "zone": localtime.zone_text(localtime.at(wished.first, time.min, tz), tz),
        "earlier_url": wished.query(keep, week=(wished.first - step).isoformat())
        if wished.first > localtime.week_start(today)
        else "",
        "later_url": wished.query(keep, week=(wished.first + step).isoformat()),
        "next_openings": [
            {
                "label": f"{localtime.moment_text(one.starts_at, tz)} · {choices.people[one.clinician_id].name}",
                "url": wished.query(keep, week=localtime.day_of(one.starts_at, tz).isoformat()),
            }
            for one in _first_starts(later, NEXT_OPENINGS)
        ],
        "people": [{"id": str(p.pk), "name": p.name, "is_chosen": p == wished.clinician} for p in choices.people.values()],
        "rooms": [{"id": str(r.pk), "name": r.name, "is_chosen": r == wished.room} for r in choices.rooms.values()],
        "search": {
            "days": wished.days, "part": wished.part, "at": f"{wished.at:%H:%M}" if wished.at else "",
            "parts": [{"value": value, "label": str(capfirst(label))} for value, label in WaitlistEntry.DayPart.choices],
            "last_seen": last_seen
            and {
                "name": last_seen.clinician.name, "when": localtime.day_text(localtime.day_of(last_seen.starts_at, tz)),
                "url": wished.query(keep, clinician=str(last_seen.clinician_id)),
                "is_chosen": last_seen.clinician == wished.clinician,
            },
            "soonest": [
                {
                    "name": choices.people[one.clinician_id].name, "when": localtime.moment_text(one.starts_at, tz),
                    "url": wished.query(keep, clinician=str(one.clinician_id)),
                }
                for one in {one.clinician_id: one for one in reversed(found)}.values()
            ][::-1]
            if wished.clinician is None and len(choices.people) > 1
            else [],
        },
        "post_url": wished.query(keep),
        "keep": keep,
        "visit_type": visit_type,
        "location": location,
        "patient": patient,
    }  # fmt: skip


def spacing(
    request: StaffRequest, patient: Patient, kind: VisitType, ignoring: Appointment | None = None
) -> dict[str, Any]:
    """Return what says whether a dose may be given at a moment as far as other doses go, and what is said when not; nothing without a dose."""
    if not kind.is_dosing:
        return {}
    booked, days = dosegate.doses_of(patient, ignoring), dosegate.days_between(request.now)
    tz = patient.home_location.tz
    ahead = [
        localtime.moment_text(one.starts_at, tz) for one in booked if one.starts_at > request.now - timedelta(days=days)
    ]
    near = _("It is less than %(hours)d hours from the dosing visit on %(when)s.") % {
        "hours": days * 24, "when": "; ".join(ahead)
    }  # fmt: skip
    return {"may_begin": lambda moment: not dosegate.too_near(booked, moment, tz, days), "near": near}


def _with_first(first: list[uuid.UUID], people: list[uuid.UUID]) -> list[uuid.UUID]:
    return [*(who for who in people if who in first), *(who for who in people if who not in first)]


def _rooms(wished: _Wished, choices: Choices, ignoring: Appointment | None) -> list[uuid.UUID]:
    """Return the rooms to look in; of a visit that is moved its own first."""
    if wished.room:
        return [wished.room.pk]
    own = ignoring.room_id if ignoring else None
    return sorted(choices.rooms, key=lambda room: room != own)


def _saw_them_last(patient: Patient, choices: Choices, now: datetime) -> Appointment | None:
    """Return the patient's last visit that took place with somebody who can be chosen, so that they can be again."""
    seen = Appointment.objects.filter(
        patient=patient, starts_at__lte=now, clinician__in=choices.clinicians, status__in=Appointment.CAME
    )
    return seen.select_related("clinician").order_by("-starts_at").first()


def _first_starts(found: list[Opening], count: int) -> list[Opening]:
    """Return the first openings, one for each start."""
    return list({one.starts_at: one for one in reversed(found)}.values())[::-1][:count]


def _least_busy_first(people: list[uuid.UUID], calendar: Calendar, week: date) -> list[uuid.UUID]:
    """Return the people with the fewest minutes taken that week first, so that one does not get all the visits."""
    start, end = localtime.week_bounds(week, calendar.tz)

    def taken(who: uuid.UUID) -> timedelta:
        spans = availability.common(calendar.taken.get(who, ()), [(start, end)])
        return sum((b - a for a, b in spans), timedelta(0))

    return sorted(people, key=taken)


def _day(day: date, moment: datetime, tz: ZoneInfo) -> Day:
    return Day(formats.date_format(day, "D j M"), localtime.zone_text(moment, tz))


def _by_day(
    found: list[Opening], choices: Choices, tz: ZoneInfo, *, show_person: bool, own: list[uuid.UUID]
) -> dict[date, Day]:
    """Return the openings by day, one for each start: with the visit's own team, else with the first person of the list who is free."""
    days: dict[date, Day] = {}
    seen: set[datetime] = set()
    for opening in found:
        if opening.starts_at in seen:
            continue
        seen.add(opening.starts_at)
        day = localtime.day_of(opening.starts_at, tz)
        entry = days.setdefault(day, _day(day, opening.starts_at, tz))
        who = choices.people[opening.clinician_id].short_name if show_person else ""
        if len(own) > 1:
            who = _("same team") if [opening.clinician_id, *opening.others] == own else who or _("other team")
        entry.slots.append(
            {
                "value": str(Slot.of(opening)),
                "time": localtime.clock_text(opening.starts_at, tz),
                "who": who,
                "label": _slot_label(opening, choices, tz),
            }
        )
    return days


def _slot_label(opening: Opening, choices: Choices, tz: Any) -> str:
    team = [opening.clinician_id, *opening.others]
    # Whoever watches on after the first hour has two duties, and is one person.
    names = dict.fromkeys(choices.everybody[pk].name for pk in team)
    parts = [localtime.moment_text(opening.starts_at, tz), ", ".join(names)]
    if opening.room_id is not None:
        parts.append(choices.rooms[opening.room_id].name)
    return " · ".join(parts)


def _week_label(week: date, last: date) -> str:
    begins = formats.date_format(week, "j M" if week.month != last.month else "j")
    return f"{begins}–{formats.date_format(last, 'j M Y')}"  # an en dash is how a span is written


def alternatives_of(refusal: Refused, choices: Choices, tz: Any) -> list[dict[str, str]]:
    """Return the one-tap buttons that a time that cannot be had brings along."""
    if not isinstance(refusal, NotAtThatTime):
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
