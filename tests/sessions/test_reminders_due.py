"""From a due row to a waiting letter: once each, not at night, not in a burst, and never quietly nothing."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from clinic import quiethours
from clinic.actions import outbox
from clinic.models import Category, Channel, OutboundMessage, WorkItem
from patients.models import ContactPreference, LifeState, Patient
from sessions.actions import reminders
from sessions.models import Appointment, Reminder
from sessions.tasks import queue_due_reminders
from tests import factories as make
from tests.sessions.test_reminders_plan import cancel, letters_about, move, no_consent, plan, visit_at

NOON = make.NOON
DENVER = ZoneInfo("America/Denver")
Status, Reason = Reminder.Status, Reminder.Reason


@pytest.fixture
def visit(cast):
    visit = visit_at(cast, NOON + timedelta(days=20))
    plan(cast, visit)
    return visit


def queue_due(cast, now):
    return reminders.queue_due(by=cast.sam, now=now)


def row(visit, kind):
    return Reminder.objects.filter(appointment=visit, kind=kind).latest("schedule_version")


def deliver_all(cast, now):
    sent = []

    def send(letter):
        sent.append(letter)
        return ""

    while outbox.deliver_next(by=cast.sam, now=now, send=send):
        pass
    return sent


def test_nothing_is_due_before_its_time(cast, visit):
    assert queue_due(cast, NOON + timedelta(days=13) - timedelta(seconds=1)) == 0


def test_due_at_the_minute_and_sweeping_twice_is_one_letter(cast, visit):
    now = NOON + timedelta(days=13)
    assert [queue_due(cast, now) for _ in range(2)] == [1, 0]
    reminder = row(visit, "visit_in_a_week")
    assert (reminder.status, reminder.message.not_before, reminder.settled_at) == (Status.QUEUED, now, now)
    assert letters_about(visit, kind="visit_in_a_week").count() == 1


def test_the_whole_course_of_one_visit(cast, visit, settings):
    deliver_all(cast, NOON)
    for days in (13, 17, 19):
        now = NOON + timedelta(days=days)
        queue_due(cast, now)
        assert len(deliver_all(cast, now)) == 1
    assert list(letters_about(visit).order_by("queued_at").values_list("kind", "status")) == [
        ("visit_confirmation", "sent"),
        ("visit_in_a_week", "sent"),
        ("visit_in_three_days", "sent"),
        ("visit_tomorrow", "sent"),
    ]


def test_the_task(cast, visit, now):
    Reminder.objects.filter(kind="visit_in_a_week").update(due_at=now)
    queue_due_reminders()
    assert row(visit, "visit_in_a_week").status == Status.QUEUED


def test_a_missed_night_is_caught_up_once_and_spread(cast):
    """Sixty visits, and the machine was off for twelve hours: each patient gets one letter, over half an hour."""
    visits = []
    for number in range(60):
        patient = make.make_patient(cast.denver)
        make.make_preference(patient, cast.frida, Category.VISIT, Channel.EMAIL)
        visits.append(
            make.make_appointment(patient, cast.intake, make.make_user(), NOON + timedelta(days=20, minutes=number))
        )
        plan(cast, visits[-1])
    OutboundMessage.objects.all().update(status="sent", settled_at=NOON)
    back = NOON + timedelta(days=13, hours=4)
    assert [queue_due(cast, back) for _ in range(2)] == [60, 0]
    starts = sorted(OutboundMessage.objects.filter(status="queued").values_list("not_before", flat=True))
    assert len(starts) == 60
    assert back <= starts[0]
    assert starts[-1] <= back + reminders.SPREAD_OVER
    fullest = max(sum(1 for s in starts if back + timedelta(minutes=m) <= s < back + timedelta(minutes=m + 1))
                  for m in range(30))  # fmt: skip
    assert fullest <= 12, "a burst"
    assert starts[-1] - starts[0] > timedelta(minutes=15)


def test_found_at_night_it_goes_in_the_morning(cast, visit):
    night = datetime(2027, 1, 26, 23, tzinfo=DENVER)
    assert queue_due(cast, night) == 1
    opening = datetime(2027, 1, 27, 8, 30, tzinfo=DENVER)
    assert opening <= row(visit, "visit_in_a_week").message.not_before <= opening + timedelta(minutes=30)


def test_the_spread_never_outlives_the_letter_nor_the_window(cast, visit):
    """Held up until shortly before it is useless, or shortly before the night: it goes while it helps."""
    reminder = row(visit, "visit_tomorrow")
    cases = [reminder.useful_until - timedelta(minutes=m) for m in (1, 5, 59)]
    window = quiethours.Window.of(["08:30", "20:00"])
    for now in cases:
        start = reminders._start(reminder, now=now, window=window, tz=DENVER)
        # The visit is at 09:00, so the letter would be useless at 07:00: the morning is too late.
        assert start >= reminder.useful_until
    evening = datetime(2027, 2, 1, 19, 58, tzinfo=DENVER)
    for _ in range(20):
        other = Reminder(due_at=evening - timedelta(hours=2), useful_until=evening + timedelta(days=1))
        assert (
            evening <= reminders._start(other, now=evening, window=window, tz=DENVER) < evening + timedelta(minutes=2)
        )
        other.useful_until = evening + timedelta(minutes=1)
        assert reminders._start(other, now=evening, window=window, tz=DENVER) < other.useful_until


def test_what_lost_its_use_is_skipped(cast, visit):
    now = row(visit, "visit_in_a_week").useful_until
    assert queue_due(cast, now) == 1
    assert (row(visit, "visit_in_a_week").status, row(visit, "visit_in_a_week").reason) == (
        Status.SKIPPED,
        Reason.NO_LONGER_USEFUL,
    )


def test_a_long_outage_ends_in_one_letter_a_visit(cast, visit):
    """Several lines of a plan are due at once: the latest goes, the others say so."""
    cast.plan.items.update(useless_minutes_before=60)
    Reminder.objects.update(useful_until=visit.starts_at - timedelta(hours=1))
    assert queue_due(cast, NOON + timedelta(days=19, hours=2)) == 3
    assert {
        r.kind: (r.status, r.reason) for r in Reminder.objects.exclude(kind="visit_confirmation").order_by("due_at")
    } == {
        "visit_in_a_week": (Status.SKIPPED, Reason.OVERTAKEN),
        "visit_in_three_days": (Status.SKIPPED, Reason.OVERTAKEN),
        "visit_tomorrow": (Status.QUEUED, ""),
    }


def test_at_most_a_round_and_in_chunks(cast, monkeypatch):
    monkeypatch.setattr(reminders, "ROUND", 7)
    monkeypatch.setattr(reminders, "CHUNK", 3)
    for number in range(8):
        patient = make.make_patient(cast.denver)
        make.make_preference(patient, cast.frida, Category.VISIT, Channel.EMAIL)
        plan(
            cast, make.make_appointment(patient, cast.intake, make.make_user(), NOON + timedelta(days=20, hours=number))
        )
    now = NOON + timedelta(days=14)
    assert [queue_due(cast, now) for _ in range(3)] == [7, 1, 0]


def test_one_that_cannot_be_queued_holds_up_nobody(cast, visit, monkeypatch, caplog):
    other = make.make_patient(cast.denver)
    make.make_preference(other, cast.frida, Category.VISIT, Channel.EMAIL)
    second = make.make_appointment(other, cast.intake, cast.omar, NOON + timedelta(days=20, hours=1))
    plan(cast, second)
    real = outbox.queue

    def queue(**fields):
        if fields["subject_id"] == visit.pk:
            raise RuntimeError(f"cannot write to {fields['to'].address}")
        return real(**fields)

    monkeypatch.setattr(outbox, "queue", queue)
    now = NOON + timedelta(days=13, hours=2)
    assert queue_due(cast, now) == 1
    assert (row(visit, "visit_in_a_week").status, row(second, "visit_in_a_week").status) == (
        Status.PLANNED,
        Status.QUEUED,
    )
    logged = caplog.text
    assert "reminder_not_queued" in logged
    assert cast.pat.email not in logged
    monkeypatch.undo()
    assert queue_due(cast, now) == 1


def test_no_consent_is_a_call_about_the_last_letter_only(cast, visit):
    no_consent(cast)
    for days, calls in ((13, 0), (17, 0), (19, 1)):
        assert queue_due(cast, NOON + timedelta(days=days)) == 1
        assert WorkItem.objects.open().filter(kind="call_patient").count() == calls
    item = WorkItem.objects.open().get()
    assert (item.subject_type, item.subject_id, item.due_at) == (
        "appointment",
        visit.pk,
        row(visit, "visit_tomorrow").useful_until,
    )
    assert queue_due(cast, NOON + timedelta(days=19)) == 0
    assert row(visit, "visit_tomorrow").reason == Reason.NO_CONSENT


def discharged(cast, visit):
    Patient.objects.filter(pk=cast.pat.pk).update(life_state=LifeState.DISCHARGED)
    return Reason.PATIENT_STATE


def consent_withdrawn(cast, visit):
    ContactPreference.objects.filter(patient=cast.pat).update(ended_at=NOON)
    return Reason.NO_CONSENT


def no_address(cast, visit):
    Patient.objects.filter(pk=cast.pat.pk).update(email="")
    return Reason.NO_ADDRESS


def cancelled(cast, visit):
    cancel(visit)
    return Reason.VISIT_CANCELLED


def moved(cast, visit):
    move(visit, NOON + timedelta(days=30))
    return Reason.VISIT_MOVED


def missed(cast, visit):
    Appointment.objects.filter(pk=visit.pk).update(status="no_show", no_show_at=NOON)
    return Reason.VISIT_MISSED


def here(cast, visit):
    Appointment.objects.filter(pk=visit.pk).update(status="checked_in", checked_in_at=NOON)
    return Reason.VISIT_BEGUN


CHANGES = [discharged, consent_withdrawn, no_address, cancelled, moved, missed, here]


def stopped_by_the_reader(cast, visit):
    outbox.suppress(by=cast.sam, channel=Channel.EMAIL, address=cast.pat.email, reason="stop", now=NOON)
    return OutboundMessage.Reason.SUPPRESSED


@pytest.mark.parametrize("withdrawn", [consent_withdrawn, stopped_by_the_reader, no_address])
def test_withdrawn_between_queue_and_send_is_one_call(cast, visit, withdrawn):
    """Nobody waits for a letter that never comes: the desk phones instead, once, however often the post comes by."""
    now = NOON + timedelta(days=19)
    queue_due(cast, NOON + timedelta(days=13))
    queue_due(cast, NOON + timedelta(days=17))
    OutboundMessage.objects.filter(status="queued").update(status="sent", settled_at=now)
    queue_due(cast, now)
    reason = withdrawn(cast, visit)
    assert [deliver_all(cast, now) for _ in range(2)] == [[], []]
    message = letters_about(visit, kind="visit_tomorrow").get()
    assert (message.status, message.reason) == ("skipped", reason)
    item = WorkItem.objects.open().get()
    assert (item.kind, item.owner_role, item.subject_type, item.subject_id, item.patient_id) == (
        "call_patient", "front_desk", "appointment", visit.pk, cast.pat.pk,
    )  # fmt: skip
    assert item.due_at == row(visit, "visit_tomorrow").useful_until


def test_a_move_that_is_not_written_is_called_about_at_once(cast, visit):
    OutboundMessage.objects.filter(status="queued").update(status="sent", settled_at=NOON)
    move(visit, NOON + timedelta(days=30))
    plan(cast, visit)
    consent_withdrawn(cast, visit)
    assert deliver_all(cast, NOON) == []
    assert WorkItem.objects.open().get().due_at == NOON + reminders.CALL_WITHIN


@pytest.mark.parametrize("kind", ["visit_confirmation", "visit_in_a_week"])
def test_what_is_not_the_last_word_asks_for_no_call(cast, visit, kind):
    queue_due(cast, NOON + timedelta(days=13))
    OutboundMessage.objects.filter(status="queued").exclude(kind=kind).update(status="sent", settled_at=NOON)
    consent_withdrawn(cast, visit)
    deliver_all(cast, NOON + timedelta(days=13))
    assert not WorkItem.objects.exists()


@pytest.mark.parametrize(("other", "calls"), [("queued", 0), ("sent", 0), ("skipped", 1), ("failed", 1)])
def test_the_same_by_another_channel_is_no_reason_to_call(cast, visit, other, calls):
    now = NOON + timedelta(days=19)
    queue_due(cast, now)
    OutboundMessage.objects.filter(status="queued").exclude(kind="visit_tomorrow").update(status="sent", settled_at=now)
    mail = letters_about(visit, kind="visit_tomorrow").get()
    OutboundMessage.objects.create(
        kind=mail.kind, category="visit", channel="sms", recipient_kind="patient", recipient_id=cast.pat.pk,
        address="+13035550123", time_zone="America/Denver", location_id=mail.location_id, subject_type="appointment",
        subject_id=visit.pk, schedule_version=mail.schedule_version, status=other, queued_at=now,
        not_before=now + timedelta(hours=1), useful_until=mail.useful_until,
        settled_at=None if other == "queued" else now, reason="" if other in {"queued", "sent"} else "no_address",
    )  # fmt: skip
    consent_withdrawn(cast, visit)
    deliver_all(cast, now)
    assert WorkItem.objects.open().filter(kind="call_patient").count() == calls


@pytest.mark.parametrize("change", [discharged, cancelled, moved, missed, here])
def test_what_makes_a_letter_wrong_asks_for_no_call(cast, visit, change):
    now = NOON + timedelta(days=19)
    queue_due(cast, now)
    OutboundMessage.objects.filter(status="queued").exclude(kind="visit_tomorrow").update(status="sent", settled_at=now)
    change(cast, visit)
    OutboundMessage.objects.exclude(kind="visit_tomorrow").filter(status="queued").update(status="sent", settled_at=now)
    before = WorkItem.objects.open().filter(kind="call_patient").count()
    deliver_all(cast, now)
    assert WorkItem.objects.open().filter(kind="call_patient").count() == before


@pytest.mark.parametrize("change", CHANGES)
def test_changed_between_plan_and_queue(cast, visit, change):
    """What the act itself should have withdrawn is stopped here all the same."""
    reason = change(cast, visit)
    queue_due(cast, NOON + timedelta(days=13))
    assert (row(visit, "visit_in_a_week").status, row(visit, "visit_in_a_week").reason) == (Status.SKIPPED, reason)


@pytest.mark.parametrize("change", CHANGES)
def test_changed_between_queue_and_send(cast, visit, change):
    now = NOON + timedelta(days=13)
    queue_due(cast, now)
    reason = change(cast, visit)
    OutboundMessage.objects.filter(kind="visit_confirmation").update(status="sent", settled_at=now)
    assert deliver_all(cast, now) == []
    message = letters_about(visit, kind="visit_in_a_week").get()
    assert (message.status, message.reason) == ("skipped", reason)


def test_a_worker_that_holds_an_old_letter_sends_nothing(cast, visit):
    """Scenario 24: the visit is moved after its letter was claimed."""
    reminders_now = NOON + timedelta(days=13)
    queue_due(cast, reminders_now)
    OutboundMessage.objects.filter(kind="visit_confirmation").update(status="sent", settled_at=NOON)
    claimed = outbox._claim(reminders_now)
    assert claimed is not None
    move(visit, NOON + timedelta(days=30))
    plan(cast, visit, reminders_now)
    claimed.refresh_from_db()
    assert claimed.status == "sending", "what is claimed cannot be called back"
    assert outbox._why_not(claimed, reminders_now) == Reason.VISIT_MOVED
    assert [m.kind for m in letters_about(visit, status="queued")] == ["visit_moved"]


def test_a_corrected_address_gets_the_letter(cast, visit):
    Patient.objects.filter(pk=cast.pat.pk).update(email="pat@new.example")
    assert [letter.address for letter in deliver_all(cast, NOON)] == ["pat@new.example"]


def test_the_letter_that_cancels(cast, visit):
    deliver_all(cast, NOON)
    cancel(visit)
    reminders.void(by=cast.frida, appointment=visit, reason=Reason.VISIT_CANCELLED, now=NOON)
    [letter] = deliver_all(cast, NOON)
    assert "This visit is cancelled" in letter.text


def test_how_many_questions_a_chunk_asks(cast, django_assert_max_num_queries):
    """A fixed number for the chunk and a fixed number for each letter: consent and patients are fetched together."""
    for number in range(20):
        patient = make.make_patient(cast.denver)
        make.make_preference(patient, cast.frida, Category.VISIT, Channel.EMAIL)
        plan(
            cast, make.make_appointment(patient, cast.intake, make.make_user(), NOON + timedelta(days=20, hours=number))
        )
    with django_assert_max_num_queries(20 * 11 + 15):
        assert queue_due(cast, NOON + timedelta(days=14)) == 20


def test_a_utc_due_time_is_a_moment(cast, visit):
    assert row(visit, "visit_tomorrow").due_at == datetime(2027, 2, 1, 16, 0, tzinfo=UTC)
