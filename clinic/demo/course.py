"""(Roof) A course of the demo: Pat's next three doses, of which the second has just been moved and its talk has not."""

from datetime import date, datetime, time, timedelta

from clinic import localtime
from clinic.demo import hands
from clinic.demo.story import Story, attempt
from clinic.models import Room
from patients.models import Patient
from sessions import availability, courseplan, dosegate, timetable
from sessions.actions import changes, courses
from sessions.actions.courses import Planned
from sessions.actions.holds import Team
from sessions.availability import Opening
from sessions.models import DOSING, INTEGRATION, Appointment, VisitType
from sessions.timetable import Choices

# The first dose lies beyond the days in which a dose is asked about on the phone.
FIRST_IN, LOOK_FOR = timedelta(days=4), timedelta(days=35)
DOSES, EVERY_DAYS = 3, 7


def moved_course(story: Story) -> None:
    """Pat's course is booked and one dose of it moved, within the last hour."""
    story.later(story.now - timedelta(minutes=45), lambda at: _book(story, at))


def _book(story: Story, at: datetime) -> None:
    pat, desk = hands.named("pat@post.example"), story.people["frida"]
    location, least = pat.home_location, dosegate.days_between(at)
    first = localtime.day_of(at, location.tz) + FIRST_IN
    choices = {code: timetable.choices(location, story.types[code]) for code in (DOSING, INTEGRATION)}
    found = {code: _openings(pat, story.types[code], choices[code], first, at) for code in choices}
    steps = courseplan.lay_out(
        found[DOSING], found[INTEGRATION], count=DOSES,
        are_apart=lambda one, other: dosegate.is_far_enough(one, other, location.tz, EVERY_DAYS),
    )  # fmt: skip
    planned = []
    for step in steps:
        for code, opening in ((DOSING, step.dose), (INTEGRATION, step.talk)):
            if opening is not None:
                planned.append(Planned(story.types[code], *_taken_by(opening, choices[code]), opening.starts_at))
    course = attempt(
        courses.book_course, by=desk, patient=pat, location=location, planned=planned, told_by_phone=False, now=at
    )
    if course is None:
        return
    visits = Appointment.objects.filter(course=course, visit_type__is_dosing=True).order_by("starts_at")
    doses = list(visits.select_related("location", "visit_type", "patient", "room"))
    for opening in _openings(pat, story.types[DOSING], choices[DOSING], first, at):
        others = [one.starts_at for one in doses if one != doses[1]]
        if opening.starts_at > doses[1].starts_at + timedelta(days=1) and all(
            dosegate.is_far_enough(opening.starts_at, one, location.tz, least) for one in others
        ):
            team, room = _taken_by(opening, choices[DOSING])
            attempt(
                changes.move, by=desk, appointment=doses[1], team=team, room=room, starts_at=opening.starts_at,
                seen_version=1, now=at + timedelta(minutes=30),
            )  # fmt: skip
            return


def _openings(patient: Patient, kind: VisitType, choices: Choices, first: date, now: datetime) -> list[Opening]:
    """Return the openings of a kind of visit for weeks ahead, one for each start."""
    location, last = patient.home_location, first + LOOK_FOR
    start = localtime.at(first, time.min, location.tz) - timedelta(days=1)
    end = localtime.at(last, time.min, location.tz) + timedelta(days=2)
    taken = timetable.held([*choices.resources, patient.pk], start, end)
    found = availability.open_slots(
        timetable.read(location, people=choices.everybody, taken=taken, start=start, end=end), timetable.need_of(kind),
        clinicians=choices.clinicians, others=choices.others, devices=choices.kits, rooms=list(choices.rooms),
        patient=patient.pk, first=first, last=last, now=now,
    )  # fmt: skip
    chosen: dict[datetime, Opening] = {}
    for one in found:
        chosen.setdefault(one.starts_at, one)
    return [chosen[start] for start in sorted(chosen)]


def _taken_by(opening: Opening, choices: Choices) -> tuple[Team, Room | None]:
    people = tuple(choices.everybody[pk] for pk in (opening.clinician_id, *opening.others))
    team = Team(people, tuple(choices.devices[pk] for pk in opening.devices))
    return team, choices.rooms[opening.room_id] if opening.room_id else None
