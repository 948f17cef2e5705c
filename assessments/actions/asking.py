"""What is asked when: rules by event and by calendar, the events they are reckoned from, and the requests that come of both.

Beat makes the requests: an event, a rule and a repetition make one request and no second one, which the database holds
to. What lost its use while nobody was at work is not made afterwards, so that no patient finds a week of questions at
once. Telling the patient is in ``reminding.py`` (docs/decisions/0025-when-to-ask.md).
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import structlog
from django.db import IntegrityError, transaction
from django.db.models import DurationField, Exists, ExpressionWrapper, F, FloatField, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Extract, Mod
from django.utils.translation import gettext_lazy as _

from assessments import definitions, wordings
from assessments.actions import requests
from assessments.askingtimes import DAY, Times, later, times
from assessments.definitions import Permission
from assessments.instrument import Definition
from assessments.models import AskingRule, AssessmentRequest, AssessmentResponse, CareEvent, CareEventKind
from clinic import audit, localtime, policy
from clinic.errors import Refused, violated
from clinic.logs import trail
from clinic.models import Location, User
from clinic.quiethours import Window
from patients.models import LifeState, Patient

log = structlog.get_logger(__name__)

# Events of one transaction.
CHUNK = 100
# A wall clock and a stop watch differ by an hour twice a year; candidates are looked for with this to spare.
SLACK = timedelta(hours=2)
# A fresh answer is not asked for again. Before a dose only an answer of the last day before the question opens counts,
# because the point is how somebody is then.
FRESH_FOR = timedelta(hours=72)
FRESH_BEFORE_A_DOSE = timedelta(hours=24)
_NO_LETTERS = [state for state in LifeState if not state.gets_letters]

WEEK = 7 * DAY
# What was asked by hand can be answered for so many days after it was due.
OPEN_AFTER_DUE = 7


class NotForPatients(Refused):
    """Beat asks patients, and only what they may be shown."""

    def __init__(self) -> None:
        super().__init__(
            _("This questionnaire cannot be sent to patients: a clinician asks it, or its wording may not be shown.")
        )


class AskedThenAlready(Refused):
    """The same question at the same time."""

    def __init__(self) -> None:
        super().__init__(_("This is asked at that time already. End that line first if you want it otherwise."))


class OverBeforeDue(Refused):
    """The times contradict each other."""

    def __init__(self) -> None:
        super().__init__(
            _("It has to stay open until it is due, and close before it is asked again. Change the hours or the days.")
        )


class RuleEnded(Refused):
    """Somebody ended the rule first."""

    def __init__(self) -> None:
        super().__init__(_("This line has ended already. Reload the page to see what is asked now."))


@dataclass(frozen=True)
class Line:
    """One line of what is asked when. Hours from the event, less than 0 before it; days between repetitions."""

    code: str
    event: CareEventKind
    offset_hours: int
    due_within_hours: int
    open_for_hours: int
    every_days: int | None = None


# domain.md 2.2 (cadence) and 6.1. The first answers come with the intake packet (8.3). PCL-5 is asked by a person: who
# has a trauma focus is a judgement. PTQ, WHO-5 and the others wait for their permissions.
FIRST_RULES = (
    *(Line(code, CareEventKind.DOSE_PLANNED, -72, 48, 72) for code in ("phq-9", "gad-7", "daily-life")),
    Line("after-dose", CareEventKind.DOSE_GIVEN, 4, 3, 12),
    Line("after-dose", CareEventKind.DOSE_GIVEN, 24, 12, 24),
    Line("after-dose", CareEventKind.DOSE_GIVEN, 72, 24, 72),
    *(Line(code, CareEventKind.DOSE_GIVEN, WEEK, 48, 120) for code in ("phq-9", "gad-7", "daily-life")),
    *(Line(code, CareEventKind.COURSE_ENDED, 2 * WEEK, 96, WEEK) for code in ("phq-9", "gad-7", "daily-life")),
    *(Line(code, CareEventKind.COURSE_ENDED, 4 * WEEK, 96, WEEK, 28) for code in ("phq-9", "gad-7", "daily-life")),
    Line("audit-c", CareEventKind.INTAKE_OPENED, 365 * DAY, WEEK, 2 * WEEK, 365),
)  # fmt: skip


@transaction.atomic
def seed_first_rules(*, by: User, now: datetime) -> list[AskingRule]:
    """Return the rules a new clinic begins with; none where somebody has set rules before."""
    if AskingRule.objects.exists():
        return []
    return [add_rule(by=by, line=line, today=now.date(), now=now) for line in FIRST_RULES]


@transaction.atomic
def add_rule(*, by: User, line: Line, today: date, now: datetime) -> AskingRule:
    """Return the new rule; it asks what opens from now on. ``today`` is the day at the place of whoever adds it.

    Refuses an instrument that is not for patients, times that contradict each other, and the same line twice.
    """
    try:
        definition = definitions.current(line.code)
    except definitions.UnknownInstrument:
        raise requests.NoSuchInstrument from None
    if not wordings.may_be_sent(definition, wordings.permissions(), today):
        raise NotForPatients
    if not 0 < line.due_within_hours <= line.open_for_hours or (
        line.every_days is not None and line.open_for_hours > line.every_days * DAY
    ):
        raise OverBeforeDue
    rule = AskingRule(
        code=line.code, event=line.event, offset_hours=line.offset_hours, every_days=line.every_days,
        due_within_hours=line.due_within_hours, open_for_hours=line.open_for_hours, started_by=by, started_at=now,
    )  # fmt: skip
    try:
        with transaction.atomic():
            rule.save(force_insert=True)
    except IntegrityError as error:
        if violated(error) == "asking_rule_once":
            raise AskedThenAlready from error
        raise
    _record(by, rule, "added", now)
    return rule


@transaction.atomic
def end_rule(*, by: User, rule: AskingRule, now: datetime) -> AskingRule:
    """Return the rule, ended: nothing more is asked by it. What is open stays open. Refuses one that has ended."""
    rule = AskingRule.objects.select_for_update(no_key=True).get(pk=rule.pk)
    if rule.ended_at is not None:
        raise RuleEnded
    rule.ended_by, rule.ended_at = by, now
    rule.save(update_fields=["ended_by", "ended_at"])
    _record(by, rule, "ended", now)
    return rule


def _record(by: User, rule: AskingRule, change: str, now: datetime) -> None:
    audit.record(
        by, audit.Verb.ASKING_RULE_CHANGED, rule, now=now,
        details={"change": change, "code": rule.code, "event": rule.event, "hours": rule.offset_hours},
    )  # fmt: skip


@transaction.atomic
def record_event(
    *,
    by: User,
    patient: Patient,
    kind: CareEventKind,
    at: datetime,
    subject_type: str,
    subject_id: uuid.UUID,
    now: datetime,
) -> CareEvent:
    """Return the event of that kind about that subject, which questions are reckoned from; twice is once.

    With another time it has moved: the old one is cancelled with what was asked for it, and the new one stands.
    """
    Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    known = CareEvent.objects.filter(
        kind=kind, subject_type=subject_type, subject_id=subject_id, cancelled_at=None
    ).first()
    if known is not None:
        if known.at == at:
            return known
        _cancel(by=by, event=known, now=now)
    return CareEvent.objects.create(
        patient=patient, kind=kind, at=at, subject_type=subject_type, subject_id=subject_id, recorded_at=now
    )


@transaction.atomic
def cancel_event(
    *, by: User, subject_type: str, subject_id: uuid.UUID, now: datetime, kind: CareEventKind | None = None
) -> int:
    """Cancel the events about a subject (of one kind only, when named) with what was asked for them. Return how many.

    Whoever has begun to answer may finish: what they say is true whether the visit takes place or not.
    """
    standing = CareEvent.objects.filter(subject_type=subject_type, subject_id=subject_id, cancelled_at=None)
    if kind is not None:
        standing = standing.filter(kind=kind)
    patients = Patient.objects.filter(pk__in=standing.values("patient_id")).order_by("pk")
    list(patients.select_for_update(no_key=True).values_list("pk", flat=True))
    events = list(standing.select_for_update(no_key=True).order_by("pk"))
    for event in events:
        _cancel(by=by, event=event, now=now)
    return len(events)


def _cancel(*, by: User, event: CareEvent, now: datetime) -> None:
    event.cancelled_at = now
    event.save(update_fields=["cancelled_at"])
    untouched = AssessmentRequest.objects.filter(event=event, status=AssessmentRequest.Status.OPEN).order_by("pk")
    for request in untouched:
        requests.cancel(
            by=by, request=request, reason=str(_("What it was asked for was moved or called off.")), now=now
        )


def ask_due(*, by: User, now: datetime) -> int:
    """Make the requests that are open by the rules and not made yet. Return how many.

    Each stands in a savepoint of its own, so that one that cannot be made holds up nobody else's. Patients that somebody
    else holds at the moment wait for the next round.
    """
    held = wordings.permissions()
    window = Window.of(policy.in_force(now).get("reminders", "window_local"))
    made = 0
    for rule in AskingRule.objects.live().order_by("event", "offset_hours", "code"):
        after: tuple[datetime, uuid.UUID] | None = None
        while True:
            done, after = _ask_chunk(by=by, rule=rule, held=held, window=window, after=after, now=now)
            made += done
            if after is None:
                break
    return made


@transaction.atomic
def _ask_chunk(
    *, by: User, rule: AskingRule, held: tuple[Permission, ...], window: Window,
    after: tuple[datetime, uuid.UUID] | None, now: datetime,
) -> tuple[int, tuple[datetime, uuid.UUID] | None]:  # fmt: skip
    """Return how many were made of the next events, and the last of them: None when there are no more."""
    events = due_events(rule, now)
    if after is not None:
        events = events.filter(Q(at__gt=after[0]) | Q(at=after[0], pk__gt=after[1]))
    found = list(events.order_by("at", "pk")[:CHUNK])
    if not found:
        return 0, None
    definition = definitions.current(rule.code)
    # Whoever is locked is being asked, is answering or is being changed. Once locked, they are looked at anew.
    locked = Patient.objects.filter(pk__in={event.patient_id for event in found}).order_by("pk")
    patients = list(
        locked.select_for_update(skip_locked=True, no_key=True, of=("self",)).select_related("home_location")
    )
    place = {patient.pk: patient for patient in patients}
    still = due_events(rule, now).filter(pk__in=[event.pk for event in found], patient_id__in=place)
    made = 0
    busy = set(
        AssessmentRequest.objects.open()
        .filter(patient_id__in=place, code=rule.code)
        .values_list("patient_id", flat=True)
    )
    answered = _last_answers(rule.code, set(place), now)
    for event in still.order_by("at", "pk"):
        patient = place[event.patient_id]
        tz = patient.home_location.tz
        when = times(rule, event, tz=tz, window=window, now=now)
        if when is None or patient.pk in busy or not wordings.may_be_sent(definition, held, localtime.day_of(now, tz)):
            continue
        if _is_fresh(definition, rule, answered.get(patient.pk), when):
            continue
        try:
            with transaction.atomic():
                _make(by=by, patient=patient, rule=rule, event=event, when=when, now=now)
        except Exception as error:  # whatever is wrong with this one must not keep the others from being asked
            log.error("question_not_asked", record=str(event.pk), kind=rule.code, reason=trail(error))
            continue
        busy.add(patient.pk)
        made += 1
    return made, (found[-1].at, found[-1].pk) if len(found) == CHUNK else None


@transaction.atomic
def ask_by_hand(
    *, by: User, patient: Patient, codes: Iterable[str], due_on: date, now: datetime
) -> list[AssessmentRequest]:
    """Return the requests a clinician makes: open at once, due at the end of a day of the place, open for a week more.

    Whether and when the patient is told is ``reminding.told_at``. Refuses what is not for patients, what is open already, and all of it then.
    """
    held = wordings.permissions()
    tz = patient.home_location.tz
    due_at = localtime.at(due_on, time(23, 59), tz)
    made = []
    for code in codes:
        try:
            definition = definitions.current(code)
        except definitions.UnknownInstrument:
            raise requests.NoSuchInstrument from None
        if not wordings.may_be_sent(definition, held, localtime.day_of(now, tz)):
            raise NotForPatients
        request = requests.ask(
            by=by, patient=patient, code=code, opens_at=now, due_at=due_at,
            expires_at=later(due_at, OPEN_AFTER_DUE * DAY, tz), now=now,
        )  # fmt: skip
        remind_from(request=request, at=now)
        made.append(request)
    return made


def _make(*, by: User, patient: Patient, rule: AskingRule, event: CareEvent, when: Times, now: datetime) -> None:
    request = requests.ask(
        by=by, patient=patient, code=rule.code, opens_at=when.opens_at, due_at=when.due_at, expires_at=when.expires_at,
        rule=rule, event=event, occurrence=when.occurrence, now=now,
    )  # fmt: skip
    remind_from(request=request, at=now)


def remind_from(*, request: AssessmentRequest, at: datetime) -> None:
    """Have the patient told of a request from then on: the first letter, the nudges, the call (``reminding``)."""
    request.remind_at = at
    request.save(update_fields=["remind_at"])


def _last_answers(code: str, patients: set[uuid.UUID], now: datetime) -> dict[uuid.UUID, datetime]:
    rows = (
        AssessmentResponse.objects.standing()
        .filter(patient_id__in=patients, code=code, answered_at__gte=now - timedelta(days=366))
        .order_by("answered_at")
        .values_list("patient_id", "answered_at")
    )
    return dict(rows)


def _is_fresh(definition: Definition, rule: AskingRule, answered_at: datetime | None, when: Times) -> bool:
    """Return whether the patient answered so lately that asking again would say nothing new.

    A question about the hours after a dose is about those hours: only an answer since it opened will do.
    """
    if answered_at is None:
        return False
    if definition.hours_after_dose:
        return answered_at >= when.opens_at
    lately = FRESH_BEFORE_A_DOSE if rule.event == CareEventKind.DOSE_PLANNED else FRESH_FOR
    return answered_at >= when.opens_at - lately


def due_events(rule: AskingRule, now: datetime) -> QuerySet[CareEvent]:
    """Return the events of whose repetitions one may be open now and is not made yet, of patients who get letters.

    With ``SLACK`` to spare on both sides: ``times`` has the last word. Entered by the index of events by kind and time.
    """
    offset, use = timedelta(hours=rule.offset_hours), timedelta(hours=rule.open_for_hours)
    made = AssessmentRequest.objects.filter(event=OuterRef("pk"), rule=rule, opens_at__gt=now - use - SLACK)
    events = CareEvent.objects.filter(
        ~Exists(made), kind=rule.event, cancelled_at=None, at__lte=now - offset + SLACK
    ).exclude(patient__life_state__in=_NO_LETTERS)
    if rule.every_days is None:
        return events.filter(at__gt=now - offset - use - SLACK)
    passed = ExpressionWrapper(Value(now - offset + SLACK) - F("at"), output_field=DurationField())
    every = timedelta(days=rule.every_days).total_seconds()
    into = Mod(Cast(Extract(passed, "epoch"), FloatField()), Value(every), output_field=FloatField())
    return events.annotate(into=into).filter(into__lt=(use + 2 * SLACK).total_seconds())


@transaction.atomic
def take_back_unshowable(*, by: User, now: datetime) -> int:
    """Take back open requests for wording that may no longer be shown: withdrawn, or its permission over. Return how many.

    A permission ends with its last day at the patient's location, and not before the evening there is over.
    """
    held = wordings.permissions()
    gone = Q(pk__in=[])
    for today, places in _places_by_day(now).items():
        lost = [d.code for d in definitions.all_current() if not wordings.may_be_sent(d, held, today)]
        gone |= Q(code__in=lost, patient__home_location__in=places)
    found = AssessmentRequest.objects.open().filter(gone).order_by("pk")
    rows = list(found.select_for_update(skip_locked=True, no_key=True, of=("self",))[:CHUNK])
    for request in rows:
        reason = str(_("Its wording may no longer be shown."))
        requests.cancel(by=by, request=request, reason=reason, now=now)
    return len(rows)


def _places_by_day(now: datetime) -> dict[date, list[uuid.UUID]]:
    """Return the locations by the day that it is there: two days at most, for a house in one country."""
    found: dict[date, list[uuid.UUID]] = {}
    for place in Location.objects.only("pk", "time_zone"):
        found.setdefault(localtime.day_of(now, place.tz), []).append(place.pk)
    return found
