"""Planning a course: how many doses, how often, with whom and when of the day; one proposal, booked whole."""

import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clinic import localtime
from clinic.access import GET_POST, Permission, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.models import Location
from patients.access import get_patient_or_404
from patients.models import CareTeamMember, Patient
from sessions import availability, courseplan, dosegate, timetable
from sessions.actions import courses, placing
from sessions.actions.courses import Planned
from sessions.actions.holds import Team
from sessions.availability import Opening
from sessions.courseplan import Step
from sessions.forms.courses import BookCourseForm, PlanCourseForm
from sessions.forms.visits import Slot
from sessions.models import DOSING, INTEGRATION, Appointment, VisitType
from sessions.timetable import Choices

PAGE = "sessions/plan_course.html"
# Beyond the days that the doses themselves take, a course is looked for this much further.
ROOM_FOR_DELAY = timedelta(weeks=4)


@dataclass(frozen=True)
class Kinds:
    """The two kinds of visit of a course, and who and what each may take here."""

    dose: VisitType
    talk: VisitType
    choices: dict[str, Choices]

    def planned(self, kind: VisitType, slot: Slot) -> Planned | None:
        """Return the visit that a slot names, or None for people, devices or a room that this kind does not have here."""
        choices = self.choices[kind.code]
        people = [choices.everybody.get(pk) for pk in (slot.clinician_id, *slot.others)]
        devices = [choices.devices.get(pk) for pk in slot.devices]
        room = choices.rooms.get(slot.room_id) if slot.room_id else None
        if None in people or None in devices or (slot.room_id is not None and room is None):
            return None
        return Planned(kind, Team(tuple(filter(None, people)), tuple(filter(None, devices))), room, slot.starts_at)


@staff_view(Permission.APPOINTMENT_BOOK, methods=GET_POST)
def plan_course(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Propose a course of doses with the talks after them, and book all of it or nothing."""
    patient = get_patient_or_404(request, patient_id, Permission.APPOINTMENT_BOOK)
    location = patient.home_location
    kinds = kinds_of(location)
    if kinds is None:
        status = UNPROCESSABLE if request.method == "POST" else 200
        return answer(request, PAGE, {"patient": patient, "no_kinds": True}, status=status)
    wanted = PlanCourseForm(request.GET if "doses" in request.GET else None, people=kinds.choices[DOSING].people)
    form = BookCourseForm(request.POST or None)
    unmet: tuple[dosegate.Unmet, ...] = ()
    if request.method == "POST" and form.is_valid():
        planned = [kinds.planned(kinds.dose, slot) for slot in form.cleaned_data["dose"]]
        planned += [kinds.planned(kinds.talk, slot) for slot in form.cleaned_data["talk"]]
        if None in planned:
            form.add_error(None, _("Somebody in this plan is not here any more. Here is a new one."))
        else:
            try:
                course = courses.book_course(
                    by=request.user, patient=patient, location=location, planned=list(filter(None, planned)),
                    told_by_phone=form.cleaned_data["told"], now=request.now,
                )  # fmt: skip
            except Refused as refusal:
                form.add_error(None, str(refusal))
                cause = refusal.__cause__
                unmet = cause.unmet if isinstance(cause, placing.DoseNotMet) else ()
            else:
                said = ngettext(
                    "Booked: %(n)d dose with its talk.", "Booked: %(n)d doses with their talks.", course.doses
                )
                messages.success(request, said % {"n": course.doses})
                return go(request, "sessions:patient_visits", patient.pk)
    context: dict[str, Any] = {
        "patient": patient, "wanted": wanted, "form": form, "place": location.name,
        "unmet": unmet or _always_unmet(request, patient, kinds),
    }  # fmt: skip
    if wanted.is_bound and wanted.is_valid():
        context |= _proposal(request, patient, kinds, wanted.cleaned_data)
    return answer(request, PAGE, context, status=UNPROCESSABLE if request.method == "POST" else 200)


def kinds_of(location: Location) -> Kinds | None:
    found = {kind.code: kind for kind in VisitType.objects.current() if kind.code in {DOSING, INTEGRATION}}
    if len(found) < 2:
        return None
    return Kinds(
        found[DOSING], found[INTEGRATION], {code: timetable.choices(location, kind) for code, kind in found.items()}
    )


def _always_unmet(request: StaffRequest, patient: Patient, kinds: Kinds) -> tuple[dosegate.Unmet, ...]:
    """Return what keeps a dose from being booked whatever its time."""
    found = dosegate.unmet(
        by=request.user, patient=patient, visit_type=kinds.dose, starts_at=request.now, tz=patient.home_location.tz,
        now=request.now,
    )  # fmt: skip
    return tuple(one for one in found if one.code != "spacing")


def _proposal(request: StaffRequest, patient: Patient, kinds: Kinds, wanted: dict[str, Any]) -> dict[str, Any]:
    """Return the proposal as the page shows it, and how many of the doses fit. A fixed number of queries."""
    tz = patient.home_location.tz
    today = localtime.day_of(request.now, tz)
    first = max(today, wanted["first"] or today)
    last = first + timedelta(days=wanted["doses"] * wanted["every_days"]) + ROOM_FOR_DELAY
    openings = openings_of(request, patient, kinds, first, last)
    booked, least = dosegate.doses_of(patient), dosegate.days_between(request.now)
    known = set(CareTeamMember.objects.live().filter(patient=patient).values_list("user_id", flat=True))
    doses = [
        one
        for one in one_a_start(openings[DOSING], wanted["clinician"], known)
        if _suits(one, tz, wanted) and not dosegate.too_near(booked, one.starts_at, tz, least)
    ]
    steps = courseplan.lay_out(
        doses, one_a_start(openings[INTEGRATION], wanted["clinician"], known), count=wanted["doses"],
        are_apart=apart(tz, max(wanted["every_days"], least)),
    )  # fmt: skip
    short = wanted["doses"] - len(steps)
    return {
        "steps": [_shown(n, step, kinds, tz) for n, step in enumerate(steps, start=1)],
        "zone": localtime.zone_text(steps[0].dose.starts_at, tz) if steps else "",
        "short": ngettext(
            "%(n)d dose does not fit before %(day)s.", "%(n)d doses do not fit before %(day)s.", short
        ) % {"n": short, "day": localtime.day_text(last)} if short else "",
        "may_want_phone": any(
            step.dose.starts_at < request.now + timedelta(hours=kinds.dose.phone_within_hours) for step in steps
        ),
    }  # fmt: skip


def openings_of(
    request: StaffRequest,
    patient: Patient,
    kinds: Kinds,
    first: date,
    last: date,
    ignoring: Collection[Appointment] = (),
) -> dict[str, list[Opening]]:
    """Return the openings of both kinds by code, with what some visits hold counted as free. A fixed number of queries."""
    tz = patient.home_location.tz
    start = localtime.at(first, time.min, tz) - timedelta(days=1)
    end = localtime.at(last, time.min, tz) + timedelta(days=2)
    everything = {one for choices in kinds.choices.values() for one in choices.resources}
    people = {who for choices in kinds.choices.values() for who in choices.everybody}
    taken = timetable.held([*everything, patient.pk], start, end, ignoring)
    calendar = timetable.read(patient.home_location, people=people, taken=taken, start=start, end=end)
    found = {}
    for kind in (kinds.dose, kinds.talk):
        choices = kinds.choices[kind.code]
        found[kind.code] = availability.open_slots(
            calendar, timetable.need_of(kind), clinicians=choices.clinicians, others=choices.others,
            devices=choices.kits, rooms=list(choices.rooms), patient=patient.pk, first=first, last=last,
            now=request.now,
        )  # fmt: skip
    return found


def one_a_start(openings: list[Opening], wished: uuid.UUID | None, known: set[uuid.UUID]) -> list[Opening]:
    """Return one opening for each start: with whom is wished, who may be nobody's wish; of others somebody the patient knows first."""
    chosen: dict[datetime, Opening] = {}
    for one in sorted(openings, key=lambda one: one.clinician_id not in known):
        if wished is None or one.clinician_id == wished:
            chosen.setdefault(one.starts_at, one)
    return [chosen[start] for start in sorted(chosen)]


def _suits(opening: Opening, tz: Any, wanted: dict[str, Any]) -> bool:
    hour = opening.starts_at.astimezone(tz).hour
    return {"morning": hour < 12, "afternoon": hour >= 12}.get(wanted["part_of_day"], True)


def apart(tz: ZoneInfo, days: int) -> Callable[[datetime, datetime], bool]:
    return lambda one, other: dosegate.is_far_enough(one, other, tz, days)


def _shown(number: int, step: Step, kinds: Kinds, tz: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"number": number}
    for name, opening, code in (("dose", step.dose, DOSING), ("talk", step.talk, INTEGRATION)):
        if opening is not None:
            choices = kinds.choices[code]
            team = (opening.clinician_id, *opening.others)
            found[name] = {
                "when": localtime.moment_text(opening.starts_at, tz),
                "who": ", ".join(dict.fromkeys(choices.everybody[pk].name for pk in team)),
                "room": choices.rooms[opening.room_id].name if opening.room_id else "",
                "value": str(Slot.of(opening)),
            }
    return found
