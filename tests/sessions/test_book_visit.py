"""Visits of several people: one room hold, people in their parts, ratios, the last start, and what a dose asks for."""

import threading
import uuid
from datetime import datetime, time, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, transaction
from psycopg2.extras import NumericRange

from assessments import flagdata
from assessments.models import Clearance
from assessments.screening import Finding, Flag, Severity
from clinic.errors import Refused
from clinic.models import Device, Role, Room
from patients.models import Consent, ConsentWithdrawal, Contact, Patient
from sessions import dosegate, timetable, visitkinds
from sessions.actions import attendance, changes, holds, placing, visits, visittypes
from sessions.actions.holds import SlotTaken, Team
from sessions.models import Appointment, Block, ResourceHold, VisitType
from tests import factories as make
from tests.cast import Cast, make_cast

from .booking import TEN, at, in_thread
from .dosing import book_dose, dosing_room, make_another, may_be_dosed, minutes, monitor, publish_dosing, team


@pytest.fixture
def kind(cast: Cast) -> VisitType:
    return publish_dosing(cast)


@pytest.fixture
def room(cast: Cast) -> Room:
    return dosing_room(cast)


@pytest.fixture
def device(cast: Cast) -> Device:
    return monitor(cast)


@pytest.fixture
def pat(cast: Cast) -> Patient:
    return may_be_dosed(cast, cast.pat)


def held(visit: Appointment) -> dict[str, list[tuple[tuple[int, int], tuple[int, int]]]]:
    """Return the live holds of a visit by the name of what is held: minutes from its start, and lanes."""
    names = {visit.patient_id: "patient", visit.room_id: "room"}
    names |= {who.pk: who.short_name for who in holds.team_of(visit).people}
    found: dict[str, list[tuple[tuple[int, int], tuple[int, int]]]] = {}
    for hold in ResourceHold.objects.filter(appointment=visit, is_live=True).order_by("during", "lanes"):
        span = minutes(visit.starts_at, (hold.during.lower, hold.during.upper))
        name = names.get(hold.resource_id, "device")
        lanes = (int(hold.lanes.lower or 0), int(hold.lanes.upper or 0))
        found.setdefault(name, []).append((span, lanes))
    return found


class TestOneRoomHold:
    def test_everybody_is_held_for_their_part_alone(
        self, cast: Cast, kind: VisitType, room: Room, device: Device, pat: Patient
    ) -> None:
        visit = book_dose(cast, pat, team(cast, device), room)
        whole = (0, 100)
        assert held(visit) == {
            "patient": [((0, 150), whole)],
            # Overrun and turnover are the room's; the overrun the monitor's too.
            "room": [((0, 195), whole)],
            "Theo": [((0, 150), whole)],
            "Dana": [((15, 45), whole), ((15, 180), (100, 101))],
            "Milo": [((30, 90), whole), ((90, 180), (0, 1))],
            "device": [((15, 180), whole)],
        }
        blocks = Block.objects.filter(appointment=visit).order_by("position", "duty")
        assert [
            (b.position, b.kind, b.duty, b.person.short_name, *minutes(visit.starts_at, (b.starts_at, b.ends_at)))
            for b in blocks.select_related("person")
        ] == [
            (1, "preparation", "prescriber", "Dana", 15, 30),
            (1, "preparation", "therapist", "Theo", 0, 30),
            (2, "dosing", "monitor", "Milo", 30, 90),
            (2, "dosing", "prescriber", "Dana", 30, 105),
            (2, "dosing", "therapist", "Theo", 30, 105),
            (2, "dosing", "watch", "Milo", 90, 105),
            (3, "integration", "prescriber", "Dana", 105, 150),
            (3, "integration", "therapist", "Theo", 105, 150),
            (3, "integration", "watch", "Milo", 105, 150),
        ]
        assert visit.status == Appointment.Status.CONFIRMED
        assert holds.team_of(visit) == team(cast, device)

    def test_moving_it_moves_everything(
        self, cast: Cast, kind: VisitType, room: Room, device: Device, pat: Patient
    ) -> None:
        visit = book_dose(cast, pat, team(cast, device), room)
        before = held(visit)
        other = dosing_room(cast, "Elm")
        moved = changes.move(
            by=cast.frida, appointment=visit, team=team(cast, device, monitor=cast.nina), room=other,
            starts_at=at("13:00", 18), seen_version=1, now=make.NOON,
        )  # fmt: skip
        assert (moved.pk, moved.starts_at, moved.room, moved.schedule_version) == (visit.pk, at("13:00", 18), other, 2)
        assert held(moved) == {
            **{name: value for name, value in before.items() if name != "Milo"},
            "Nina": before["Milo"],
        }
        assert {b.starts_at.date() for b in Block.objects.filter(appointment=visit)} == {at("13:00", 18).date()}

    def test_a_visit_in_the_way_of_one_part_leaves_all_where_it_was(
        self, cast: Cast, kind: VisitType, room: Room, device: Device, pat: Patient
    ) -> None:
        visit = book_dose(cast, pat, team(cast, device), room)
        # Dana is wanted from 13:15 to 13:45 only.
        make.make_appointment(cast.quinn, cast.intake, cast.dana, at("13:30", 18), room=cast.room)
        before = held(visit)
        with pytest.raises(SlotTaken, match="Dana Deng is taken at that time") as refused:
            changes.move(
                by=cast.frida, appointment=visit, team=team(cast, device), room=room, starts_at=at("13:00", 18),
                seen_version=1, now=make.NOON,
            )  # fmt: skip
        visit.refresh_from_db()
        assert (visit.starts_at, held(visit), Block.objects.filter(appointment=visit).count()) == (TEN, before, 9)
        assert refused.value.alternatives
        assert all(len(opening.others) == 3 and opening.devices for opening in refused.value.alternatives)

    def test_the_prescriber_may_see_somebody_else_in_between(
        self, cast: Cast, kind: VisitType, room: Room, device: Device, pat: Patient
    ) -> None:
        book_dose(cast, pat, team(cast, device), room)
        visit = visits.book_intake(
            by=cast.frida, referral=None, patient=cast.quinn, clinician=cast.dana, room=cast.room, starts_at=at("10:45"),
            location=cast.denver, visit_type=cast.intake, now=make.NOON,
        )  # fmt: skip
        assert visit.clinician == cast.dana

    def test_cancelling_frees_all_and_a_miss_taken_back_takes_it_again(
        self, cast: Cast, kind: VisitType, room: Room, device: Device, pat: Patient
    ) -> None:
        visit = book_dose(cast, pat, team(cast, device), room)
        before = held(visit)
        missed = attendance.mark_no_show(by=cast.frida, appointment=visit, now=TEN + timedelta(minutes=20))
        assert held(missed) == {}
        back = attendance.undo_no_show(
            by=cast.frida, appointment=missed, because="They sat in the other room.", now=TEN + timedelta(minutes=25)
        )
        assert held(back) == before


class TestRatios:
    def test_one_monitor_watches_two_after_the_first_hour_and_never_three(
        self, cast: Cast, kind: VisitType, room: Room, device: Device, pat: Patient
    ) -> None:
        """Three begin together with a monitor each; from the second hour on Milo may have two of them."""
        alone = {"Una": cast.nina, "Vera": cast.nils}
        therapists = [cast.tess, make.make_user("Ted Third")]
        prescribers = [make.make_user(f"Prescriber {n}") for n in range(2)]
        for who, role in ((therapists[1], Role.THERAPIST), *((one, Role.PRESCRIBER) for one in prescribers)):
            make.make_member(who, cast.denver, role)
            make.make_working_hours(who, cast.denver)
        book_dose(cast, pat, team(cast, device), room)

        def book(n: int, name: str, **more: Any) -> Appointment:
            people = team(
                cast, monitor(cast, f"Kit {name}"), therapist=therapists[n], prescriber=prescribers[n],
                monitor=alone[name], **more,
            )  # fmt: skip
            return book_dose(cast, make_another(cast, name), people, dosing_room(cast, f"Room {name}"))

        second = book(0, "Una", watch=cast.milo)
        assert held(second)["Milo"] == [((90, 180), (1, 2))]
        with pytest.raises(SlotTaken, match="Milo Marsh is taken"):
            book(1, "Vera", watch=cast.milo)
        # The alternatives keep to it as well: Nina is free from the second hour on.
        assert book_dose(
            cast, Patient.objects.get(given_name="Vera"),
            team(cast, Device.objects.get(name="Kit Vera"), therapist=therapists[1], prescriber=prescribers[1], monitor=cast.nils, watch=cast.nina),
            Room.objects.get(name="Room Vera"),
        ).clinician == therapists[1]  # fmt: skip

    def test_while_one_is_watched_alone_nobody_else_is_watched_beside(
        self, cast: Cast, kind: VisitType, room: Room, device: Device, pat: Patient
    ) -> None:
        """The later visit's hour alone would fall into the earlier one's shared time."""
        book_dose(cast, pat, team(cast, device), room, starts_at=at("10:00"))
        with pytest.raises(SlotTaken, match="Milo Marsh is taken"):
            book_dose(
                cast, make_another(cast, "Una"), team(cast, monitor(cast, "Monitor 2"), therapist=cast.tess),
                dosing_room(cast, "Elm"), starts_at=at("11:15"),
            )  # fmt: skip

    def test_the_database_refuses_what_the_look_missed(
        self, cast: Cast, kind: VisitType, room: Room, device: Device, pat: Patient
    ) -> None:
        visit = book_dose(cast, pat, team(cast, device), room)
        shared = ResourceHold.objects.get(resource_id=cast.milo.pk, lanes=NumericRange(0, 1))
        other = make.make_appointment(cast.quinn, cast.intake, cast.tess, at("14:00"))
        for lanes in (NumericRange(0, 1), NumericRange(0, 100)):
            with pytest.raises(IntegrityError, match="hold_resource_free"), transaction.atomic():
                ResourceHold.objects.create(
                    appointment=other, kind="person", resource_id=cast.milo.pk, during=shared.during, lanes=lanes
                )
        ResourceHold.objects.create(
            appointment=other, kind="person", resource_id=cast.milo.pk, during=shared.during, lanes=NumericRange(1, 2)
        )
        assert visit.pk != other.pk

    def test_a_prescriber_is_on_site_for_four_at_most(self, cast: Cast, kind: VisitType) -> None:
        """Half an hour apart, so that each has the prescriber alone around the dose; the fifth finds no lane."""
        shape = [{"duty": "prescriber", "roles": ["prescriber"], "stretches": [
            {"starts": 0, "ends": 10, "load": "sole"}, {"starts": 0, "ends": 120, "load": "on_site", "most": 4}]}]  # fmt: skip
        brief = visittypes.publish(
            by=cast.ada, code="brief", name="Brief", patient_name="Visit", minutes=120, role=Role.PRESCRIBER, seats=shape,
            now=make.NOON,
        )  # fmt: skip
        patients = [make.make_patient(cast.denver, name) for name in ("Una", "Vera", "Wim", "Xena", "Yves")]

        def book(n: int, clock: str) -> Appointment:
            return visits.book_visit(
                by=cast.frida, patient=patients[n], team=Team((cast.dana,)), room=None, starts_at=at(clock),
                location=cast.denver, visit_type=brief, now=make.NOON,
            )  # fmt: skip

        for n, clock in enumerate(("10:00", "10:15", "10:30", "10:45")):
            book(n, clock)
        with pytest.raises(SlotTaken, match="Dana Deng is taken"):
            book(4, "11:00")
        assert book(4, "12:00").starts_at == at("12:00")


class TestTheEdges:
    def test_the_last_start_leaves_an_hour_before_closing(
        self, cast: Cast, kind: VisitType, room: Room, device: Device, pat: Patient
    ) -> None:
        """Denver closes at 18:00: 18:00 less 150 less 60 minutes is 14:30 (domain.md 8.2)."""
        for who in (cast.theo, cast.dana, cast.milo):
            make.make_working_hours(who, cast.denver, time(8), time(18))
        with pytest.raises(placing.OutsideHours, match="60 minutes before Denver closes"):
            book_dose(cast, pat, team(cast, device), room, starts_at=at("14:45"))
        assert book_dose(cast, pat, team(cast, device), room, starts_at=at("14:30")).starts_at == at("14:30")

    def test_soon_is_asked_by_phone(
        self, cast: Cast, kind: VisitType, room: Room, device: Device, pat: Patient
    ) -> None:
        with pytest.raises(visits.NotToldYet, match=r"within 48 hours\. Call Pat"):
            book_dose(cast, pat, team(cast, device), room, told_by_phone=False)
        later = book_dose(cast, pat, team(cast, device), room, told_by_phone=False, starts_at=at("10:00", 18))
        assert later.status == Appointment.Status.BOOKED

    def test_a_team_fills_its_seats_with_the_right_people(
        self, cast: Cast, kind: VisitType, room: Room, device: Device, pat: Patient
    ) -> None:
        with pytest.raises(placing.WrongClinician, match="does not work as a monitor"):
            book_dose(cast, pat, team(cast, device, monitor=cast.tess), room)
        with pytest.raises(placing.WrongClinician, match="Somebody is missing"):
            book_dose(cast, pat, Team((cast.theo, cast.dana, cast.milo), (device,)), room)
        with pytest.raises(placing.WrongClinician, match="two duties at the same time"):
            book_dose(cast, pat, team(cast, device, monitor=cast.dana), room)
        make.make_member(cast.nina, cast.denver, Role.THERAPIST)
        with pytest.raises(placing.WrongClinician, match="two duties at the same time"):
            book_dose(cast, pat, team(cast, device, therapist=cast.nina, monitor=cast.nina), room)
        elsewhere = Device.objects.create(location=cast.phoenix, name="M", kind=Device.Kind.VITALS_MONITOR)
        with pytest.raises(placing.WrongRoom, match="vitals monitor in Denver"):
            book_dose(cast, pat, team(cast, elsewhere), room)

    def test_esketamine_is_booked_by_a_clinician(
        self, cast: Cast, kind: VisitType, room: Room, device: Device, pat: Patient
    ) -> None:
        row = next(row for row in visitkinds.FIRST_KINDS if row["code"] == "esketamine")
        spray = visittypes.publish(by=cast.ada, now=make.NOON, **row)
        with pytest.raises(visits.NotYoursToBook, match="booked by a clinician"):
            book_dose(cast, pat, team(cast, device), room, visit_type=spray)
        # Pat is cleared for lozenges, which is not wide enough.
        with pytest.raises(placing.DoseNotMet, match="no clearance for this route"):
            book_dose(cast, pat, team(cast, device), room, visit_type=spray, by=cast.dana)

    def test_from_afar_asks_where_the_patient_is(self, cast: Cast) -> None:
        row = next(row for row in visitkinds.FIRST_KINDS if row["code"] == "follow_up_remote")
        remote = visittypes.publish(by=cast.ada, now=make.NOON, **row)
        values: dict[str, Any] = {
            "by": cast.frida, "patient": cast.quinn, "team": Team((cast.dana,)), "room": None, "starts_at": TEN,
            "location": cast.denver, "visit_type": remote, "now": make.NOON,
        }  # fmt: skip
        for given in (None, visits.Whereabouts("", "+1 303 555 0100"), visits.Whereabouts("Home, Boulder", " ")):
            with pytest.raises(visits.WhereaboutsNeeded, match="where the patient will be"):
                visits.book_visit(**values, whereabouts=given)
        visit = visits.book_visit(**values, whereabouts=visits.Whereabouts("Home, Boulder", "+1 303 555 0100"))
        assert (visit.room, visit.patient_place, visit.call_back_phone) == (None, "Home, Boulder", "+1 303 555 0100")

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"parts": [{"kind": "dosing", "minutes": 100}]}, "The parts take 100 minutes, and the visit 150"),
            ({"parts": [{"kind": "tea", "minutes": 150}]}, "There is no “tea”"),
            ({"seats": [{"duty": "therapist", "roles": ["cook"]}]}, "The first seat is the clinician's"),
            ({"seats": [{"duty": "therapist", "roles": ["therapist"], "stretches": [{"starts": 9, "ends": 9}]}]}, "ends after"),
            ({"seats": [{"duty": "therapist", "roles": ["therapist"], "stretches": [{"load": "half"}]}]}, "sole, shared"),
            ({"seats": [{"duty": "therapist", "roles": ["therapist"], "stretches": [{"ends": 151}]}]}, "from 0 to 150"),
            ({"devices": [{"kind": "kettle"}]}, "There is no “kettle”"),
            ({"is_remote": True}, "takes no room"),
        ],
    )  # fmt: skip
    def test_a_kind_that_cannot_be_is_not_published(self, cast: Cast, changes: dict[str, Any], says: str) -> None:
        with pytest.raises(visittypes.ImpossibleVisit, match=says):
            visittypes.publish(
                by=cast.ada, code="x", name="X", patient_name="X", now=make.NOON, **{**visitkinds.DOSING, **changes}
            )
        assert not VisitType.objects.filter(code="x").exists()

    def test_every_kind_a_clinic_begins_with_can_be_published(self, cast: Cast) -> None:
        kinds = [visittypes.publish(by=cast.ada, now=make.NOON, **row) for row in visitkinds.FIRST_KINDS]
        assert [kind.code for kind in kinds] == [row["code"] for row in visitkinds.FIRST_KINDS]
        assert all(timetable.need_of(kind).people for kind in kinds)


class TestTheDoseGate:
    """3.3: each thing that is not met is named, with where it is met."""

    def codes(self, cast: Cast, patient: Patient, **changes: Any) -> list[str]:
        values: dict[str, Any] = {
            "by": cast.dana, "patient": patient, "visit_type": VisitType.objects.get(code="dosing"), "starts_at": TEN,
            "tz": cast.denver.tz, "now": make.NOON,
        }  # fmt: skip
        return [one.code for one in dosegate.unmet(**{**values, **changes})]

    def test_all_met(self, cast: Cast, kind: VisitType, pat: Patient) -> None:
        assert self.codes(cast, pat) == []

    def test_nothing_is_met_by_whom_nobody_looked_at(self, cast: Cast, kind: VisitType) -> None:
        assert self.codes(cast, cast.pat) == ["clearance", "consent", "consent", "not_screened", "escort"]

    def test_what_speaks_against_it_is_named_to_the_team_alone(self, cast: Cast, kind: VisitType, pat: Patient) -> None:
        flag = Flag(
            code="MED-BENZO", rule_version=1, severity=Severity.OVERRIDE, finding=Finding.FOUND, trigger="medication:1",
            says="Takes a benzodiazepine.", lifts="A decision.",
        )  # fmt: skip
        make.make_flag(pat, "MED-BENZO", "override", trigger="medication:1", data=flagdata.as_data(flag))
        (seen,) = dosegate.unmet(
            by=cast.dana, patient=pat, visit_type=kind, starts_at=TEN, tz=cast.denver.tz, now=make.NOON
        )
        (desk,) = dosegate.unmet(
            by=cast.frida, patient=pat, visit_type=kind, starts_at=TEN, tz=cast.denver.tz, now=make.NOON
        )
        assert seen.code == "override"
        assert "#flag-" in seen.url
        assert (desk.code, desk.url) == ("clearance", "")
        assert desk.sentence == "A prescriber of the care team has to clear this visit first. Ask them."

    def test_each_thing_that_lapses_counts(self, cast: Cast, kind: VisitType, pat: Patient) -> None:
        clearance = Clearance.objects.get(patient=pat)
        assert clearance.expires_on is not None
        after = make.NOON.replace(hour=17) + timedelta(days=(clearance.expires_on - make.NOON.date()).days + 1)
        assert "clearance_expired" in self.codes(cast, pat, starts_at=after)
        Contact.objects.filter(patient=pat).update(ended_at=make.NOON)
        assert self.codes(cast, pat) == ["escort"]
        consent = Consent.objects.filter(patient=pat, text__kind="treatment").get()
        ConsentWithdrawal.objects.create(consent=consent, withdrawn_at=make.NOON, recorded_by=cast.frida, how="phone")
        assert self.codes(cast, pat) == ["consent", "escort"]

    def test_visits_that_are_booked_use_up_the_clearance(
        self, cast: Cast, kind: VisitType, room: Room, device: Device, pat: Patient
    ) -> None:
        most = Clearance.objects.get(patient=pat).max_sessions or 0
        for n in range(most):
            make.make_appointment(pat, kind, cast.theo, at("10:00") + timedelta(days=4 * (n + 1)))
        assert self.codes(cast, pat, starts_at=at("10:00") + timedelta(days=4 * (most + 1))) == ["clearance_sessions"]

    def test_two_doses_are_72_hours_apart(
        self, cast: Cast, kind: VisitType, room: Room, device: Device, pat: Patient
    ) -> None:
        book_dose(cast, pat, team(cast, device), room, starts_at=at("10:00", 18))
        with pytest.raises(
            placing.DoseNotMet, match=r"less than 72 hours to the dosing visit on Mon 18 Jan 2027.*10:00"
        ):
            book_dose(cast, pat, team(cast, device), room, starts_at=at("09:45", 21))
        with pytest.raises(placing.DoseNotMet, match="72 hours"):
            book_dose(cast, pat, team(cast, device), room, starts_at=at("10:15", 15))
        later = book_dose(cast, pat, team(cast, device), room, starts_at=at("10:00", 21))
        # A visit is no neighbour of itself, and moving within the day asks about the other.
        with pytest.raises(placing.DoseNotMet, match="72 hours"):
            changes.move(
                by=cast.frida, appointment=later, team=team(cast, device), room=room, starts_at=at("09:00", 21),
                seen_version=1, now=make.NOON,
            )  # fmt: skip
        moved = changes.move(
            by=cast.frida, appointment=later, team=team(cast, device), room=room, starts_at=at("11:00", 21),
            seen_version=1, now=make.NOON,
        )  # fmt: skip
        assert moved.starts_at == at("11:00", 21)

    def test_a_missed_dose_does_not_come_back_beside_one_booked_since(
        self, cast: Cast, kind: VisitType, room: Room, device: Device, pat: Patient
    ) -> None:
        missed = book_dose(cast, pat, team(cast, device), room)
        attendance.mark_no_show(by=cast.frida, appointment=missed, now=at("10:25"))
        other = book_dose(cast, pat, team(cast, device), room, starts_at=at("10:00", 15), now=at("10:30"))
        with pytest.raises(placing.TooNear, match=r"less than 72 hours to the dosing visit on Fri 15 Jan 2027.*10:00"):
            attendance.undo_no_show(by=cast.frida, appointment=missed, because="In the garden", now=at("10:40"))
        assert not holds.has_any(missed)
        changes.cancel(
            by=cast.frida, appointment=other, cancelled_by=Appointment.CancelledBy.CLINIC,
            reason=Appointment.CancelReason.OTHER, note="", seen_version=1, now=at("10:45"),
        )  # fmt: skip
        back = attendance.undo_no_show(by=cast.frida, appointment=missed, because="In the garden", now=at("10:50"))
        assert (back.status, holds.has_any(back)) == ("booked", True)

    @pytest.mark.parametrize(
        ("first", "second", "zone", "far_enough"),
        [
            # The night of 14 March 2027 is an hour short in Denver: 71 hours went by, and it is three days.
            ("2027-03-12T10:00", "2027-03-15T10:00", "America/Denver", True),
            ("2027-03-12T10:00", "2027-03-15T09:45", "America/Denver", False),
            # The night of 7 November 2027 is an hour long: 72 hours went by at 9:00.
            ("2027-11-05T10:00", "2027-11-08T09:00", "America/Denver", True),
            ("2027-11-05T10:00", "2027-11-08T08:45", "America/Denver", False),
            ("2027-03-12T10:00", "2027-03-15T10:00", "America/Phoenix", True),
            ("2027-03-12T10:00", "2027-03-15T09:45", "America/Phoenix", False),
        ],
    )
    def test_friday_to_monday_is_72_hours_across_a_clock_change(
        self, first: str, second: str, zone: str, far_enough: bool
    ) -> None:
        tz = ZoneInfo(zone)
        one, other = (datetime.fromisoformat(text).replace(tzinfo=tz) for text in (first, second))
        assert dosegate.is_far_enough(one, other, tz, 3) is far_enough
        assert dosegate.is_far_enough(other, one, tz, 3) is far_enough


@pytest.mark.django_db(transaction=True)
def test_twelve_clerks_and_one_monitor() -> None:
    """Each with a patient, a therapist, a prescriber, a room and a device of their own, and one monitor for all of them."""
    cast = make_cast()
    kind = publish_dosing(cast)
    wanted = []
    for n in range(12):
        patient = make_another(cast, f"Patient{n}")
        therapist, prescriber = make.make_user(f"Therapist {n}"), make.make_user(f"Prescriber {n}")
        for who, role in ((therapist, Role.THERAPIST), (prescriber, Role.PRESCRIBER)):
            make.make_member(who, cast.denver, role)
            make.make_working_hours(who, cast.denver)
        people = Team((therapist, prescriber, cast.milo, cast.milo), (monitor(cast, f"Kit {n}"),))
        wanted.append((patient, people, dosing_room(cast, f"Room {n}")))
    won: list[uuid.UUID] = []
    lost: list[str] = []
    gate = threading.Barrier(12)

    def clerk(n: int) -> None:
        patient, people, room = wanted[n]
        gate.wait()
        try:
            won.append(book_dose(cast, patient, people, room, visit_type=kind, starts_at=at("10:00", 18)).pk)
        except Refused as refused:
            lost.append(type(refused).__name__)

    threads = [threading.Thread(target=in_thread(partial(clerk, n))) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # On a machine with much to do somebody waits too long for the row, and is told so.
    assert (len(won), len(lost)) == (1, 11)
    assert set(lost) <= {"SlotTaken", "Busy"}
    assert ResourceHold.objects.filter(resource_id=cast.milo.pk, is_live=True).count() == 2
