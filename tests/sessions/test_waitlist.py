"""The waitlist: a free time goes to one at a time, to whoever may have it, and to exactly one."""

import threading
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.urls import reverse

from clinic.errors import Refused
from clinic.models import AuditEvent, Category, OutboundMessage, WorkItem
from patients.models import Contact, ContactPreference, LifeState, Patient
from sessions.actions import changes, holds, placing, visits, waitlist
from sessions.models import (
    Appointment,
    FreedSlot,
    Reminder,
    ResourceHold,
    VisitType,
    WaitlistEntry,
    WaitlistOffer,
)
from tests import factories as make
from tests.cast import Cast, make_cast
from tests.conftest import SignedIn

from . import dosing
from .booking import TEN, at, book, in_thread

NOON = make.NOON
MINUTE = timedelta(minutes=1)
HALF_HOUR = timedelta(minutes=30)


def wish(cast: Cast, **changes: Any) -> waitlist.Wish:
    values: dict[str, Any] = {
        "visit_type": cast.intake, "first_day": date(2027, 1, 13), "last_day": date(2027, 2, 28)
    }  # fmt: skip
    return waitlist.Wish(**{**values, **changes})


def wait(cast: Cast, patient: Patient, *, at: datetime = NOON, **changes: Any) -> WaitlistEntry:
    return waitlist.ask(by=cast.frida, patient=patient, wish=wish(cast, **changes), now=at)


def waiting_patient(cast: Cast, name: str, **changes: Any) -> Patient:
    return make.make_patient(cast.denver, name, email=f"{name.lower()}@post.example", **changes)


def cancel(cast: Cast, visit: Appointment, now: datetime = NOON) -> Appointment:
    return changes.cancel(
        by=cast.frida, appointment=visit, cancelled_by=Appointment.CancelledBy.PATIENT,
        reason=Appointment.CancelReason.WORK, note="", seen_version=visit.version, now=now,
    )  # fmt: skip


def tick(cast: Cast, now: datetime = NOON) -> int:
    return waitlist.look_after(by=cast.sam, now=now)


def open_offer() -> WaitlistOffer:
    return WaitlistOffer.objects.get(status="open")


@pytest.fixture
def una(cast: Cast) -> Patient:
    return waiting_patient(cast, "Una")


@pytest.fixture
def vera(cast: Cast) -> Patient:
    return waiting_patient(cast, "Vera")


@pytest.fixture
def freed(cast: Cast, una: Patient, vera: Patient) -> FreedSlot:
    """Una waits, then Vera; Quinn's intake on Thursday at 10:00 is cancelled."""
    visit = book(cast)
    wait(cast, una)
    wait(cast, vera, at=NOON + MINUTE)
    cancel(cast, visit)
    return FreedSlot.objects.get()


class TestWishes:
    def test_is_in_line(self, cast: Cast, una: Patient) -> None:
        entry = wait(cast, una)
        assert (entry.is_waiting, entry.location) == (True, cast.denver)
        assert AuditEvent.objects.get(verb="waitlist.asked").patient_id == una.pk
        with pytest.raises(waitlist.AlreadyWaiting, match="waits for this kind of visit already"):
            wait(cast, una)
        waitlist.withdraw(by=cast.frida, entry=entry, now=NOON)
        assert waitlist.withdraw(by=cast.frida, entry=entry, now=NOON).status == "withdrawn"
        assert wait(cast, una).is_waiting

    def test_nobody_waits_for_what_never_comes(self, cast: Cast, una: Patient) -> None:
        for differently, words in (
            ({"last_day": date(2027, 1, 12)}, "Choose a last day"),
            ({"last_day": date(2028, 1, 12)}, "Choose a last day"),
            ({"clinician": cast.theo}, "not who this kind of visit is with"),
            ({"visit_type": VisitType(code="x", is_remote=True)}, "Nobody waits in line"),
        ):
            with pytest.raises(waitlist.NotWaitedFor, match=words):
                wait(cast, una, **differently)
        una.life_state = LifeState.DISCHARGED
        una.save()
        with pytest.raises(placing.NotInCare):
            wait(cast, una)

    @pytest.mark.parametrize(
        ("changes", "suits"),
        [
            ({}, True),
            ({"weekdays": (3,)}, True),
            ({"weekdays": (0, 4)}, False),
            ({"day_parts": ("morning",)}, True),
            ({"day_parts": ("afternoon", "evening")}, False),
            ({"first_day": date(2027, 1, 15)}, False),
            ({"last_day": date(2027, 1, 13)}, False),
            ({"clinician": "dana"}, True),
            ({"clinician": "petra"}, False),
        ],
    )
    def test_suits(self, cast: Cast, una: Patient, changes: dict[str, Any], suits: bool) -> None:
        if "clinician" in changes:
            changes = {"clinician": getattr(cast, changes["clinician"])}
        asked = {"visit_type": cast.intake, "first_day": date(2027, 1, 13), "last_day": date(2027, 2, 28), **changes}
        del asked["visit_type"]
        entry = WaitlistEntry(patient=una, location=cast.denver, visit_type_code="intake", **asked)
        # Thursday 10:00 in Denver.
        assert entry.suits(TEN, cast.dana) is suits

    def test_ends_by_itself(self, cast: Cast, una: Patient, vera: Patient) -> None:
        wait(cast, una, last_day=date(2027, 1, 14))
        wait(cast, vera)
        tick(cast, at("23:59"))
        assert WaitlistEntry.objects.waiting().count() == 2
        vera.life_state = LifeState.DECEASED
        vera.save()
        tick(cast, at("00:01", 15))
        assert set(WaitlistEntry.objects.values_list("status", flat=True)) == {"ended"}


class TestOffers:
    def test_goes_to_whoever_waits_longest(self, cast: Cast, freed: FreedSlot, una: Patient) -> None:
        assert (freed.starts_at, freed.because, freed.people) == (TEN, "cancelled", [cast.dana.pk])
        assert tick(cast) == 1
        # Twice is once.
        assert tick(cast) == 0
        offer = open_offer()
        visit = offer.appointment
        assert (visit.patient, visit.status, visit.starts_at, visit.held_until) == (una, "held", TEN, NOON + HALF_HOUR)
        assert (offer.expires_at, offer.told) == (NOON + HALF_HOUR, "letter")
        assert not Reminder.objects.filter(appointment=visit).exists()
        letter = OutboundMessage.objects.get(kind="time_offered")
        assert (letter.address, letter.useful_until) == (una.email, NOON + HALF_HOUR)
        # Nobody else can take what is kept, and nobody can be moved into it.
        with pytest.raises(holds.SlotTaken):
            book(cast, cast.pat)
        with pytest.raises(changes.NotPossibleNow, match="cannot be moved"):
            changes.reschedule(
                by=cast.frida, appointment=visit, clinician=cast.dana, room=cast.room, starts_at=at("13:00"),
                seen_version=1, now=NOON,
            )  # fmt: skip

    def test_expired_goes_to_the_next(self, cast: Cast, freed: FreedSlot, una: Patient, vera: Patient) -> None:
        tick(cast)
        first = open_offer()
        assert tick(cast, NOON + HALF_HOUR - MINUTE) == 0
        later = NOON + HALF_HOUR
        with pytest.raises(waitlist.OfferIsOver, match="The time to answer is over"):
            waitlist.accept(by=cast.frida, offer=first, now=later)
        assert tick(cast, later) == 1
        assert open_offer().appointment.patient == vera
        first.refresh_from_db()
        assert (first.status, first.appointment.status) == ("expired", "cancelled")
        assert WaitlistEntry.objects.get(patient=una).is_waiting
        # No letter says that what was never theirs is cancelled.
        assert set(OutboundMessage.objects.filter(recipient_id=una.pk).values_list("kind", flat=True)) == {
            "time_offered"
        }
        waitlist.decline(by=cast.frida, offer=open_offer(), now=later)
        # Both were asked; nobody is asked twice about one time.
        assert tick(cast, later + timedelta(hours=2)) == 0
        assert not ResourceHold.objects.filter(is_live=True, resource_id=cast.room.pk).exists()
        freed.refresh_from_db()
        assert freed.outcome == ""
        tick(cast, at("08:00"))
        freed.refresh_from_db()
        assert (freed.outcome, freed.look_at) == ("passed", None)

    def test_nobody_loses_their_turn_to_a_clerk_at_work(
        self, cast: Cast, freed: FreedSlot, una: Patient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def busy(**_: Any) -> None:
            raise holds.Busy

        with monkeypatch.context() as patch:
            patch.setattr(visits, "hold", busy)
            assert tick(cast) == 0
        assert not WaitlistOffer.objects.exists()
        assert tick(cast, NOON + MINUTE) == 1
        assert open_offer().appointment.patient == una

    def test_accept_books(self, cast: Cast, freed: FreedSlot, una: Patient) -> None:
        tick(cast)
        offer = open_offer()
        visit = waitlist.accept(by=cast.frida, offer=offer, now=NOON + MINUTE)
        assert (visit.status, visit.held_until, visit.patient) == ("booked", None, una)
        assert Reminder.objects.filter(appointment=visit, kind="visit_confirmation").exists()
        assert WaitlistEntry.objects.get(patient=una).status == "met"
        freed.refresh_from_db()
        assert (freed.outcome, freed.look_at) == ("taken", None)
        assert OutboundMessage.objects.get(kind="time_offered").status == "void"
        with pytest.raises(waitlist.OfferIsOver, match="accepted already"):
            waitlist.decline(by=cast.frida, offer=offer, now=NOON + MINUTE)
        tick(cast, NOON + HALF_HOUR)
        visit.refresh_from_db()
        assert visit.status == "booked"

    def test_what_was_withdrawn_is_said(self, cast: Cast, freed: FreedSlot, una: Patient, vera: Patient) -> None:
        tick(cast)
        first = open_offer()
        waitlist.withdraw(by=cast.frida, entry=first.entry, now=NOON)
        with pytest.raises(waitlist.OfferIsOver, match="had to be withdrawn"):
            waitlist.accept(by=cast.frida, offer=first, now=NOON)
        tick(cast)
        second = open_offer()
        assert second.appointment.patient == vera
        # The desk cancels the visit that only holds the time.
        cancel(cast, second.appointment)
        with pytest.raises(waitlist.OfferIsOver, match="had to be withdrawn"):
            waitlist.accept(by=cast.frida, offer=second, now=NOON)
        assert not OutboundMessage.objects.filter(kind="visit_cancelled", recipient_id=vera.pk).exists()

    def test_only_those_who_may_have_it(self, cast: Cast, freed: FreedSlot, una: Patient, vera: Patient) -> None:
        una.life_state = LifeState.DISCHARGED
        una.save()
        WaitlistEntry.objects.filter(patient=una).update(made_at=NOON - timedelta(days=1))
        # Vera has another intake then, so she could not come.
        book(cast, vera, starts_at=at("13:00"))
        assert tick(cast) == 0
        assert not WaitlistOffer.objects.exists()
        # Somebody who begins to wait is asked at once.
        zoe = waiting_patient(cast, "Zoe")
        wait(cast, zoe)
        assert tick(cast) == 1
        assert open_offer().appointment.patient == zoe

    def test_never_at_night(self, cast: Cast, freed: FreedSlot) -> None:
        for clock, offered in (("19:31", 0), ("23:00", 0), ("08:29", 0)):
            FreedSlot.objects.update(starts_at=at("10:00", 15))
            day = 14 if clock == "08:29" else 13
            FreedSlot.objects.update(look_at=at(clock, day))
            assert tick(cast, at(clock, day)) == offered
        assert tick(cast, at("08:30", 14)) == 1

    def test_a_moved_visit_frees_its_old_time(self, cast: Cast, una: Patient) -> None:
        visit = book(cast)
        wait(cast, una)
        changes.reschedule(
            by=cast.frida, appointment=visit, clinician=cast.dana, room=cast.room, starts_at=at("13:00"),
            seen_version=visit.version, now=NOON,
        )  # fmt: skip
        assert (FreedSlot.objects.get().starts_at, FreedSlot.objects.get().because) == (TEN, "moved")
        assert tick(cast) == 1

    def test_nothing_is_kept_when_nobody_waits(self, cast: Cast) -> None:
        cancel(cast, book(cast))
        assert not FreedSlot.objects.exists()

    def test_by_phone_without_letters(self, cast: Cast, freed: FreedSlot, una: Patient) -> None:
        ContactPreference.objects.create(
            patient=una, category=Category.WAITLIST, channel="email", is_allowed=False, evidence="asked_by_phone",
            recorded_by=cast.frida, since=NOON,
        )  # fmt: skip
        tick(cast)
        offer = open_offer()
        assert offer.told == "phone"
        item = WorkItem.objects.open().get(subject_id=offer.appointment_id)
        assert (item.kind, item.due_at) == ("call_patient", offer.expires_at)
        waitlist.accept(by=cast.frida, offer=offer, now=NOON)
        assert not WorkItem.objects.open().filter(subject_id=offer.appointment_id).exists()

    def test_by_hand(self, cast: Cast, una: Patient) -> None:
        entry = wait(cast, una, weekdays=(0,))
        asked: dict[str, Any] = {"by": cast.frida, "entry": entry, "team": holds.Team((cast.dana,)), "room": cast.room}
        with pytest.raises(waitlist.TooSoon, match="less than 3 hours"):
            waitlist.offer(**asked, starts_at=at("11:00", 13), now=NOON)
        with pytest.raises(waitlist.NotAtNight, match="Offer it between 08:30 and 20:00"):
            waitlist.offer(**asked, starts_at=TEN, now=at("21:00", 13))
        made = waitlist.offer(**asked, starts_at=TEN, now=NOON)
        assert (made.slot, made.offered_by) == (None, cast.frida)
        with pytest.raises(waitlist.HasAnOffer, match="being asked about another time"):
            waitlist.offer(**asked, starts_at=at("13:00"), now=NOON)
        assert waitlist.accept(by=cast.frida, offer=made, now=NOON).status == "booked"


class TestDoses:
    @pytest.fixture
    def freed_dose(self, cast: Cast) -> FreedSlot:
        kind = dosing.publish_dosing(cast)
        team = dosing.team(cast, dosing.monitor(cast))
        visit = dosing.book_dose(
            cast, dosing.may_be_dosed(cast, cast.pat), team, dosing.dosing_room(cast), starts_at=at("10:00", 18)
        )
        wait(cast, waiting_patient(cast, "Una"), visit_type=kind)
        wait(cast, dosing.make_another(cast, "Vera"), at=NOON + MINUTE, visit_type=kind)
        cancel(cast, visit)
        return FreedSlot.objects.get()

    def test_only_who_may_be_dosed_then(self, cast: Cast, freed_dose: FreedSlot) -> None:
        assert tick(cast) == 1
        offer = open_offer()
        assert offer.appointment.patient.given_name == "Vera"
        held = ResourceHold.objects.filter(appointment=offer.appointment, is_live=True)
        assert set(held.values_list("kind", flat=True)) == {"patient", "room", "person", "device"}
        # What is needed for a dose is asked about again when they say yes.
        vera = offer.appointment.patient
        Contact.objects.filter(patient=vera).update(ended_at=NOON)
        with pytest.raises(placing.DoseNotMet, match="takes Vera home"):
            waitlist.accept(by=cast.frida, offer=offer, now=NOON)
        assert open_offer() == offer

    def test_not_a_day_before(self, cast: Cast, freed_dose: FreedSlot) -> None:
        assert tick(cast, at("10:01", 17)) == 0
        freed_dose.refresh_from_db()
        assert freed_dose.outcome == "passed"


@pytest.mark.django_db(transaction=True)
def test_ten_accept_and_one_wins() -> None:
    cast = make_cast()
    una, vera = waiting_patient(cast, "Una"), waiting_patient(cast, "Vera")
    visit = book(cast)
    wait(cast, una)
    wait(cast, vera, at=NOON + MINUTE)
    cancel(cast, visit)
    gate = threading.Barrier(10)
    said: list[str] = []

    def press(act: Any) -> None:
        gate.wait()
        try:
            act()
            said.append("")
        except Refused as refusal:
            said.append(str(refusal))

    def all_at_once(acts: list[Any]) -> None:
        threads = [threading.Thread(target=in_thread(partial(press, act))) for act in acts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    # Ten clocks at once offer one time to one.
    all_at_once([lambda: tick(cast)] * 10)
    assert said == [""] * 10
    offer = WaitlistOffer.objects.get()
    said.clear()
    all_at_once([lambda: waitlist.accept(by=cast.frida, offer=offer, now=NOON)] * 10)
    assert sorted(said) == [
        "",
        *["This time has been accepted already. The visit is booked; there is nothing more to do."] * 9,
    ]
    assert Appointment.objects.filter(status="booked", starts_at=TEN).count() == 1
    assert ResourceHold.objects.filter(is_live=True, resource_id=cast.room.pk).count() == 1
    connection.close()


class TestPages:
    def test_the_desk(self, now: Any, cast: Cast, una: Patient, signed_in: SignedIn) -> None:
        client: Client = signed_in(cast.frida)
        url = reverse("sessions:join_waitlist", args=[una.pk])
        asked = {
            "kind": "intake",
            "first_day": "2027-01-13",
            "last_day": "2027-02-28",
            "weekdays": ["3"],
            "day_parts": [],
        }
        assert client.post(url, {**asked, "kind": ""}).status_code == 422
        assert client.post(url, asked).status_code == 302
        assert "waits for this kind of visit already" in client.post(url, asked).content.decode()
        entry = WaitlistEntry.objects.get()
        assert entry.weekdays == [3]
        offer_url = reverse("sessions:offer_time", args=[entry.pk])
        page = client.get(offer_url).content.decode()
        assert "Offer this time" in page
        slot = f"{TEN.astimezone(UTC):%Y-%m-%dT%H:%MZ}~{cast.dana.pk}~{cast.room.pk}"
        assert client.post(offer_url, {"slot": slot}).status_code == 302
        page = client.get(reverse("sessions:waitlist")).content.decode()
        assert "Una" in page
        assert "They said yes" in page
        accept = reverse("sessions:accept_offer", args=[open_offer().pk])
        assert client.post(accept).status_code == 302
        again = client.post(accept)
        assert (again.status_code, "accepted already" in again.content.decode()) == (422, True)

    def test_the_patient(self, now: Any, cast: Cast, signed_in: SignedIn) -> None:
        client = signed_in(cast.quinn_user)
        url = reverse("sessions:portal_waitlist")
        asked = {"kind": "intake", "first_day": "2027-01-13", "last_day": "2027-02-28"}
        assert client.post(url, asked).status_code == 302
        entry = WaitlistEntry.objects.get()
        offer = waitlist.offer(
            by=cast.frida, entry=entry, team=holds.Team((cast.dana,)), room=cast.room, starts_at=TEN, now=NOON
        )
        home = client.get(reverse("sessions:portal_home")).content.decode()
        # It waits among what there is to do, and is nobody's visit yet.
        assert "A time is free for you" in home
        assert "No visit is planned." in home
        assert "Take this time" in client.get(url).content.decode()
        stranger = signed_in(cast.pat_user)
        for name in ("accept_my_offer", "decline_my_offer"):
            assert stranger.post(reverse(f"sessions:{name}", args=[offer.pk])).status_code == 404
        assert client.post(reverse("sessions:decline_my_offer", args=[offer.pk])).status_code == 302
        refused = client.post(reverse("sessions:accept_my_offer", args=[offer.pk]))
        assert (refused.status_code, "declined already" in refused.content.decode()) == (422, True)
        assert client.post(reverse("sessions:leave_my_waitlist", args=[entry.pk])).status_code == 302
        assert not WaitlistEntry.objects.waiting().exists()

    def test_two_patients_and_one_time(self, now: Any, cast: Cast, una: Patient, signed_in: SignedIn) -> None:
        """Whoever presses on an old page is told that the time went on, and what to do; the other one has it, once."""
        visit = book(cast, una)
        for patient, since in ((cast.pat, NOON), (cast.quinn, NOON + MINUTE)):
            wait(cast, patient, at=since)
        cancel(cast, visit)
        tick(cast)
        old, page = open_offer(), reverse("sessions:portal_waitlist")
        assert "Take this time" in signed_in(cast.pat_user).get(page).content.decode()
        assert "Take this time" not in signed_in(cast.quinn_user).get(page).content.decode()
        with time_machine.travel(NOON + HALF_HOUR, tick=False):
            tick(cast, NOON + HALF_HOUR)
            pat, quinn = signed_in(cast.pat_user), signed_in(cast.quinn_user)
            accept = reverse("sessions:accept_my_offer", args=[open_offer().pk])
            assert [quinn.post(accept).status_code for _ in "12"] == [302, 422]
            late = pat.post(reverse("sessions:accept_my_offer", args=[old.pk]))
        words = late.content.decode()
        assert late.status_code == 422
        assert f"goes to somebody else. The place on the waitlist is kept: another time may come. For one that is free now, phone us: {cast.denver.phone}." in words  # fmt: skip
        # Still in line, with the form and the way out.
        assert "Take this back" in words
        there = Appointment.objects.filter(starts_at=TEN, status__in=Appointment.LIVE)
        assert [(one.patient, one.status) for one in there] == [(cast.quinn, "booked")]
