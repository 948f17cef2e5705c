"""What is asked when: each once, in time, of those who may be asked; and told by letter, nudge and call."""

import contextlib
import threading
from datetime import UTC, datetime, timedelta
from unittest import mock
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, connections, transaction

from assessments import askingtimes, definitions, tasks, wordings
from assessments.actions import asking, entries, instruments, reminding, requests
from assessments.models import AnswerLink, AskingRule, AssessmentRequest, CareEvent, CareEventKind
from clinic import letters
from clinic.actions import outbox
from clinic.models import AuditEvent, Category, Channel, OutboundMessage, Suppression, WorkItem, new_id
from clinic.quiethours import Window
from patients.models import ContactPreference, LifeState, Patient
from tests import factories as make
from tests.cast import Cast

NOON = make.NOON
MIN, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
PTQ = definitions.current("ptq")
Status = AssessmentRequest.Status
DENVER = ZoneInfo("America/Denver")
WINDOW = Window.of(["08:30", "20:00"])

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock(now: datetime) -> None:
    """Freeze the clock for every test here."""


def asked(cast: Cast) -> list[AssessmentRequest]:
    return list(AssessmentRequest.objects.order_by("opens_at", "code", "patient_id"))


def ask(cast: Cast, now: datetime = NOON) -> int:
    return asking.ask_due(by=cast.sam, now=now)


def told(cast: Cast, now: datetime = NOON) -> list[OutboundMessage]:
    reminding.remind_due(by=cast.sam, now=now)
    return list(OutboundMessage.objects.filter(category=Category.QUESTIONNAIRE).order_by("queued_at", "id"))


def consent(cast: Cast, channel: str = Channel.EMAIL) -> None:
    make.make_preference(cast.pat, cast.frida, Category.QUESTIONNAIRE, channel)


# When something opens, is due and runs out.


@pytest.mark.parametrize(
    ("hours", "at", "opens"),
    [
        # Four hours are four hours, also over the night on which the clock goes forward, or back.
        (4, datetime(2027, 3, 14, 6, 0, tzinfo=UTC), datetime(2027, 3, 14, 10, 0, tzinfo=UTC)),
        (4, datetime(2027, 11, 7, 5, 0, tzinfo=UTC), datetime(2027, 11, 7, 9, 0, tzinfo=UTC)),
        # A day is a day: 10:00 in Denver stays 10:00, after 23 hours in spring and 25 in autumn.
        (24, datetime(2027, 3, 13, 17, 0, tzinfo=UTC), datetime(2027, 3, 14, 16, 0, tzinfo=UTC)),
        (24, datetime(2027, 11, 6, 16, 0, tzinfo=UTC), datetime(2027, 11, 7, 17, 0, tzinfo=UTC)),
        (-72, datetime(2027, 3, 15, 16, 0, tzinfo=UTC), datetime(2027, 3, 12, 17, 0, tzinfo=UTC)),
        (-72, datetime(2027, 11, 9, 17, 0, tzinfo=UTC), datetime(2027, 11, 6, 16, 0, tzinfo=UTC)),
        (-2, datetime(2027, 3, 14, 10, 0, tzinfo=UTC), datetime(2027, 3, 14, 8, 0, tzinfo=UTC)),
    ],
)
def test_days_go_by_the_calendar_and_hours_by_the_watch(hours: int, at: datetime, opens: datetime) -> None:
    rule = AskingRule(offset_hours=hours, due_within_hours=1, open_for_hours=2)
    assert askingtimes.opens_at(rule, CareEvent(at=at), 0, DENVER) == opens


@pytest.mark.parametrize(
    ("at", "due_within", "open_for", "due"),
    [
        # Within the day: as reckoned.
        (NOON, 6, 24, NOON + 6 * HOUR),
        # 23:00 in Denver becomes 8:30 the next morning.
        (NOON, 14, 48, NOON + timedelta(hours=23, minutes=30)),
        # Unless that would be too late: then the evening before, at half past seven.
        (NOON, 14, 16, NOON + timedelta(hours=10, minutes=30)),
    ],
)
def test_nothing_is_due_at_night(at: datetime, due_within: int, open_for: int, due: datetime) -> None:
    rule = AskingRule(offset_hours=0, due_within_hours=due_within, open_for_hours=open_for, started_at=NOON - DAY)
    found = askingtimes.times(rule, CareEvent(at=at), tz=DENVER, window=WINDOW, now=NOON)
    assert found is not None
    assert (found.due_at, found.expires_at) == (due, NOON + open_for * HOUR)


# Each once.


def test_an_event_and_a_rule_make_one_request_however_often_beat_comes(cast: Cast) -> None:
    rule = make.make_rule(cast.ada)
    event = make.make_event(cast.pat, at=NOON - 7 * DAY)
    assert [ask(cast), ask(cast), ask(cast, NOON + HOUR)] == [1, 0, 0]
    (request,) = asked(cast)
    assert (request.event_id, request.rule_id, request.occurrence) == (event.pk, rule.pk, 0)
    assert (request.opens_at, request.due_at, request.expires_at) == (NOON, NOON + 2 * DAY, NOON + 5 * DAY)
    assert (request.code, request.asked_by_id, request.remind_at) == ("phq-9", cast.sam.pk, NOON)
    # Once it was answered or ran out it is not asked again either: the occurrence has had its request.
    AssessmentRequest.objects.update(status=Status.EXPIRED, settled_at=NOON)
    assert ask(cast, NOON + 2 * HOUR) == 0


@pytest.mark.parametrize(
    ("event", "offset", "at", "is_asked"),
    [
        ("dose_planned", -72, NOON + 73 * HOUR, False),
        ("dose_planned", -72, NOON + 72 * HOUR, True),
        ("dose_planned", -72, NOON + 30 * HOUR, True),
        ("dose_planned", -72, NOON - 48 * HOUR, False),
        ("dose_given", 4, NOON - 3 * HOUR, False),
        ("dose_given", 4, NOON - 4 * HOUR, True),
        # Open for 120 hours: the last moment, and the first after it.
        ("dose_given", 4, NOON - 123 * HOUR, True),
        ("dose_given", 4, NOON - 124 * HOUR, False),
        ("dose_given", 4, NOON - 400 * DAY, False),
        ("intake_opened", 0, NOON, True),
    ],
)
def test_asked_from_when_it_opens_until_it_lost_its_use(
    cast: Cast, event: str, offset: int, at: datetime, is_asked: bool
) -> None:
    make.make_rule(cast.ada, event=event, offset_hours=offset)
    make.make_event(cast.pat, event, at)
    assert ask(cast) == is_asked


def test_an_event_of_another_kind_or_that_was_cancelled_asks_nothing(cast: Cast) -> None:
    make.make_rule(cast.ada, event="dose_given", offset_hours=4)
    make.make_event(cast.pat, "dose_planned", NOON - 5 * HOUR)
    make.make_event(cast.pat, "dose_given", NOON - 5 * HOUR, cancelled_at=NOON)
    assert ask(cast) == 0


def test_repetitions_come_each_once_by_the_calendar(cast: Cast) -> None:
    make.make_rule(cast.ada, event="course_ended", offset_hours=28 * 24, every_days=28, open_for_hours=168)
    end = datetime(2027, 1, 20, 17, 0, tzinfo=UTC)
    make.make_event(cast.pat, "course_ended", end)
    for day in range(1, 120, 2):
        ask(cast, end + day * DAY)
        AssessmentRequest.objects.open().update(status=Status.EXPIRED, settled_at=end + day * DAY)
    rows = asked(cast)
    local = [row.opens_at.astimezone(cast.denver.tz) for row in rows]
    assert [row.occurrence for row in rows] == [0, 1, 2, 3]
    # 10:00 before and after the clock went forward on 14 March.
    assert [f"{at:%m-%d %H:%M}" for at in local] == ["02-17 10:00", "03-17 10:00", "04-14 10:00", "05-12 10:00"]


def test_no_burst_after_an_outage(cast: Cast) -> None:
    """Hazard: a patient comes home to a week of questions. What lost its use is not asked; what has not, once."""
    for hours, open_for in ((4, 12), (24, 24), (72, 72)):
        make.make_rule(cast.ada, "after-dose", offset_hours=hours, due_within_hours=3, open_for_hours=open_for)
    make.make_rule(cast.ada, event="course_ended", offset_hours=0, every_days=7, due_within_hours=24, open_for_hours=48)
    make.make_event(cast.pat, "dose_given", NOON - 4 * DAY)
    make.make_event(cast.pat, "course_ended", NOON - 50 * DAY)
    # Nobody was at work for four days: the checks of 4 and 24 hours are over, that of 72 is still of use.
    assert ask(cast) == 2
    assert {(row.code, row.occurrence) for row in asked(cast)} == {("after-dose", 0), ("phq-9", 7)}


def test_what_is_asked_late_leaves_the_time_to_answer(cast: Cast) -> None:
    make.make_rule(cast.ada, event="intake_opened", offset_hours=0, due_within_hours=24, open_for_hours=72)
    make.make_event(cast.pat, "intake_opened", NOON - 30 * HOUR)
    ask(cast)
    (request,) = asked(cast)
    assert request.opens_at == NOON - 30 * HOUR
    assert request.due_at == NOON + 24 * HOUR, "and not six hours ago"


def test_a_new_rule_asks_nothing_that_had_opened_before(cast: Cast) -> None:
    make.make_rule(cast.ada, event="dose_given", offset_hours=4, started_at=NOON)
    make.make_event(cast.pat, "dose_given", NOON - 5 * HOUR)
    make.make_event(cast.quinn, "dose_given", NOON - 3 * HOUR)
    assert [ask(cast), ask(cast, NOON + 2 * HOUR)] == [0, 1]
    assert asked(cast)[0].patient_id == cast.quinn.pk


@pytest.mark.parametrize("state", list(LifeState))
def test_only_who_gets_letters_is_asked(cast: Cast, state: LifeState) -> None:
    make.make_rule(cast.ada)
    make.make_event(cast.sol, at=NOON - 7 * DAY)
    gone = {"portal_suspended_at": NOON, "portal_suspension": "deceased"} if state == LifeState.DECEASED else {}
    Patient.objects.filter(pk=cast.sol.pk).update(life_state=state, **gone)
    assert ask(cast) == state.gets_letters


def test_what_is_open_is_not_asked_a_second_time(cast: Cast) -> None:
    make.make_rule(cast.ada)
    make.make_rule(cast.ada, event="dose_planned", offset_hours=-72, open_for_hours=72)
    make.make_event(cast.pat, at=NOON - 7 * DAY)
    make.make_event(cast.pat, "dose_planned", NOON + 3 * DAY)
    assert ask(cast) == 1


@pytest.mark.parametrize(
    ("code", "event", "offset", "hours_ago", "is_asked"),
    [
        # A week after a dose: an answer of the last three days will do.
        ("phq-9", "dose_given", 168, 71, False),
        ("phq-9", "dose_given", 168, 73, True),
        # Before a dose it is about how somebody is then.
        ("phq-9", "dose_planned", -72, 23, False),
        ("phq-9", "dose_planned", -72, 25, True),
        # The check after a dose is about these hours: that of four hours says nothing about a day later.
        ("after-dose", "dose_given", 24, 1, True),
    ],
)
def test_a_fresh_answer_is_not_asked_for_again(
    cast: Cast, code: str, event: str, offset: int, hours_ago: int, is_asked: bool
) -> None:
    make.make_rule(cast.ada, code, event=event, offset_hours=offset)
    make.make_event(cast.pat, event, NOON - offset * HOUR)
    make.make_response(cast.pat, cast.pat_user, code, at=NOON - hours_ago * HOUR, answers={})
    make.make_response(cast.quinn, cast.quinn_user, code, at=NOON, answers={})
    assert ask(cast) == is_asked


def test_an_answer_that_was_taken_back_is_no_answer(cast: Cast) -> None:
    make.make_rule(cast.ada)
    make.make_event(cast.pat, at=NOON - 7 * DAY)
    old = make.make_response(cast.pat, cast.theo, at=NOON - HOUR)
    make.make_response(cast.pat, cast.theo, at=NOON, corrects=old, correction_reason="x", is_retraction=True)
    assert ask(cast) == 1


def test_one_that_fails_holds_up_nobody_else(cast: Cast) -> None:
    make.make_rule(cast.ada)
    for patient in (cast.pat, cast.quinn, cast.sol):
        make.make_event(patient, at=NOON - 7 * DAY)
    real = requests.ask

    def sometimes(**values: object) -> AssessmentRequest:
        if values["patient"] == cast.quinn:
            raise RuntimeError
        return real(**values)  # type: ignore[arg-type]  # mixed values by name

    with mock.patch("assessments.actions.asking.requests.ask", sometimes):
        assert ask(cast) == 2
    assert ask(cast) == 1


def test_many_events_are_taken_in_chunks_with_a_fixed_number_of_questions(cast: Cast) -> None:
    make.make_rule(cast.ada)
    for number in range(7):
        make.make_event(make.make_patient(cast.denver), at=NOON - 7 * DAY - number * HOUR)
    with mock.patch("assessments.actions.asking.CHUNK", 3):
        assert [ask(cast), ask(cast)] == [7, 0]


@pytest.mark.django_db(transaction=True)
def test_two_beats_at_once_ask_once(cast: Cast) -> None:
    make.make_rule(cast.ada)
    for number in range(6):
        make.make_event(make.make_patient(cast.denver), at=NOON - 7 * DAY - number * HOUR)
    barrier, made, broken = threading.Barrier(3), list[int](), list[BaseException]()

    def beat() -> None:
        try:
            barrier.wait(5)
            made.append(ask(cast))
        except BaseException as error:
            broken.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=beat) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not broken
    ask(cast)
    assert AssessmentRequest.objects.count() == 6
    assert sum(made) <= 6


def test_due_events_are_found_by_their_index(cast: Cast) -> None:
    rule = make.make_rule(cast.ada)
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("SET LOCAL enable_seqscan = off")
        plan = asking.due_events(rule, NOON).order_by("at", "pk").explain()
    assert "care_event_by_time" in plan


# Events.


def test_an_event_recorded_twice_is_one_and_a_moved_one_is_new(cast: Cast) -> None:
    make.make_rule(cast.ada, event="dose_planned", offset_hours=-72, open_for_hours=72)
    visit = new_id()

    def plan(at: datetime) -> CareEvent:
        return asking.record_event(
            by=cast.sam, patient=cast.pat, kind=CareEventKind.DOSE_PLANNED, at=at, subject_type="appointment",
            subject_id=visit, now=NOON,
        )  # fmt: skip

    first = plan(NOON + 2 * DAY)
    assert plan(NOON + 2 * DAY).pk == first.pk
    ask(cast)
    (old,) = asked(cast)
    second = plan(NOON + 3 * DAY)
    old.refresh_from_db()
    assert second.pk != first.pk
    assert (old.status, old.settled_reason) == (Status.CANCELLED, "What it was asked for was moved or called off.")
    assert CareEvent.objects.filter(cancelled_at=None).count() == 1
    ask(cast)
    assert [row.event_id for row in AssessmentRequest.objects.open()] == [second.pk]


def test_a_cancelled_event_takes_back_what_was_asked_but_not_what_was_begun(cast: Cast) -> None:
    for code in ("phq-9", "gad-7"):
        make.make_rule(cast.ada, code, event="dose_planned", offset_hours=-72, open_for_hours=72)
    event = make.make_event(cast.pat, "dose_planned", NOON + 2 * DAY)
    ask(cast)
    AssessmentRequest.objects.filter(code="gad-7").update(status=Status.IN_PROGRESS, begun_at=NOON)

    def cancel() -> int:
        return asking.cancel_event(by=cast.sam, subject_type=event.subject_type, subject_id=event.subject_id, now=NOON)

    assert [cancel(), cancel()] == [1, 0]
    assert dict(AssessmentRequest.objects.values_list("code", "status")) == {
        "phq-9": "cancelled",
        "gad-7": "in_progress",
    }


# Rules.


def test_a_new_clinic_begins_with_the_cadence_of_the_guide(cast: Cast) -> None:
    rules = asking.seed_first_rules(by=cast.sam, now=NOON)
    assert len(rules) == len(asking.FIRST_RULES) == 16
    assert asking.seed_first_rules(by=cast.sam, now=NOON) == []
    after = AskingRule.objects.filter(code="after-dose").order_by("offset_hours").values_list("offset_hours", flat=True)
    assert list(after) == [4, 24, 72]
    pre = AskingRule.objects.get(code="phq-9", event="dose_planned")
    # 24 to 72 hours before each dosing (domain.md 2.2).
    assert (pre.offset_hours, pre.offset_hours + pre.due_within_hours) == (-72, -24)
    assert AskingRule.objects.filter(code="phq-9", event="dose_given", offset_hours=168).exists()


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"code": "nonsense"}, requests.NoSuchInstrument),
        ({"code": "c-ssrs"}, asking.NotForPatients),
        ({"code": "ptq"}, asking.NotForPatients),
        ({"due_within_hours": 0}, asking.OverBeforeDue),
        ({"due_within_hours": 25}, asking.OverBeforeDue),
        ({"every_days": 1, "open_for_hours": 25}, asking.OverBeforeDue),
    ],
)
def test_a_line_that_makes_no_sense_is_refused(cast: Cast, change: dict[str, object], refusal: type[Exception]) -> None:
    values = {
        "code": "phq-9", "event": CareEventKind.DOSE_GIVEN, "offset_hours": 4, "due_within_hours": 24, "open_for_hours": 24,
    }  # fmt: skip
    line = asking.Line(**{**values, **change})  # type: ignore[arg-type]  # mixed values by name
    with pytest.raises(refusal):
        asking.add_rule(by=cast.ada, line=line, today=NOON.date(), now=NOON)
    assert not AskingRule.objects.exists()
    good = asking.Line(**values)  # type: ignore[arg-type]  # mixed values by name
    asking.add_rule(by=cast.ada, line=good, today=NOON.date(), now=NOON)
    with pytest.raises(asking.AskedThenAlready):
        asking.add_rule(by=cast.ada, line=good, today=NOON.date(), now=NOON)


def test_an_ended_line_asks_nothing_and_ends_once(cast: Cast) -> None:
    rule = make.make_rule(cast.ada)
    make.make_event(cast.pat, at=NOON - 7 * DAY)
    asking.end_rule(by=cast.ada, rule=rule, now=NOON)
    assert ask(cast) == 0
    with pytest.raises(asking.RuleEnded):
        asking.end_rule(by=cast.ada, rule=rule, now=NOON)
    assert AuditEvent.objects.get(verb="asking_rule.changed").details["change"] == "ended"


def test_wording_that_is_gone_is_asked_no_more(cast: Cast) -> None:
    """Hazard: a patient is sent words that the clinic may no longer show."""
    wording = make.make_wording(cast.ada, "ptq")
    make.make_rule(cast.ada, "ptq")
    make.make_event(cast.pat, at=NOON - 7 * DAY)
    make.make_event(cast.quinn, at=NOON - 7 * DAY + HOUR)
    assert ask(cast) == 1
    instruments.withdraw_wording(by=cast.ada, wording=wording, now=NOON)
    assert ask(cast, NOON + HOUR) == 0
    assert [asking.take_back_unshowable(by=cast.sam, now=NOON), asking.take_back_unshowable(by=cast.sam, now=NOON)] == [
        1,
        0,
    ]
    (request,) = asked(cast)
    assert (request.status, request.settled_reason) == (Status.CANCELLED, "Its wording may no longer be shown.")


@pytest.mark.parametrize(("at", "is_shown"), [(NOON, True), (NOON + 14 * HOUR, True), (NOON + 16 * HOUR, False)])
def test_a_permission_ends_with_its_last_day_at_the_location(cast: Cast, at: datetime, is_shown: bool) -> None:
    """At 18:00 and at 23:00 in Denver it is tomorrow already in London, and not there."""
    make.make_wording(cast.ada, "ptq", ends_on=NOON.date())
    held = wordings.permissions()
    asked = make.make_request(cast.pat, "ptq", opens_at=NOON, due_at=NOON + DAY, expires_at=NOON + 2 * DAY)
    assert bool(requests.answerable(patient=cast.pat, now=at)) is is_shown
    assert bool(reminding.to_answer(cast.pat, at)) is is_shown
    entered = entries.Given(items={item.id: 1 for item in PTQ.items})
    with contextlib.nullcontext() if is_shown else pytest.raises(entries.NotInThisWay):
        entries.enter(
            by=cast.theo, patient=cast.pat, definition=PTQ, way=entries.Way.READ_OUT, given=entered, held=held,
            submission_key=new_id(), answered_at=at, now=at,
        )  # fmt: skip
    AssessmentRequest.objects.filter(pk=asked.pk).update(status=Status.OPEN, settled_at=None)
    assert asking.take_back_unshowable(by=cast.sam, now=at) == (0 if is_shown else 1)


# By hand.


def test_a_clinician_asks_once_and_not_what_is_not_for_patients(cast: Cast) -> None:
    due_on = NOON.date() + DAY

    def hand(*codes: str) -> list[AssessmentRequest]:
        return asking.ask_by_hand(by=cast.theo, patient=cast.pat, codes=codes, due_on=due_on, now=NOON)

    (request,) = hand("phq-9")
    assert request.due_at == datetime(2027, 1, 15, 6, 59, tzinfo=UTC), "the end of Thursday in Denver"
    assert request.expires_at == request.due_at + 7 * DAY
    assert (request.asked_by_id, request.remind_at) == (cast.theo.pk, NOON)
    with pytest.raises(requests.AskedAlready):
        hand("gad-7", "phq-9")
    for code in ("c-ssrs", "madrs", "ptq"):
        with pytest.raises(asking.NotForPatients):
            hand(code)
    assert len(asked(cast)) == 1, "all of it or none"


# Telling the patient.


def test_one_letter_for_all_that_is_asked_at_once(cast: Cast) -> None:
    consent(cast)
    for code in ("phq-9", "gad-7", "daily-life"):
        make.make_rule(cast.ada, code)
    make.make_event(cast.pat, at=NOON - 7 * DAY)
    ask(cast)
    (letter,) = told(cast)
    assert (letter.kind, letter.channel, letter.address) == ("questionnaire_asked", "email", cast.pat.email)
    assert told(cast) == [letter], "twice is once"


def test_whoever_is_answering_is_not_reminded(cast: Cast) -> None:
    """Hazard: a nudge's new link closes the old one while somebody answers by it."""
    Patient.objects.filter(pk=cast.pat.pk).update(portal_user=None, portal_since=None)
    consent(cast)
    request = make.make_request(cast.pat, opens_at=NOON, due_at=NOON + DAY, expires_at=NOON + 2 * DAY, remind_at=NOON)
    assert len(told(cast)) == 1
    AssessmentRequest.objects.update(
        status=Status.IN_PROGRESS, saved_at=NOON + DAY, begun_at=NOON + DAY, remind_at=NOON + DAY
    )
    assert len(told(cast, NOON + DAY + 20 * MIN)) == 1
    assert AnswerLink.objects.get(request=request).withdrawn_at is None
    assert len(told(cast, NOON + DAY + 50 * MIN)) == 2, "they stopped"


def hours_of(letters: list[OutboundMessage]) -> list[tuple[str, int]]:
    return [(row.kind, int((row.queued_at - NOON).total_seconds() // 3600)) for row in letters]


def test_letter_nudges_call_and_then_silence(cast: Cast) -> None:
    consent(cast)
    make.make_request(
        cast.pat, asked_at=NOON, opens_at=NOON, due_at=NOON + 7 * DAY, expires_at=NOON + 14 * DAY, remind_at=NOON
    )
    for hour in range(0, 24 * 13, 6):
        letters = told(cast, NOON + hour * HOUR)
        calls = WorkItem.objects.filter(kind="unanswered")
        assert calls.count() == (hour >= 168), hour
    assert hours_of(letters) == [("questionnaire_asked", 0), ("questionnaire_nudge", 24), ("questionnaire_nudge", 72)]
    call = calls.get()
    assert (call.subject_type, call.subject_id, call.owner_role, call.location) == (
        "patient", cast.pat.pk, "front_desk", cast.denver,
    )  # fmt: skip


def test_a_short_question_has_no_nudge_and_a_call_while_it_still_helps(cast: Cast) -> None:
    consent(cast)
    make.make_request(
        cast.pat,
        "after-dose",
        asked_at=NOON,
        opens_at=NOON,
        due_at=NOON + 12 * HOUR,
        expires_at=NOON + DAY,
        remind_at=NOON,
    )
    for hour in range(0, 30, 3):
        letters = told(cast, NOON + hour * HOUR)
        assert WorkItem.objects.filter(kind="unanswered").count() == (hour >= 12)
    assert hours_of(letters) == [("questionnaire_asked", 0)]


def test_after_an_outage_no_letter_chases_another(cast: Cast) -> None:
    consent(cast)
    make.make_request(
        cast.pat, asked_at=NOON, opens_at=NOON, due_at=NOON + 4 * DAY, expires_at=NOON + 8 * DAY, remind_at=NOON
    )
    late = NOON + 71 * HOUR
    assert len(told(cast, late)) == 1
    assert len(told(cast, NOON + 73 * HOUR)) == 1, "the nudge of 72 hours would come two hours after the first letter"
    told(cast, NOON + 96 * HOUR)
    assert WorkItem.objects.filter(kind="unanswered").exists()


@pytest.mark.parametrize("how", ["no answer", "no", "no address", "deceased", "answered"])
def test_whom_no_letter_can_tell_is_called(cast: Cast, how: str) -> None:
    request = make.make_request(cast.pat, remind_at=NOON)
    if how in {"no address", "deceased", "answered"}:
        consent(cast)
    if how == "no":
        make.make_preference(cast.pat, cast.frida, Category.QUESTIONNAIRE, Channel.EMAIL, allowed=False)
    if how == "no address":
        Patient.objects.filter(pk=cast.pat.pk).update(email="")
    if how == "deceased":
        Patient.objects.filter(pk=cast.pat.pk).update(
            life_state="deceased", portal_suspended_at=NOON, portal_suspension="deceased"
        )
    if how == "answered":
        AssessmentRequest.objects.filter(pk=request.pk).update(status=Status.DONE, settled_at=NOON)
    assert told(cast) == []
    assert WorkItem.objects.filter(kind="unanswered").count() == (how in {"no answer", "no", "no address"})
    assert told(cast, NOON + 10 * DAY) == []


def test_the_next_channel_the_patient_agreed_to(cast: Cast) -> None:
    consent(cast, Channel.SMS)
    make.make_request(cast.pat, remind_at=NOON)
    (letter,) = told(cast)
    assert (letter.channel, letter.address) == ("sms", str(cast.pat.phone))


def test_without_a_portal_a_link_goes(cast: Cast) -> None:
    consent(cast)
    Patient.objects.filter(pk=cast.pat.pk).update(portal_user=None, portal_since=None)
    make.make_request(cast.pat, remind_at=NOON)
    (letter,) = told(cast)
    assert letter.kind == "questionnaire_link"
    assert letter.secret


@pytest.mark.parametrize(
    "change", ["nothing", "answered", "withdrawn", "no longer agreed", "stopped", "portal closed", "died"]
)
def test_asked_again_at_the_moment_of_sending(cast: Cast, change: str) -> None:
    consent(cast)
    request = make.make_request(cast.pat, remind_at=NOON)
    (letter,) = told(cast)
    match change:
        case "answered":
            entries.enter(
                by=cast.theo, patient=cast.pat, definition=requests.definition_of(request), way=entries.Way.READ_OUT,
                given=entries.Given(items={"q9": 0}), submission_key=new_id(), held=(), answered_at=NOON, now=NOON,
            )  # fmt: skip
        case "withdrawn":
            requests.cancel(by=cast.theo, request=request, reason="not needed", now=NOON)
        case "no longer agreed":
            ContactPreference.objects.filter(category="questionnaire").update(ended_at=NOON)
        case "stopped":
            Suppression.objects.create(
                channel="email", address=cast.pat.email, category="questionnaire", reason="asked", since=NOON
            )
        case "portal closed":
            Patient.objects.filter(pk=cast.pat.pk).update(portal_suspended_at=NOON, portal_suspension="asked")
        case "died":
            Patient.objects.filter(pk=cast.pat.pk).update(
                life_state="deceased", portal_suspended_at=NOON, portal_suspension="deceased"
            )
    kind = letters.get(letter.kind)
    stopped = Suppression.objects.exists()
    reason = "suppressed" if stopped else kind.still_wanted(letter, NOON)
    assert (reason == "") == (change == "nothing")
    assert reason in {*kind.reasons, "suppressed", ""}
    if reason:
        kind.not_sent(cast.sam, letter, reason, NOON)
    calls = WorkItem.objects.filter(kind="unanswered").count()
    assert calls == (change in {"no longer agreed", "stopped", "portal closed"})


@pytest.mark.django_db(transaction=True)
def test_a_letter_of_the_night_waits_for_the_morning(cast: Cast) -> None:
    consent(cast)
    night = datetime(2027, 1, 14, 6, 0, tzinfo=UTC)
    make.make_request(cast.pat, remind_at=night)
    (letter,) = told(cast, night)
    post = list[str]()

    def deliver(at: datetime) -> None:
        def send(rendered: letters.Rendered) -> str:
            post.append(rendered.text)
            return "id"

        while outbox.deliver_next(by=cast.sam, now=at, send=send):
            pass

    deliver(night)
    letter.refresh_from_db()
    assert (letter.status, letter.not_before) == ("queued", datetime(2027, 1, 14, 15, 30, tzinfo=UTC))
    deliver(letter.not_before)
    assert len(post) == 1
    assert "It takes about 3 minutes." in post[0]
    assert "PHQ" not in post[0]


def test_a_call_goes_off_the_list_when_everything_is_answered(cast: Cast) -> None:
    request = make.make_request(cast.pat, remind_at=NOON)
    told(cast)
    call = WorkItem.objects.get(kind="unanswered")
    assert reminding.close_answered(by=cast.sam, now=NOON) == 0, "nothing was answered yet"
    entries.enter(
        by=cast.theo, patient=cast.pat, definition=requests.definition_of(request), way=entries.Way.READ_OUT,
        given=entries.Given(items={"q9": 0}), submission_key=new_id(), held=(), answered_at=NOON, now=NOON,
    )  # fmt: skip
    assert reminding.close_answered(by=cast.sam, now=NOON) == 1
    call.refresh_from_db()
    assert (call.outcome, call.closed_by_id) == ("not_needed", cast.sam.pk)


def test_a_call_about_what_ran_out_stays(cast: Cast) -> None:
    make.make_request(cast.pat, due_at=NOON + HOUR, expires_at=NOON + HOUR, remind_at=None)
    requests.expire_due(now=NOON + 3 * HOUR)
    assert WorkItem.objects.get(kind="unanswered").closed_at is None
    assert reminding.close_answered(by=cast.sam, now=NOON + 4 * HOUR) == 0


def test_one_patient_who_cannot_be_told_holds_up_nobody_else(cast: Cast) -> None:
    consent(cast)
    make.make_preference(cast.quinn, cast.frida, Category.QUESTIONNAIRE, Channel.EMAIL)
    make.make_request(cast.quinn, remind_at=NOON - HOUR)
    make.make_request(cast.pat, remind_at=NOON)
    real = reminding._tell

    def sometimes(**values: object) -> bool:
        if values["patient"] == cast.quinn:
            raise RuntimeError
        return real(**values)  # type: ignore[arg-type]  # mixed values by name

    with mock.patch("assessments.actions.reminding._tell", sometimes):
        letters = told(cast)
    assert [row.recipient_id for row in letters] == [cast.pat.pk]
    assert len(told(cast, NOON + 7 * HOUR)) == 2


def test_the_clock_asks_tells_and_tidies_up(cast: Cast, now: datetime) -> None:
    consent(cast)
    make.make_rule(cast.ada)
    make.make_event(cast.pat, at=NOON - 7 * DAY)
    for _ in range(2):
        tasks.ask_what_is_due()
        tasks.tell_of_questionnaires()
        tasks.expire_questionnaires()
    assert len(asked(cast)) == 1
    assert OutboundMessage.objects.filter(kind="questionnaire_asked").count() == 1
