"""Responses: answers are handed in, scored, heard and screened, in one transaction.

What was answered is never lost to something that goes wrong behind it. A score that fails is stored as a failure and is
an alarm (``safety.assess``); an alert or a screening that cannot be made is made up for by people, who are asked at once
(docs/decisions/0024-answering.md). What an instrument does not offer is refused here and kept in the draft.
"""

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from assessments import definitions, safety, scoring, wordings
from assessments.actions import alerts, flags, requests
from assessments.instrument import Answerer, Definition
from assessments.models import AssessmentRequest, AssessmentResponse, Score
from clinic import audit, localtime, policy
from clinic.actions import system, worklist
from clinic.errors import Refused
from clinic.logs import trail
from clinic.models import EnrolledDevice, Membership, Role, User, WorkItem
from patients.actions import crisis
from patients.crisis import may_mean_danger
from patients.models import Patient

log = structlog.get_logger(__name__)

Mode = AssessmentResponse.Mode
Entered = AssessmentResponse.Entered

SUBJECT = "assessmentresponse"

# The patient reads the questions, or has them read out: so they may be shown.
SHOWN = frozenset({Mode.PORTAL, Mode.LINK, Mode.KIOSK, Mode.ON_BEHALF})
# The patient answers alone.
ALONE = frozenset({Mode.PORTAL, Mode.LINK, Mode.KIOSK})
# What a patient says in an after-dose check that somebody calls about, by the code of its note.
CALL_ABOUT = frozenset({"call_wanted", "feels_bad", "nobody_to_turn_to"})


class WrongQuestionnaire(Refused):
    """The answers belong to another request or another patient."""

    def __init__(self) -> None:
        super().__init__(_("These answers do not belong to this request. Open the questionnaire again from its list."))


class WayNotAllowed(Refused):
    """The instrument is not answered in this way."""

    def __init__(self) -> None:
        super().__init__(
            _("This questionnaire may not be answered in this way. Enter its scores from the paper form instead.")
        )


class RaterNeeded(Refused):
    """A clinician's rating without the clinician."""

    def __init__(self) -> None:
        super().__init__(_("Say who rated. Two people rate differently, so the name is part of the result."))


class FromTheFuture(Refused):
    """An answer that has not been given yet."""

    def __init__(self) -> None:
        super().__init__(_("It cannot have been answered later than now. Check the date and the time."))


class CorrectedAlready(Refused):
    """Somebody corrected the response first."""

    def __init__(self) -> None:
        super().__init__(_("Somebody has corrected this response already. Open the newest one and correct that."))


class ReasonNeeded(Refused):
    """A correction says why."""

    def __init__(self) -> None:
        super().__init__(_("Say why it is corrected. The old answers stay on record beside the new ones."))


class TwiceAtOnce(Refused):
    """The same form was used for something else."""

    def __init__(self) -> None:
        super().__init__(_("This form was sent before, with other answers. Open the questionnaire again and look."))


@transaction.atomic
def hand_in(
    *,
    by: User,
    patient: Patient,
    definition: Definition,
    answers: Mapping[str, Any],
    mode: AssessmentResponse.Mode,
    submission_key: uuid.UUID,
    request: AssessmentRequest | None = None,
    revision: int | None = None,
    entered: AssessmentResponse.Entered = Entered.ANSWERS,
    answered_at: datetime,
    begun_at: datetime | None = None,
    words: str = "",
    rater: User | None = None,
    device: EnrolledDevice | None = None,
    corrects: AssessmentResponse | None = None,
    correction_reason: str = "",
    is_retraction: bool = False,
    now: datetime,
) -> AssessmentResponse:
    """Return the stored response; with the same ``submission_key`` the first one, however often and at once it comes.

    In the same transaction: the score (``safety.assess``, which never raises), the alert, the screening, and the
    request done. ``revision`` is that of the draft the person looked at last. Refuses a request that is not open now or
    whose draft has changed since, a way in which the instrument may not be answered, answers that the form does not
    offer, a rating without a rater, a time to come, and a correction of what was corrected or without a reason.
    """
    # A request's own id is the key of the answers to it: under it nobody else's may lie in wait for them.
    is_own_key = request is not None and request.pk == submission_key
    held, request = _locked(patient, request)
    patient = held.patient
    # What is handed in under a request's own key settles it: while the locked request is open, there is no first one.
    if request is None or not is_own_key or request.is_done:
        first = AssessmentResponse.objects.filter(submission_key=submission_key).first()
        if first is not None:
            if first.patient_id != patient.pk or first.code != definition.code:
                raise TwiceAtOnce
            return first
    if not is_own_key and AssessmentRequest.objects.filter(pk=submission_key).exists():
        raise TwiceAtOnce
    if request is not None:
        _must_fit(request, definition, mode, revision, now)
    if corrects is not None:
        _must_be_correctable(corrects, patient, definition, correction_reason)
    _way_must_be_allowed(definition, mode, entered, rater, patient, now)
    if answered_at > now:
        raise FromTheFuture
    if entered != Entered.PAPER_TOTAL and not is_retraction:
        try:
            scoring.check(definition, answers)
        except scoring.InvalidAnswers:
            raise requests.NoSuchAnswer from None
    response = AssessmentResponse.objects.create(
        patient=patient, request=request, code=definition.code, version=definition.version, language=definition.language,
        checksum=definition.checksum, mode=mode, entered=entered, answers=dict(answers), words=words,
        submission_key=submission_key, answered_at=answered_at, received_at=now, begun_at=begun_at, entered_by=by,
        rater=rater, device=device, corrects=corrects, correction_reason=correction_reason, is_retraction=is_retraction,
    )  # fmt: skip
    signals: tuple[safety.Signal, ...] = ()
    details: dict[str, Any] = {"code": definition.code, "version": definition.version, "mode": mode}
    if not is_retraction:
        result = _assess(definition, response)
        signals = result.signals
        _store_score(definition, response, result, now)
        if result.failure:
            details["scoring"] = "failed"
            _tell_managers(by, patient, now)
    if request is not None and request.is_open:
        requests.settle(by=by, request=request, to=AssessmentRequest.Status.DONE, verb=None, now=now)
    if signals:
        _whatever_happens(
            lambda: alerts.raise_from(by=by, patient=patient, response=response, signals=signals, now=now),
            otherwise=lambda: _call_people(by, patient, now),
        )
    said = "\n".join([words, *(value for value in response.answers.values() if isinstance(value, str))])
    if may_mean_danger(said):
        # Beside any alarm of the form itself: what somebody wrote is read by a person, now (domain.md 6.5).
        _whatever_happens(
            lambda: crisis.ask_to_read(
                by=by, location=patient.home_location, subject_type="patient", subject_id=patient.pk, patient=patient,
                now=now,
            ),
            otherwise=lambda: _tell_managers(by, patient, now),
        )  # fmt: skip
    if wants_call(definition, response.answers):
        _whatever_happens(
            lambda: _ask_for_a_call(by, patient, response, now), otherwise=lambda: _call_people(by, patient, now)
        )
    _whatever_happens(
        lambda: flags.rescreen_within(by=by, patient=patient, now=now, held=held),
        otherwise=lambda: _tell_managers(by, patient, now),
    )
    audit.record(by, _verb(response), response, now=now, location_id=patient.home_location_id, details=details)
    return response


def _locked(patient: Patient, request: AssessmentRequest | None) -> tuple[flags.Held, AssessmentRequest | None]:
    """Return the patient and the request, held for this transaction, in one statement that holds the patient first.

    Both rows are as whoever held them before has left them. What is joined to them may be older: it was read when the
    waiting began. Refuses another patient's request.
    """
    if request is None:
        return flags.locked(patient), None
    # ``of`` names the rows in the order in which PostgreSQL holds them.
    rows = AssessmentRequest.objects.select_for_update(no_key=True, of=("patient", "self")).select_related("patient")
    found = rows.annotate(last_screening=flags.last_screening("patient_id")).get(pk=request.pk)
    if found.patient_id != patient.pk:
        raise WrongQuestionnaire
    if found.patient.home_location_id == patient.home_location_id:
        # Read a moment ago, with whoever answers.
        found.patient.home_location = patient.home_location
    return flags.as_held(found.patient, found), found


def _must_fit(
    request: AssessmentRequest,
    definition: Definition,
    mode: AssessmentResponse.Mode,
    revision: int | None,
    now: datetime,
) -> None:
    """Refuse answers to another request, and what the locked request does not take any more."""
    if request.code != definition.code:
        raise WrongQuestionnaire
    if mode in ALONE:
        requests.must_be_answerable(request, now)
    elif request.status == AssessmentRequest.Status.DONE:
        raise requests.AlreadyDone
    elif not request.is_open:
        raise requests.NoLongerAsked
    if revision is not None and revision != request.revision:
        raise requests.ChangedElsewhere


def _must_be_correctable(corrects: AssessmentResponse, patient: Patient, definition: Definition, reason: str) -> None:
    if corrects.patient_id != patient.pk or corrects.code != definition.code:
        raise WrongQuestionnaire
    if not reason.strip():
        raise ReasonNeeded
    # The lock on the patient keeps the second of two correctors waiting until the first is seen.
    if AssessmentResponse.objects.filter(corrects=corrects).exists():
        raise CorrectedAlready


def _way_must_be_allowed(
    definition: Definition,
    mode: AssessmentResponse.Mode,
    entered: AssessmentResponse.Entered,
    rater: User | None,
    patient: Patient,
    now: datetime,
) -> None:
    """Refuse a way that the licence, or the sort of instrument, does not allow (domain.md 2.1, 2.2)."""
    if mode in SHOWN:
        if entered != Entered.ANSWERS:
            raise WayNotAllowed
        if not requests.is_for_patient(definition, patient, now):
            raise requests.NotForPatients if mode in ALONE else WayNotAllowed
        return
    if mode == Mode.CLINICIAN:
        if definition.answered_by is not Answerer.CLINICIAN:
            raise WayNotAllowed
        if rater is None:
            raise RaterNeeded
    if entered != Entered.ANSWERS or definitions.can_render(definition):
        return
    today = localtime.day_of(now, patient.home_location.tz)
    if not definitions.can_render(definition, wordings.permissions(), on=today):
        raise WayNotAllowed


def _assess(definition: Definition, response: AssessmentResponse) -> safety.Assessment:
    """Return the score and the alarms. Totals from paper alarm by what is unknown about their items."""
    if response.entered != Entered.PAPER_TOTAL:
        return safety.assess(definition, response.answers, entered=scoring.Entered(response.entered))
    found = safety.paper_total_signals(definition)
    try:
        total, parts = response.answers.get("total"), response.answers.get("parts")
        return safety.Assessment(scoring.score_paper_total(definition, total, parts), "", found)
    except scoring.InvalidAnswers:
        # A slip on the keyboard of whoever copies the sheet, and nothing that the patient said: they type it again.
        raise requests.NoSuchAnswer from None


def _store_score(
    definition: Definition, response: AssessmentResponse, result: safety.Assessment, now: datetime
) -> Score:
    score = result.score
    return Score.objects.create(
        response=response,
        scorer_id=definition.scorer[0],
        scorer_version=definition.scorer[1],
        total=score.total if score else None,
        reason=str(score.reason or "") if score else "",
        band=score.band.id if score and score.band else "",
        category=score.category.id if score and score.category else "",
        is_complete=bool(score and score.is_complete),
        is_prorated=bool(score and score.prorated),
        failure=result.failure[:80],
        data=score.as_data() if score else {},
        scored_at=now,
    )


def _whatever_happens(act: Callable[[], object], *, otherwise: Callable[[], object]) -> None:
    """Do the act; when our own code fails at it, do the other thing instead, so that the answers stand either way.

    That goes for a refusal too, such as a limit that nobody approved: it is not the patient's, and must not stand
    between them and us. A database that is away takes the other thing down as well: then nothing is stored, and the
    page says so.
    """
    try:
        with transaction.atomic():
            act()
    except Exception as error:
        log.error("after_answers_failed", reason=trail(error))
        otherwise()


def _call_people(by: User, patient: Patient, now: datetime) -> None:
    """Ask those who know the patient, and who is on call, to look now: what an answer should have set off could not be made.

    Nobody climbs a ladder for this, so everybody who may be awake is written to at once.
    """
    crisis.ask_to_read(
        by=by, location=patient.home_location, subject_type="patient", subject_id=patient.pk, patient=patient, now=now,
        with_on_call=True,
    )  # fmt: skip
    _tell_managers(by, patient, now)


def _tell_managers(by: User, patient: Patient, now: datetime) -> None:
    """Open the alarm for whoever runs the system: something behind an answer failed. They see whose it is, and no answer."""
    worklist.open_item(
        by=by, kind=WorkItem.Kind.SCORING_FAILED, location=patient.home_location, owner_role=Role.MANAGER,
        subject_type="patient", subject_id=patient.pk, patient_id=patient.pk, due_at=now, now=now,
    )  # fmt: skip


def _ask_for_a_call(by: User, patient: Patient, response: AssessmentResponse, now: datetime) -> None:
    """Open the call that a patient asked for in a check after a dose, or that such an answer calls for.

    It is about these answers: a call that the desk owes the patient for another reason must not stand for it.
    """
    place = patient.home_location
    has_nurse = Membership.objects.live().filter(location=place, role=Role.NURSE, user__is_active=True).exists()
    worklist.open_item(
        by=by, kind=WorkItem.Kind.CALL_PATIENT, location=place, owner_role=Role.NURSE if has_nurse else Role.FRONT_DESK,
        subject_type=SUBJECT, subject_id=response.pk, patient_id=patient.pk, now=now,
        due_at=now + timedelta(hours=int(policy.in_force(now).get("risk", "orange_hours"))),
    )  # fmt: skip


def wants_call(definition: Definition, answers: Mapping[str, Any]) -> bool:
    """Return whether an answer says, or asks, that somebody should call."""
    return any(note.code in CALL_ABOUT and answers.get(note.item) in note.values for note in definition.item_notes)


def _verb(response: AssessmentResponse) -> audit.Verb:
    if response.corrects_id is not None:
        return audit.Verb.ANSWERS_CORRECTED
    return audit.Verb.ANSWERS_HANDED_IN if response.mode in ALONE else audit.Verb.ANSWERS_ENTERED


@transaction.atomic
def call_people(*, patient: Patient, now: datetime) -> None:
    """Ask those who know the patient to look now: they said that they are in danger, and no alert could be made of it."""
    _call_people(system.sam(now=now), patient, now)


@transaction.atomic
def report_failure(*, patient: Patient, definition: Definition, answers: Mapping[str, Any], now: datetime) -> None:
    """Tell people that a patient tried to hand in answers and that something unforeseen undid it.

    Called after that transaction was rolled back. Whoever runs the system is told in any case; when an answer would have
    been an alarm, those who know the patient are asked to look now (domain.md 6.5). No answer is stored: the draft is.
    """
    sam = system.sam(now=now)
    if safety.signals(definition, answers):
        _call_people(sam, patient, now)
    else:
        _tell_managers(sam, patient, now)
