"""Any sequence of bookings, moves, cancellations and answers leaves the schedule true, read straight from the tables.

People, rooms and devices are few and the calendar is short, over a night that loses an hour, so that visits meet. After every step
what is held is reckoned anew from the data of each kind of visit, not by the product's own reading of it. The gate runs a short
form; ``THOROUGH=1`` a long one.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from clinic import policy
from clinic.errors import Refused
from clinic.models import Device, Role, Room, User
from patients.actions import patients as identities
from patients.models import Patient
from sessions import availability, timetable, visitkinds
from sessions.actions import attendance, changes, courses, holds, merges, visits, visittypes, waitlist
from sessions.actions.holds import Team
from sessions.actions.placing import Place
from sessions.availability import Opening
from sessions.models import Appointment, Block, Merge, ResourceHold, VisitType, WaitlistEntry, WaitlistOffer
from tests import factories as make
from tests.cast import Cast

from . import dosing
from .truth import broken

THOROUGH = os.environ.get("THOROUGH") == "1"
EXAMPLES, STEPS = (int(os.environ.get("THOROUGH_EXAMPLES", "400")), 50) if THOROUGH else (15, 20)
# Wednesday, 09:00 in Denver; the night to Sunday loses an hour.
BEGIN = datetime(2027, 3, 10, 16, tzinfo=UTC)
DAYS = [date(2027, 3, day) for day in (11, 12, 15, 16, 18)]
KINDS = ("dosing", "dosing", "integration", "intake", "follow_up")
AWAY_IN_TIME = st.sampled_from([timedelta(minutes=7), timedelta(minutes=31), timedelta(hours=3), timedelta(days=1)])


@dataclass(frozen=True)
class World:
    """Who and what there is."""

    cast: Cast
    kinds: dict[str, VisitType]
    patients: list[Patient]
    people: list[User]
    rooms: list[Room]
    devices: list[Device]


def make_world(cast: Cast) -> World:
    kinds = {
        row["code"]: visittypes.publish(by=cast.ada, now=BEGIN, **row)
        for row in visitkinds.FIRST_KINDS
        if row["code"] in KINDS
    }
    patients = [cast.pat, cast.quinn]
    for patient in patients:
        dosing.may_be_dosed(cast, patient, at=BEGIN, max_sessions=40, expires_on=date(2027, 6, 1))
    for name in ("Uma", "Vic", "Wim", "Xia"):
        user = make.make_user(f"{name} Example", kind=User.Kind.PATIENT, email=f"{name.lower()}@post.example")
        patient = make.make_patient(cast.denver, name, portal_user=user, portal_since=make.NOON)
        patients.append(
            dosing.may_be_dosed(cast, patient, at=BEGIN, max_sessions=40, expires_on=date(2027, 6, 1))
        )  # fmt: skip
    # Two who were registered once more, and hold nothing that keeps their records apart.
    patients += [make.make_patient(cast.denver, name) for name in ("Yan", "Zoe")]
    # Six who may lead a dose, and one prescriber who may be in the house for four: the cap is what runs out first.
    more = [make.make_user(f"Tilo {number}") for number in range(3)]
    for who in more:
        make.make_member(who, cast.denver, Role.THERAPIST)
        make.make_working_hours(who, cast.denver)
    # With three who watch, they would run out before the prescriber's cap does.
    watchers = [make.make_user(f"Mara {number}") for number in range(3)]
    for who in watchers:
        make.make_member(who, cast.denver, Role.MONITOR)
        make.make_working_hours(who, cast.denver)
    rooms = [cast.room, cast.second_room, *(dosing.dosing_room(cast, f"Dose {number}") for number in range(6))]
    devices = [dosing.monitor(cast, f"Monitor {number}") for number in range(6)]
    people = [cast.dana, cast.theo, cast.tess, cast.tara, *more, cast.milo, cast.nina, cast.nils, *watchers]
    return World(cast, kinds, patients, people, rooms, devices)


class Schedule(RuleBasedStateMachine):
    """What the desk, patients and the clock do; what is refused changes nothing."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.cast, self.now = self.world.cast, BEGIN
        self.done: Counter[str] = Counter()
        self.undo = transaction.atomic()
        self.undo.__enter__()

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.undo.__exit__(None, None, None)
        SEEN.update(self.done)

    # What is done.

    def attempt(self, name: str, act: Callable[[], Any]) -> Any:
        """Return what came of it, or the refusal, which must have left everything as it was."""
        before = fingerprint()
        try:
            found = act()
        except Refused as refusal:
            found = refusal
            name = f"{name} refused"
        if isinstance(found, Refused):
            assert fingerprint() == before, f"{name}, and it changed something: {found.message}"
        self.done[name] += 1
        return found

    def visit(self, data: st.DataObject, *states: str) -> Appointment | None:
        found = list(Appointment.objects.filter(status__in=states).order_by("booked_at", "pk").select_related(*JOINED))
        return data.draw(st.sampled_from(found)) if found else None

    def openings(self, kind: VisitType, patient: Patient, day: date) -> list[Opening]:
        """Return what the page of openings would offer on a day."""
        choices = timetable.choices(self.cast.denver, kind)
        start = datetime.combine(day, datetime.min.time(), tzinfo=UTC)
        end = start + timedelta(days=2)
        taken = timetable.held([*choices.resources, patient.pk], start, end)
        calendar = timetable.read(self.cast.denver, people=choices.everybody, taken=taken, start=start, end=end)
        return availability.open_slots(
            calendar, timetable.need_of(kind), clinicians=choices.clinicians, others=choices.others,
            devices=choices.kits, rooms=list(choices.rooms), patient=patient.pk, first=day, last=day, now=self.now,
        )  # fmt: skip

    def team(self, opening: Opening) -> tuple[Team, Room | None]:
        people, devices = (
            {one.pk: one for one in self.world.people},
            {one.pk: one for one in self.world.devices},
        )
        rooms = {one.pk: one for one in self.world.rooms}
        team = Team(
            (people[opening.clinician_id], *(people[pk] for pk in opening.others)),
            tuple(devices[pk] for pk in opening.devices),
        )
        return team, rooms[opening.room_id] if opening.room_id else None

    @initialize(count=st.integers(2, 6))
    def a_crowded_thursday(self, count: int) -> None:
        """Some doses stand as near to each other as the prescriber allows."""
        for patient in self.world.patients[:count]:
            self.book_first("dosing", patient, DAYS[0], 0)

    @rule(data=st.data(), kind=st.sampled_from(KINDS), day=st.sampled_from(DAYS))
    def book_what_is_offered(self, data: st.DataObject, kind: str, day: date) -> None:
        # Early ones mostly, so that visits crowd.
        nth = data.draw(st.sampled_from([0, 0, 2, 5, 40]))
        self.book_first(kind, data.draw(st.sampled_from(self.world.patients)), day, nth)

    def book_first(self, kind: str, patient: Patient, day: date, nth: int) -> None:
        found = self.openings(self.world.kinds[kind], patient, day)
        if not found:
            self.done[f"no {kind} offered"] += 1
            return
        opening = found[min(nth, len(found) - 1)]
        team, room = self.team(opening)
        got = self.attempt(f"book {kind}", lambda: self.book(kind, patient, team, room, opening.starts_at))
        # What is offered is free; a dose may lack its distance, and nobody has two intakes.
        assert not isinstance(got, holds.SlotTaken), got.message

    def book(self, kind: str, patient: Patient, team: Team, room: Room | None, at: datetime) -> Appointment:
        return visits.book_visit(
            by=self.cast.frida, patient=patient, team=team, room=room, starts_at=at, location=self.cast.denver,
            visit_type=self.world.kinds[kind], now=self.now, told_by_phone=True,
        )  # fmt: skip

    @rule(data=st.data(), kind=st.sampled_from(KINDS), day=st.sampled_from(DAYS), quarter=st.integers(0, 20))
    def book_blindly(self, data: st.DataObject, kind: str, day: date, quarter: int) -> None:
        patient, room = data.draw(st.sampled_from(self.world.patients)), data.draw(st.sampled_from(self.world.rooms))
        team = self.any_team(data, self.world.kinds[kind])
        at = morning(day) + timedelta(minutes=15 * quarter)
        self.attempt(f"book {kind} blindly", lambda: self.book(kind, patient, team, room, at))

    def any_team(self, data: st.DataObject, kind: VisitType) -> Team:
        able = {Role.THERAPIST: slice(1, 7), Role.PRESCRIBER: slice(0, 1), Role.MONITOR: slice(7, 13), Role.NURSE: slice(8, 10)}  # fmt: skip
        people = [data.draw(st.sampled_from(self.world.people[able[Role(seat.roles[0])]])) for seat in kind.shape.seats]
        devices = [data.draw(st.sampled_from(self.world.devices)) for _one in kind.shape.equipment]
        return Team(tuple(people), tuple(devices))

    @rule(data=st.data(), day=st.sampled_from(DAYS), quarter=st.integers(0, 20))
    def move(self, data: st.DataObject, day: date, quarter: int) -> None:
        """Another time with the same people, or with others, or both."""
        visit = self.visit(data, "booked", "confirmed")
        if visit is None:
            return
        team, room, at = holds.team_of(visit), visit.room, morning(day) + timedelta(minutes=15 * quarter)
        if data.draw(st.booleans()):
            team = self.any_team(data, visit.visit_type)
            room = data.draw(st.sampled_from(self.world.rooms))
        if data.draw(st.sampled_from([False, False, True])):
            at = visit.starts_at
        found = self.openings(visit.visit_type, visit.patient, day)
        takes_an_offer = data.draw(st.booleans())
        if found and takes_an_offer:
            opening = found[min(data.draw(st.sampled_from([0, 3, 20])), len(found) - 1)]
            (team, room), at = self.team(opening), opening.starts_at
        self.attempt(
            "move",
            lambda: changes.move(
                by=self.cast.frida, appointment=visit, team=team, room=room, starts_at=at, seen_version=visit.version,
                now=self.now,
            ),
        )  # fmt: skip

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        visit = self.visit(data, "held", "booked", "confirmed", "checked_in", "cancelled")
        if visit is not None:
            self.attempt(
                "cancel",
                lambda: changes.cancel(
                    by=self.cast.frida, appointment=visit, cancelled_by=Appointment.CancelledBy.CLINIC,
                    reason=Appointment.CancelReason.OTHER, note="", seen_version=visit.version, now=self.now,
                ),
            )  # fmt: skip

    @rule(data=st.data(), kind=st.sampled_from(KINDS), day=st.sampled_from(DAYS))
    def hold(self, data: st.DataObject, kind: str, day: date) -> None:
        patient = data.draw(st.sampled_from(self.world.patients))
        if found := self.openings(self.world.kinds[kind], patient, day):
            team, room = self.team(found[0])
            place = Place(self.cast.denver, self.world.kinds[kind], team, room, patient, found[0].starts_at)
            until = self.now + timedelta(minutes=30)
            self.attempt("hold", lambda: visits.hold(by=self.cast.frida, place=place, until=until, now=self.now))

    @rule(data=st.data())
    def take_up(self, data: st.DataObject) -> None:
        visit = self.visit(data, "held")
        if visit is None or WaitlistOffer.objects.filter(appointment=visit, status="open").exists():
            return

        def act() -> None:
            with transaction.atomic():
                Patient.objects.select_for_update(no_key=True).get(pk=visit.patient_id)
                visits.take_up(by=self.cast.frida, visit=Appointment.objects.locked().get(pk=visit.pk), now=self.now)

        self.attempt("take up", act)

    @rule(data=st.data(), days=st.lists(st.sampled_from(DAYS), min_size=2, max_size=3, unique=True))
    def book_course(self, data: st.DataObject, days: list[date]) -> None:
        """Doses on some days and a talk after each, as they are free before any is booked: all of it or nothing."""
        patient = data.draw(st.sampled_from(self.world.patients))
        planned = []
        for day in days:
            for kind in ("dosing", "integration"):
                if found := self.openings(self.world.kinds[kind], patient, day):
                    opening = found[0 if kind == "dosing" else -1]
                    planned.append(courses.Planned(self.world.kinds[kind], *self.team(opening), opening.starts_at))
        self.attempt(
            "book course",
            lambda: courses.book_course(
                by=self.cast.frida, patient=patient, location=self.cast.denver, planned=planned, told_by_phone=True,
                now=self.now,
            ),
        )  # fmt: skip

    @rule(data=st.data(), kind=st.sampled_from(sorted(set(KINDS))))
    def wait(self, data: st.DataObject, kind: str) -> None:
        patient = data.draw(st.sampled_from(self.world.patients))
        wish = waitlist.Wish(self.world.kinds[kind], first_day=DAYS[0], last_day=DAYS[-1])
        self.attempt("wait", lambda: waitlist.ask(by=self.cast.frida, patient=patient, wish=wish, now=self.now))

    @rule()
    def look_after(self) -> None:
        self.done["offered"] += waitlist.look_after(by=self.cast.sam, now=self.now)
        over = Appointment.objects.filter(status="held", held_until__lte=self.now)
        assert not over.exists(), "a time is kept for somebody for longer than was said"

    @precondition(lambda self: WaitlistOffer.objects.filter(status="open").exists())
    @rule(data=st.data(), yes=st.sampled_from([True, True, False]))
    def answer(self, data: st.DataObject, yes: bool) -> None:
        offers = list(WaitlistOffer.objects.order_by("offered_at", "pk"))
        act, offer = waitlist.accept if yes else waitlist.decline, data.draw(st.sampled_from(offers))
        self.attempt("accept" if yes else "decline", lambda: act(by=self.cast.frida, offer=offer, now=self.now))

    @precondition(lambda self: WaitlistEntry.objects.waiting().exists())
    @rule(data=st.data())
    def wait_no_more(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(list(WaitlistEntry.objects.order_by("made_at", "pk"))))
        self.attempt("wait no more", lambda: waitlist.withdraw(by=self.cast.frida, entry=entry, now=self.now))

    @rule(data=st.data())
    def on_the_day(self, data: st.DataObject) -> None:
        """Somebody comes, goes, or does not come, and slips are taken back."""
        day = self.now.astimezone(self.cast.denver.tz).date()
        rows = Appointment.objects.filter(starts_at__range=(morning(day), morning(day) + timedelta(hours=12)))
        found = list(rows.exclude(status__in=["cancelled", "held"]).order_by("booked_at", "pk"))
        if not found:
            return
        visit = data.draw(st.sampled_from(found))
        possible: dict[str, list[Callable[..., Any]]] = {
            "booked": [attendance.check_in, attendance.mark_no_show],
            "confirmed": [attendance.check_in, attendance.mark_no_show],
            "checked_in": [attendance.undo_check_in, attendance.start, attendance.mark_left],
            "in_progress": [attendance.finish, attendance.mark_left],
            "no_show": [attendance.undo_no_show],
        }
        act = data.draw(st.sampled_from(possible.get(visit.status, [attendance.check_in])))
        more = {"because": "It was somebody else."} if act is attendance.undo_no_show else {}
        self.attempt(act.__name__, lambda: act(by=self.cast.frida, appointment=visit, now=self.now, **more))

    @rule(data=st.data(), other=st.sampled_from([6, 7]))
    def merge(self, data: st.DataObject, other: int) -> None:
        """A record that was made twice goes into another one, visits that are over and all."""
        pks = [data.draw(st.sampled_from(self.world.patients)).pk, self.world.patients[other].pk]
        stays, goes = (Patient.objects.get(pk=pk) for pk in pks)
        if stays != goes:
            self.attempt(
                "merge",
                lambda: merges.merge(
                    by=self.cast.ada, survivor=stays, loser=goes, identity=identities.identity_of(patient=stays),
                    seen={stays.pk: stays.version, goes.pk: goes.version}, reason="One passport.", now=self.now,
                ),
            )  # fmt: skip

    @precondition(lambda self: Merge.objects.exists())
    @rule(data=st.data())
    def take_a_merge_apart(self, data: st.DataObject) -> None:
        merge = data.draw(st.sampled_from(list(Merge.objects.order_by("at", "pk"))))
        self.attempt(
            "unmerge", lambda: merges.unmerge(by=self.cast.ada, merge=merge, reason="Two people.", now=self.now)
        )

    @rule(by=AWAY_IN_TIME)
    def time_passes(self, by: timedelta) -> None:
        self.now += by

    @precondition(lambda self: Appointment.objects.filter(status__in=["booked", "confirmed"]).exists())
    @rule(data=st.data(), after=st.sampled_from([timedelta(minutes=-5), timedelta(minutes=21)]))
    def go_to_a_visit(self, data: st.DataObject, after: timedelta) -> None:
        """The clock goes on to shortly before or after a visit begins."""
        visit = self.visit(data, "booked", "confirmed")
        if visit is not None:
            self.now = max(self.now, visit.starts_at + after)

    # What is true.

    @invariant()
    def the_schedule_is_true(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        found = list(broken())
        assert not found, "\n".join(found)

    @invariant()
    def an_open_offer_keeps_a_time(self) -> None:
        kept = WaitlistOffer.objects.filter(status="open").values_list("appointment__status", flat=True)
        assert set(kept) <= {"held"}


SEEN: Counter[str] = Counter()
JOINED = ("location", "visit_type", "patient", "clinician", "room")
TABLES = (Appointment, ResourceHold, Block, WaitlistOffer, WaitlistEntry)


def fingerprint() -> list[Any]:
    """Return a number for all that the schedule is made of."""
    with connection.cursor() as cursor:
        parts = [f"(SELECT coalesce(sum(hashtext(t::text)), 0) FROM {model._meta.db_table} t)" for model in TABLES]
        cursor.execute(f"SELECT {', '.join(parts)}")
        return list(cursor.fetchone())


def morning(day: date) -> datetime:
    """Return 08:00 in Denver on a day; the clocks go forward on 14 March."""
    return datetime(day.year, day.month, day.day, 15 if day < date(2027, 3, 14) else 14, tzinfo=UTC)


@pytest.mark.django_db
@pytest.mark.long
def test_no_sequence_breaks_the_schedule(cast: Cast) -> None:
    SEEN.clear()
    Schedule.world = make_world(cast)
    policy.forget()
    run_state_machine_as_test(
        Schedule,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=STEPS, derandomize=not THOROUGH, deadline=None, database=None,
            # A long run says the sequence as it was found: making it shorter takes longer than finding it.
            phases=(Phase.generate,) if THOROUGH else (Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck), print_blob=False,
        ),
    )  # fmt: skip
    if THOROUGH:
        sys.stdout.write(f"{dict(sorted(SEEN.items()))}\n")
    # It was not refused all along.
    assert min(SEEN[name] for name in ("book dosing", "move", "cancel")) > 0, SEEN
