"""Moving a visit: the same row, letters of the old time dead, the second editor told, a refusal leaves the old time."""

import threading
import time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import DatabaseError, connection, transaction
from django.urls import reverse

from clinic import localtime
from clinic.models import AuditEvent, OutboundMessage, Role, User, WorkItem
from sessions.actions import attendance, changes, holds, placing, wishes
from sessions.forms.visits import RescheduleForm, Slot
from sessions.models import Appointment, Block, ChangeRequest, Reminder, ResourceHold, VisitMove
from tests import factories as make
from tests.cast import Cast, make_cast
from tests.conftest import SignedIn

from .booking import TEN, at, book, in_thread

FRIDAY = at("14:00", 15)
# Why a visit is moved, as the page sends it.
ASKED = RescheduleForm.ASKED


@pytest.fixture
def visit(cast: Cast) -> Appointment:
    return book(cast)


def move(cast: Cast, visit: Appointment, **differently: Any) -> Appointment:
    values: dict[str, Any] = {
        "by": cast.felix, "appointment": visit, "clinician": visit.clinician, "room": visit.room, "starts_at": FRIDAY,
        "seen_version": visit.version, "now": make.NOON,
    }  # fmt: skip
    return changes.reschedule(**{**values, **differently})


def colleague(cast: Cast) -> User:
    second = make.make_user("Drew Diaz")
    make.make_member(second, cast.denver, Role.PRESCRIBER)
    make.make_working_hours(second, cast.denver)
    return second


@pytest.mark.django_db(transaction=True)
def test_who_waited_for_a_move_finds_the_visit_moved() -> None:
    """A cancel that waits for a move to another clinician and room acts on what the move left."""
    cast = make_cast()
    visit, drew = book(cast), colleague(cast)
    results: list[object] = []

    def cancel() -> None:
        try:
            results.append(changes.cancel(
                by=cast.frida, appointment=visit, cancelled_by=Appointment.CancelledBy.CLINIC,
                reason=Appointment.CancelReason.OTHER, note="x", seen_version=visit.version + 1, now=make.NOON,
            ))  # fmt: skip
        except Exception as broken:
            results.append(broken)

    waiting = threading.Thread(target=in_thread(cancel))
    with transaction.atomic():
        move(cast, visit, clinician=drew, room=cast.second_room)
        waiting.start()
        with connection.cursor() as cursor:
            for _turn in range(500):
                cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                if cursor.fetchone()[0]:
                    break
                time.sleep(0.01)
            else:
                raise AssertionError("nobody waits")
    waiting.join(30)
    (cancelled,) = results
    assert isinstance(cancelled, Appointment), cancelled
    assert (cancelled.clinician, cancelled.room) == (drew, cast.second_room)
    assert cancelled.status == Appointment.Status.CANCELLED


class TestAction:
    def test_the_same_row_at_another_time(self, cast: Cast, visit: Appointment) -> None:
        moved = move(cast, visit)
        assert (moved.pk, moved.starts_at, moved.schedule_version, moved.version) == (visit.pk, FRIDAY, 2, 2)
        assert moved.ends_at - moved.starts_at == cast.intake.duration
        held = ResourceHold.objects.filter(is_live=True)
        assert {h.during.lower for h in held} == {FRIDAY}
        assert held.count() == 3
        assert Block.objects.get().starts_at == FRIDAY
        event = AuditEvent.objects.get(verb="appointment.moved")
        assert event.details["from"]["starts_at"] == TEN.isoformat()

    def test_who_moved_it_from_what_to_what_and_why_is_kept(self, cast: Cast, visit: Appointment) -> None:
        drew, reasons = colleague(cast), VisitMove.Reason
        why = changes.Why(Appointment.CancelledBy.CLINIC, reasons.CLINICIAN_AWAY, "Dana has a course")
        move(cast, visit, clinician=drew, why=why)
        kept = VisitMove.objects.get()
        assert (kept.starts_from, kept.starts_to, kept.moved_by, kept.moved_at) == (TEN, FRIDAY, cast.felix, make.NOON)
        assert (kept.people_from, kept.people_to, kept.version) == ([cast.dana.pk], [drew.pk], 2)
        assert kept.why == "Clinic, clinician away, Dana has a course"
        assert AuditEvent.objects.get(verb="appointment.moved").details["reason"] == "clinician_away"
        # A move that nobody gave a reason for is a move all the same, and neither is ever rewritten.
        visit.refresh_from_db()
        move(cast, visit, starts_at=TEN, clinician=drew)
        assert VisitMove.objects.get(version=3).why == ""
        with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
            VisitMove.objects.update(note="")

    def test_letters_of_the_old_time_die_and_one_says_the_new(self, cast: Cast, visit: Appointment) -> None:
        """Scenario 24."""
        move(cast, visit)
        assert set(Reminder.objects.filter(schedule_version=1).values_list("status", flat=True)) <= {
            "void", "queued", "skipped",
        }  # fmt: skip
        assert OutboundMessage.objects.get(kind="visit_confirmation").status == "void"
        assert OutboundMessage.objects.filter(kind="visit_moved", status="queued", schedule_version=2).count() == 1

    def test_the_old_time_is_free_again(self, cast: Cast, visit: Appointment) -> None:
        move(cast, visit)
        assert book(cast, cast.pat).starts_at == TEN

    def test_by_a_quarter_of_an_hour_onto_its_own_time(self, cast: Cast, visit: Appointment) -> None:
        assert move(cast, visit, starts_at=at("10:15")).starts_at == at("10:15")

    def test_a_confirmation_was_for_the_old_time(self, cast: Cast, visit: Appointment) -> None:
        confirmed = attendance.confirm(by=cast.frida, appointment=visit, seen_version=1, now=make.NOON)
        moved = move(cast, confirmed)
        assert (moved.status, moved.confirmed_at) == ("booked", None)

    def test_another_room_at_the_same_time_is_no_news_for_the_patient(self, cast: Cast, visit: Appointment) -> None:
        confirmed = attendance.confirm(by=cast.frida, appointment=visit, seen_version=1, now=make.NOON)
        moved = move(cast, confirmed, room=cast.second_room, starts_at=TEN)
        assert (moved.room, moved.schedule_version, moved.status) == (cast.second_room, 1, "confirmed")
        assert not OutboundMessage.objects.filter(kind="visit_moved").exists()

    def test_across_the_clock_change(self, cast: Cast, visit: Appointment) -> None:
        """Ten o'clock on the Monday after the spring change is ten by the wall, an hour earlier in UTC."""
        tz = ZoneInfo("America/Denver")
        monday = at("10:00", 14).replace(year=2027, month=3, day=15, hour=16)
        moved = move(cast, visit, starts_at=monday)
        assert localtime.moment_text(moved.starts_at, tz) == "Mon 15 Mar 2027 10:00 MDT"

    def test_it_settles_the_patient_s_wish(self, cast: Cast, visit: Appointment) -> None:
        wish = wishes.ask_change(
            by=cast.quinn_user, appointment=visit, wish=ChangeRequest.Wish.CHANGE, message="", now=at("08:00", 12)
        )
        move(cast, visit)
        wish.refresh_from_db()
        assert (wish.status, wish.answered_by) == ("done", cast.felix)
        assert WorkItem.objects.get(kind="change_request").outcome == "done"

    def test_the_second_editor_is_told_what_is_true_now(self, cast: Cast, visit: Appointment) -> None:
        move(cast, visit)
        with pytest.raises(changes.ChangedMeanwhile) as caught:
            move(cast, visit, seen_version=1, starts_at=at("11:00"))
        assert "It is now: Fri 15 Jan 2027 14:00 MST, Dana Deng, Aspen, Planned." in str(caught.value)

    def test_taken_keeps_the_old_time(self, cast: Cast, visit: Appointment) -> None:
        book(cast, cast.pat, starts_at=FRIDAY)
        with pytest.raises(holds.SlotTaken) as caught:
            move(cast, visit)
        assert len(caught.value.alternatives) == 3
        visit.refresh_from_db()
        assert (visit.starts_at, visit.version) == (TEN, 1)
        assert ResourceHold.objects.filter(appointment=visit, is_live=True).count() == 3

    def test_the_constraint_has_the_last_word_and_the_old_holds_stay(
        self, cast: Cast, visit: Appointment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        book(cast, cast.pat, starts_at=FRIDAY)
        monkeypatch.setattr(placing, "guard", lambda *_, **__: None)
        with pytest.raises(holds.SlotTaken):
            move(cast, visit)
        assert ResourceHold.objects.filter(appointment=visit, is_live=True, during__contains=TEN).count() == 3
        assert Reminder.objects.filter(appointment=visit, schedule_version=2).count() == 0

    def test_nothing_changed(self, cast: Cast, visit: Appointment) -> None:
        with pytest.raises(changes.NothingChanged, match="at that time already"):
            move(cast, visit, starts_at=TEN)

    def test_one_that_is_over(self, cast: Cast, visit: Appointment) -> None:
        attendance.check_in(by=cast.frida, appointment=visit, now=TEN)
        visit.refresh_from_db()
        with pytest.raises(changes.NotPossibleNow, match="is here already, so only the room can be changed"):
            move(cast, visit)
        attendance.start(by=cast.dana, appointment=visit, now=TEN)
        visit.refresh_from_db()
        with pytest.raises(changes.NotPossibleNow, match="cannot be moved any more: its state is “In room”"):
            move(cast, visit)


class TestPage:
    def url(self, visit: Appointment, query: str = "") -> str:
        return reverse("sessions:reschedule", args=[visit.pk]) + query

    def slot(self, cast: Cast, **differently: Any) -> str:
        return str(Slot(differently.get("starts_at", FRIDAY), cast.dana.pk, cast.room.pk))

    def test_moves(self, cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)
        page = client.get(self.url(visit, "?week=2027-01-11"))
        assert 'value="2027-01-15T21:00Z~' in page.content.decode()
        answer = client.post(self.url(visit), {"slot": self.slot(cast), "version": 1, "why": ASKED}, follow=True)
        html = answer.content.decode()
        assert "moved to Fri 15 Jan 2027 14:00 MST. Quinn is told by e-mail." in html
        # So far: who, from when to when, on whose wish.
        assert "From Thu 14 Jan 2027 10:00 MST to Fri 15 Jan 2027 14:00 MST. Patient, another time suits better" in html
        assert "Wed 13 Jan 2027 09:00 MST · Frida Flores" in html

    def test_nobody_guesses_why(self, cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn) -> None:
        client = signed_in(cast.frida)
        for why in ("", "patient", "moon:other", "clinic:illness"):
            answer = client.post(
                self.url(visit), {"slot": self.slot(cast), "version": 1, "why": why, "note": "keep me"}
            )
            assert answer.status_code == 422
            html = answer.content.decode()
            assert "Say who asked for the move, and why." in html
            assert "keep me" in html
        assert not VisitMove.objects.exists()

    def test_the_visit_is_no_obstacle_to_itself(
        self, cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn
    ) -> None:
        page = signed_in(cast.frida).get(self.url(visit)).content.decode()
        assert "2027-01-14T17:15Z~" in page

    def test_a_stale_page_is_refused(self, cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn) -> None:
        """What was and what is stand beside each other, with who and when; what was chosen stays, and a second try works."""
        why = changes.Why(Appointment.CancelledBy.CLINIC, VisitMove.Reason.PLACE)
        move(cast, attendance.confirm(by=cast.nina, appointment=visit, seen_version=1, now=make.NOON),
             starts_at=at("11:30"), room=cast.second_room, why=why)  # fmt: skip
        client, sent = signed_in(cast.frida), {"slot": self.slot(cast), "version": 2, "why": ASKED, "note": "called"}
        answer = client.post(self.url(visit), sent)
        assert answer.status_code == 422
        html = answer.content.decode()
        assert "Somebody changed this visit" in html
        for before, after in (
            ("Thu 14 Jan 2027 10:00 MST", "Thu 14 Jan 2027 11:30 MST"),
            (cast.room.name, cast.second_room.name),
            ("Confirmed", "Planned"),
        ):
            assert f"<del>{before}</del></td><td><ins><strong>{after}</strong>" in html
        assert f"{cast.felix.name} moved a visit" in html
        assert "Clinic, room or device needed elsewhere" in html
        assert f"{cast.nina.name} confirmed" not in html
        assert 'value="called"' in html
        assert f'value="{ASKED}" selected' in html
        stale = client.post(reverse("sessions:cancel_appointment", args=[visit.pk]),
                            {"version": 1, "cancelled_by": "patient", "reason": "illness", "note": "kept"})  # fmt: skip
        html = stale.content.decode()
        assert f"{cast.nina.name} confirmed a visit" in html
        assert "<td>Planned</td><td>Planned</td>" in html
        assert client.post(self.url(visit), {**sent, "version": 3}).status_code == 302

    @pytest.mark.parametrize("junk", ["", "x", "2027-01-15T21:00Z~x~y", "~~", "2027-13-45T99:99Z~~"])
    def test_junk_is_a_sentence(self, cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn, junk: str) -> None:
        answer = signed_in(cast.frida).post(self.url(visit), {"slot": junk, "version": 1, "why": ASKED})
        assert answer.status_code == 422
        assert "Choose a time from the list." in answer.content.decode()

    @pytest.mark.parametrize("who", ["olga", "omar"])
    def test_strangers(self, cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn, who: str) -> None:
        client = signed_in(getattr(cast, who))
        assert client.get(self.url(visit)).status_code == 404
        assert client.post(self.url(visit), {"slot": self.slot(cast), "version": 1, "why": ASKED}).status_code == 404
        visit.refresh_from_db()
        assert visit.starts_at == TEN

    def test_ids_in_the_body_do_not_reach_other_places(
        self, cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn
    ) -> None:
        """D5: a room of Phoenix, a clinician of Phoenix."""
        for clinician, room in ((cast.omar, cast.room), (cast.dana, cast.phoenix_room), (cast.theo, cast.room)):
            slot = str(Slot(FRIDAY, clinician.pk, room.pk))
            answer = signed_in(cast.frida).post(self.url(visit), {"slot": slot, "version": 1, "why": ASKED})
            assert answer.status_code == 422
        visit.refresh_from_db()
        assert visit.starts_at == TEN

    def test_roles(self, cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn) -> None:
        for who, expected in (("milo", 403), ("ada", 403), ("petra", 403), ("theo", 200), ("nina", 200)):
            got = signed_in(getattr(cast, who)).get(self.url(visit)).status_code
            # Ada is front desk in Phoenix: she may book, and not here.
            assert got == (404 if who == "ada" else expected), who

    @pytest.mark.parametrize("message", ["Mondays after noon, please.", "", "I want to end my life"])
    def test_what_the_patient_asked_is_shown(
        self, cast: Cast, visit: Appointment, now: Any, signed_in: SignedIn, message: str
    ) -> None:
        client = signed_in(cast.frida)
        assert "Quinn asks:" not in client.get(self.url(visit)).content.decode()
        wish = ChangeRequest.objects.create(
            appointment=visit, wish="change", message=message, asked_by=cast.quinn_user, asked_at=make.NOON
        )
        page = client.get(self.url(visit)).content.decode()
        assert "Quinn asks: another time" in page
        assert message in page
        assert ("Words in this message may mean danger" in page) is ("end my life" in message)
        wish.status, wish.answered_at = "refused", make.NOON
        wish.save()
        assert "Quinn asks:" not in client.get(self.url(visit)).content.decode()
