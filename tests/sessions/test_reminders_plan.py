"""What a booking, a move and a cancellation write down to be sent, and when."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from clinic.models import Category, Channel, OutboundMessage, WorkItem
from patients.models import ContactPreference, LifeState
from sessions.actions import reminders
from sessions.models import Appointment, Reminder, ReminderPlan
from tests import factories as make

NOON = make.NOON
DENVER, PHOENIX = ZoneInfo("America/Denver"), ZoneInfo("America/Phoenix")
Status, Reason = Reminder.Status, Reminder.Reason


def visit_at(cast, starts_at, patient=None, **fields):
    return make.make_appointment(patient or cast.pat, cast.intake, cast.dana, starts_at, **fields)


def plan(cast, visit, now=NOON):
    return {row.kind: row for row in reminders.plan(by=cast.frida, appointment=visit, now=now)}


def move(visit, starts_at):
    length = visit.ends_at - visit.starts_at
    Appointment.objects.filter(pk=visit.pk).update(
        starts_at=starts_at, ends_at=starts_at + length, schedule_version=visit.schedule_version + 1
    )
    visit.refresh_from_db()


def cancel(visit, now=NOON, by=Appointment.CancelledBy.CLINIC):
    Appointment.objects.filter(pk=visit.pk).update(
        status="cancelled", cancelled_at=now, cancelled_by=by, cancel_reason="other"
    )


def letters_about(visit, **fields):
    return OutboundMessage.objects.about("appointment", visit.pk).filter(**fields)


def test_a_booking_plans_every_line_and_queues_the_confirmation(cast):
    visit = visit_at(cast, NOON + timedelta(days=20))
    rows = plan(cast, visit)
    assert {kind: row.due_at - visit.starts_at for kind, row in rows.items() if kind != "visit_confirmation"} == {
        "visit_in_a_week": timedelta(days=-7),
        "visit_in_three_days": timedelta(days=-3),
        "visit_tomorrow": timedelta(days=-1),
    }
    assert {kind: row.status for kind, row in rows.items()} == {
        "visit_confirmation": Status.QUEUED,
        "visit_in_a_week": Status.PLANNED,
        "visit_in_three_days": Status.PLANNED,
        "visit_tomorrow": Status.PLANNED,
    }
    message = rows["visit_confirmation"].message
    assert (message.kind, message.address, message.not_before) == ("visit_confirmation", cast.pat.email, NOON)
    assert message.useful_until == visit.starts_at
    assert (message.location_id, message.recipient_id) == (cast.denver.pk, cast.pat.pk)


def test_planning_twice_is_once(cast):
    visit = visit_at(cast, NOON + timedelta(days=20))
    first, again = plan(cast, visit), plan(cast, visit, NOON + timedelta(hours=3))
    assert {row.pk for row in first.values()} == {row.pk for row in again.values()}
    assert Reminder.objects.count() == 4
    assert letters_about(visit).count() == 1


def test_lines_whose_time_has_passed_are_kept_as_not_sent(cast):
    visit = visit_at(cast, NOON + timedelta(days=2))
    rows = plan(cast, visit)
    assert {kind: (row.status, row.reason) for kind, row in rows.items()} == {
        "visit_confirmation": (Status.QUEUED, ""),
        "visit_in_a_week": (Status.SKIPPED, Reason.TOO_LATE),
        "visit_in_three_days": (Status.SKIPPED, Reason.TOO_LATE),
        "visit_tomorrow": (Status.PLANNED, ""),
    }


def test_a_visit_in_the_past_gets_no_letter(cast):
    rows = plan(cast, visit_at(cast, NOON - timedelta(hours=1)))
    assert {row.reason for row in rows.values()} == {Reason.TOO_LATE}
    assert not OutboundMessage.objects.exists()


@pytest.mark.parametrize("status", [Appointment.Status.CHECKED_IN, Appointment.Status.NO_SHOW])
def test_a_visit_that_is_not_booked_is_refused(cast, status):
    visit = visit_at(cast, NOON + timedelta(days=2), status=status, checked_in_at=NOON,
                     no_show_at=NOON if status == "no_show" else None)  # fmt: skip
    with pytest.raises(reminders.NotBooked, match="Only a booked visit has letters"):
        plan(cast, visit)
    assert not Reminder.objects.exists()


def test_a_kind_of_visit_without_a_plan_has_no_letters(cast):
    ReminderPlan.objects.update(is_current=False)
    assert plan(cast, visit_at(cast, NOON + timedelta(days=20))) == {}


def test_moving_withdraws_the_old_and_plans_the_new(cast):
    """Scenario 24: no duplicate, and no reminder with the old time."""
    visit = visit_at(cast, NOON + timedelta(days=20))
    old = plan(cast, visit)
    move(visit, NOON + timedelta(days=25))
    new = plan(cast, visit, NOON + timedelta(hours=1))
    stale = Reminder.objects.filter(schedule_version=1)
    assert {row.status for row in stale.exclude(kind="visit_confirmation")} == {Status.VOID}
    assert {row.reason for row in stale.exclude(kind="visit_confirmation")} == {Reason.VISIT_MOVED}
    old["visit_confirmation"].message.refresh_from_db()
    assert (old["visit_confirmation"].message.status, old["visit_confirmation"].message.reason) == (
        "void",
        "visit_moved",
    )
    assert set(new) == {"visit_moved", "visit_in_a_week", "visit_in_three_days", "visit_tomorrow"}
    assert [m.kind for m in letters_about(visit, status="queued")] == ["visit_moved"]
    assert {row.due_at for row in new.values() if row.kind == "visit_tomorrow"} == {NOON + timedelta(days=24)}
    assert Reminder.objects.filter(status=Status.PLANNED).count() == 3


def test_cancelling_withdraws_and_says_so(cast):
    visit = visit_at(cast, NOON + timedelta(days=20))
    plan(cast, visit)
    cancel(visit)
    told = reminders.void(by=cast.frida, appointment=visit, reason=Reason.VISIT_CANCELLED, now=NOON)
    assert [row.kind for row in told] == ["visit_cancelled"]
    assert not Reminder.objects.filter(status=Status.PLANNED).exists()
    assert [(m.kind, m.status) for m in letters_about(visit).order_by("kind")] == [
        ("visit_cancelled", "queued"),
        ("visit_confirmation", "void"),
    ]
    again = reminders.void(by=cast.frida, appointment=visit, reason=Reason.VISIT_CANCELLED, now=NOON)
    assert [row.pk for row in again] == [row.pk for row in told]
    assert letters_about(visit, kind="visit_cancelled").count() == 1


def test_the_letter_that_cancels_is_not_withdrawn_by_cancelling_twice(cast):
    visit = visit_at(cast, NOON + timedelta(days=20))
    plan(cast, visit)
    cancel(visit)
    for _ in range(2):
        reminders.void(by=cast.frida, appointment=visit, reason=Reason.VISIT_CANCELLED, now=NOON)
    assert letters_about(visit, kind="visit_cancelled").get().status == "queued"


def test_cancelling_what_is_over_tells_nobody(cast):
    visit = visit_at(cast, NOON - timedelta(hours=1))
    cancel(visit)
    assert reminders.void(by=cast.frida, appointment=visit, reason=Reason.VISIT_CANCELLED, now=NOON) == []


def test_a_missed_visit_withdraws_and_says_nothing(cast):
    visit = visit_at(cast, NOON + timedelta(days=20))
    plan(cast, visit)
    assert reminders.void(by=cast.frida, appointment=visit, reason=Reason.VISIT_MISSED, now=NOON) == []
    assert not letters_about(visit, status="queued").exists()


def test_a_reason_nobody_declared_is_refused(cast):
    with pytest.raises(ValueError, match="whim"):
        reminders.void(by=cast.frida, appointment=visit_at(cast, NOON), reason="whim", now=NOON)


@pytest.mark.parametrize(
    ("starts", "due"),
    [
        # Scenario 12: the clocks go forward in the night of the 14th. 10:00 the day before is 23 hours earlier.
        (datetime(2027, 3, 14, 10, tzinfo=DENVER), datetime(2027, 3, 13, 10, tzinfo=DENVER)),
        (datetime(2027, 3, 15, 10, tzinfo=DENVER), datetime(2027, 3, 14, 10, tzinfo=DENVER)),
        # And back on 7 November: 25 hours.
        (datetime(2027, 11, 7, 10, tzinfo=DENVER), datetime(2027, 11, 6, 10, tzinfo=DENVER)),
    ],
)
def test_the_day_before_is_by_the_clock_on_the_wall(cast, starts, due):
    rows = plan(cast, visit_at(cast, starts.astimezone(UTC)), now=starts - timedelta(days=20))
    assert rows["visit_tomorrow"].due_at == due
    elapsed = starts.astimezone(UTC) - rows["visit_tomorrow"].due_at
    assert elapsed != timedelta(hours=24) or starts.day == 15


@pytest.mark.parametrize("month", [3, 11])
def test_phoenix_has_no_clock_change(cast, month):
    starts = datetime(2027, month, 14 if month == 3 else 7, 10, tzinfo=PHOENIX)
    visit = visit_at(cast, starts.astimezone(UTC), cast.sol)
    rows = plan(cast, visit, now=starts - timedelta(days=20))
    assert starts.astimezone(UTC) - rows["visit_tomorrow"].due_at == timedelta(hours=24)


def test_nothing_is_planned_for_a_night_of_the_patients(cast):
    """Scenario 14: 08:30 in Denver is 07:30 in Phoenix in summer; the letter waits until 08:30 there."""
    cast.quinn.time_zone = "America/Phoenix"
    cast.quinn.save(update_fields=["time_zone"])
    starts = datetime(2027, 7, 14, 8, 30, tzinfo=DENVER)
    rows = plan(cast, visit_at(cast, starts.astimezone(UTC), cast.quinn), now=starts - timedelta(days=20))
    for kind in ("visit_in_a_week", "visit_in_three_days", "visit_tomorrow"):
        assert f"{rows[kind].due_at.astimezone(PHOENIX):%H:%M}" == "08:30"


def test_an_unknown_zone_of_the_patient_is_the_locations(cast):
    cast.pat.time_zone = "Mars/Olympus"
    cast.pat.save(update_fields=["time_zone"])
    visit = visit_at(cast, NOON + timedelta(days=20))
    assert plan(cast, visit)["visit_confirmation"].message.time_zone == "America/Denver"


def test_what_would_wait_too_long_goes_the_evening_before(cast):
    cast.plan.items.filter(kind="visit_tomorrow").update(days_before=0, minutes_before=120, useless_minutes_before=60)
    starts = datetime(2027, 1, 20, 9, tzinfo=DENVER)
    rows = plan(cast, visit_at(cast, starts.astimezone(UTC)))
    assert rows["visit_tomorrow"].due_at == datetime(2027, 1, 19, 19, 30, tzinfo=DENVER)


def test_booked_at_night_the_confirmation_waits_for_the_morning(cast):
    late = datetime(2027, 1, 13, 22, tzinfo=DENVER)
    visit = visit_at(cast, NOON + timedelta(days=20))
    message = plan(cast, visit, now=late)["visit_confirmation"].message
    opening = datetime(2027, 1, 14, 8, 30, tzinfo=DENVER)
    assert opening <= message.not_before <= opening + timedelta(minutes=30)


def no_consent(cast):
    ContactPreference.objects.filter(patient=cast.pat).update(is_allowed=False)


def never_asked(cast):
    ContactPreference.objects.filter(patient=cast.pat).delete()


def agreed_once(cast):
    ContactPreference.objects.filter(patient=cast.pat).update(ended_at=NOON)


def other_category(cast):
    never_asked(cast)
    make.make_preference(cast.pat, cast.frida, Category.FOLLOW_UP, Channel.EMAIL)


def other_channel(cast):
    never_asked(cast)
    make.make_preference(cast.pat, cast.frida, Category.VISIT, Channel.SMS)


@pytest.mark.parametrize("without", [no_consent, never_asked, agreed_once, other_category, other_channel])
def test_no_consent_no_letter(cast, without):
    without(cast)
    row = plan(cast, visit_at(cast, NOON + timedelta(days=20)))["visit_confirmation"]
    assert (row.status, row.reason) == (Status.SKIPPED, Reason.NO_CONSENT)
    assert not OutboundMessage.objects.exists()
    # They are on the phone or at the desk: nobody needs to call about the confirmation.
    assert not WorkItem.objects.exists()


def test_no_address_no_letter(cast):
    cast.pat.email = ""
    cast.pat.save(update_fields=["email"])
    row = plan(cast, visit_at(cast, NOON + timedelta(days=20)))["visit_confirmation"]
    assert (row.status, row.reason) == (Status.SKIPPED, Reason.NO_ADDRESS)


@pytest.mark.parametrize("state", [LifeState.DISCHARGED, LifeState.DECEASED])
def test_no_letters_to_the_discharged_and_the_dead(cast, state):
    cast.pat.life_state, cast.pat.portal_user, cast.pat.portal_since = state, None, None
    cast.pat.save(update_fields=["life_state", "portal_user", "portal_since"])
    visit = visit_at(cast, NOON + timedelta(days=20))
    row = plan(cast, visit)["visit_confirmation"]
    assert (row.status, row.reason) == (Status.SKIPPED, Reason.PATIENT_STATE)
    cancel(visit)
    reminders.void(by=cast.frida, appointment=visit, reason=Reason.VISIT_CANCELLED, now=NOON)
    assert not OutboundMessage.objects.exists()
    assert not WorkItem.objects.exists()


def test_whoever_cannot_be_written_to_is_called_about_a_move_and_a_cancellation(cast):
    no_consent(cast)
    visit = visit_at(cast, NOON + timedelta(days=20))
    plan(cast, visit)
    move(visit, NOON + timedelta(days=22))
    plan(cast, visit)
    item = WorkItem.objects.open().get()
    assert (item.kind, item.owner_role, item.location, item.patient_id) == (
        WorkItem.Kind.CALL_PATIENT,
        "front_desk",
        cast.denver,
        cast.pat.pk,
    )
    cancel(visit)
    reminders.void(by=cast.frida, appointment=visit, reason=Reason.VISIT_CANCELLED, now=NOON)
    assert WorkItem.objects.filter(outcome="not_needed").count() == 1
    assert WorkItem.objects.open().count() == 1


def test_whoever_cancelled_need_not_be_called(cast):
    no_consent(cast)
    visit = visit_at(cast, NOON + timedelta(days=20))
    plan(cast, visit)
    cancel(visit, by=Appointment.CancelledBy.PATIENT)
    reminders.void(by=cast.frida, appointment=visit, reason=Reason.VISIT_CANCELLED, now=NOON)
    assert not WorkItem.objects.exists()
