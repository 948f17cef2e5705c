"""(Roof) The visits of the demo: booked as a clerk would, and what becomes of them on the day."""

import itertools
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

from clinic import localtime
from clinic.demo.cast import CAST, DENVER
from clinic.demo.story import Story, attempt
from clinic.errors import Refused
from clinic.models import User
from patients.models import Patient, Referral
from sessions.actions import attendance, changes, visits
from sessions.models import Appointment


def book(
    story: Story, patient: Patient, code: str, day: date, now: datetime, referral: Referral | None = None
) -> Appointment | None:
    """Book the first visit of a kind that fits on or after a day, looking at the plan first as a clerk would."""
    place = next(place for place in story.places.values() if place.pk == patient.home_location_id)
    visit_type = story.types[code]
    team = [story.people[name.split()[0].lower()] for name, _words, roles in CAST if any(
        site == place.name and role == visit_type.role for site, role, _flags in roles)]  # fmt: skip
    rooms = [room for room in story.rooms[place.name] if room.kind == visit_type.room_kind]
    by = story.people["frida" if place.name == DENVER else "olga"]
    hours_of_day = [time(8), time(9, 30), time(11), time(13), time(14, 30), time(16)]
    story.dice.shuffle(hours_of_day)
    for on, clock_time in itertools.product((day + timedelta(days=shift) for shift in range(6)), hours_of_day):
        starts_at = localtime.at(on, clock_time, place.tz)
        at_work = [who for who in team if on.weekday() in story.weekdays[who.pk]]
        free = [who for who in at_work if (starts_at, who.pk) not in story.taken]
        empty = [room for room in rooms if (starts_at, room.pk) not in story.taken]
        if starts_at < now or not free or not empty or (starts_at, patient.pk) in story.taken:
            continue
        who = story.dice.choice(free)
        try:
            visit = visits.book_intake(
                by=by, referral=referral, patient=patient, clinician=who, room=empty[0], starts_at=starts_at,
                location=place, visit_type=visit_type, now=now,
            )  # fmt: skip
        except Refused:
            # Away, or something else that is not on the plan.
            continue
        story.taken |= {(starts_at, who.pk), (starts_at, empty[0].pk), (starts_at, patient.pk)}
        return visit
    return None


def happen(story: Story, visit: Appointment, *, then: Callable[[datetime], None] | None = None) -> None:
    """Plan what becomes of a visit on its day: most come, some cancel, a few do not turn up."""
    place = visit.location
    desk = story.people["felix" if place.name == DENVER else "olga"]
    fate = story.dice.randrange(100)
    if fate < 7:
        story.later(
            visit.starts_at - timedelta(hours=story.dice.randrange(4, 90)), lambda at: _cancel(story, visit, desk, at)
        )
        return
    if fate < 11:
        story.later(
            visit.starts_at + timedelta(minutes=25),
            lambda at: attempt(attendance.mark_no_show, by=desk, appointment=visit, now=at),
        )
        return
    if fate < 60:
        story.later(visit.starts_at - timedelta(hours=20), lambda at: _confirm(visit, desk, at))
    arrives = visit.starts_at - timedelta(minutes=story.dice.randrange(1, 14))
    story.later(arrives, lambda at: attempt(attendance.check_in, by=desk, appointment=visit, now=at))
    clinician = visit.clinician
    began = visit.starts_at + timedelta(minutes=story.dice.randrange(0, 6))
    story.later(began, lambda at: attempt(attendance.start, by=clinician, appointment=visit, now=at))
    story.later(visit.ends_at, lambda at: attempt(attendance.finish, by=clinician, appointment=visit, now=at))
    if then is not None:
        story.later(visit.ends_at + timedelta(minutes=20), then)


def _confirm(visit: Appointment, desk: User, at: datetime) -> None:
    visit.refresh_from_db(fields=["version"])
    attempt(attendance.confirm, by=desk, appointment=visit, seen_version=visit.version, now=at)


def _cancel(story: Story, visit: Appointment, desk: User, at: datetime) -> None:
    visit.refresh_from_db(fields=["version"])
    reasons = (Appointment.CancelReason.ILLNESS, Appointment.CancelReason.WORK, Appointment.CancelReason.TRANSPORT)
    attempt(
        changes.cancel, by=desk, appointment=visit, cancelled_by=Appointment.CancelledBy.PATIENT,
        reason=story.dice.choice(reasons), note="", seen_version=visit.version, now=at,
    )  # fmt: skip


def walk_in(story: Story, visit: Appointment) -> None:
    """Come, be seen, go: nothing happens on the way."""
    desk = story.people["felix"]
    story.later(
        visit.starts_at - timedelta(minutes=6),
        lambda at: attempt(attendance.check_in, by=desk, appointment=visit, now=at),
    )
    story.later(
        visit.starts_at + timedelta(minutes=2),
        lambda at: attempt(attendance.start, by=visit.clinician, appointment=visit, now=at),
    )
    story.later(visit.ends_at, lambda at: attempt(attendance.finish, by=visit.clinician, appointment=visit, now=at))
