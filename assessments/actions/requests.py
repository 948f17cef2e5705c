"""Requests: a patient is asked to answer an instrument, begins, goes on another day, and is no longer asked.

What has been tapped so far is kept here and read by nobody: it becomes an answer when it is handed in, in
``responses.py``. Which instruments a patient may be shown is decided by ``definitions.can_render`` through
``assessments/wordings.py``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from assessments import definitions, merging, scoring, wordings
from assessments.instrument import Answerer, Definition
from assessments.models import AskingRule, AssessmentRequest, CareEvent, Packet
from clinic import audit, businessdays, localtime
from clinic.actions import system, worklist
from clinic.errors import Refused, violated
from clinic.models import Role, User, WorkItem
from patients.models import Patient

Status = AssessmentRequest.Status

# Whoever is in the middle of answering when the time runs out may finish: nobody is cut off over the last question.
GRACE = timedelta(hours=1)
# Rows of one transaction when requests run out.
CHUNK = 200


class NoSuchInstrument(Refused):
    """No file defines the code."""

    def __init__(self) -> None:
        super().__init__(_("There is no such questionnaire. Choose one from the list."))


class TimesOutOfOrder(Refused):
    """Open, due and over come in that order."""

    def __init__(self) -> None:
        super().__init__(_("It opens first, is due next and runs out last. Put the three times in that order."))


class NotInCare(Refused):
    """A patient who was discharged or has died is asked nothing."""

    def __init__(self) -> None:
        super().__init__(_("This patient was discharged or has died. Nothing is asked of them."))


class AskedAlready(Refused):
    """The same instrument is open for the patient."""

    def __init__(self) -> None:
        super().__init__(_("The patient is asked this already and has not answered yet. Wait for it, or take it back."))


class AlreadyDone(Refused):
    """The answers are in."""

    def __init__(self) -> None:
        super().__init__(
            _("These questions have been answered and handed in already. There is nothing more to do here.")
        )


class NoLongerAsked(Refused):
    """The request ran out or was taken back."""

    def __init__(self) -> None:
        super().__init__(
            _("These questions are no longer open. What you answered was kept but not handed in. Call us if we should know.")
        )  # fmt: skip


class NotYetOpen(Refused):
    """The request opens later."""

    def __init__(self) -> None:
        super().__init__(_("These questions are not open yet. Your to-do list says from when they are."))


class NotForPatients(Refused):
    """A clinician asks it, or its wording may not be shown."""

    def __init__(self) -> None:
        super().__init__(
            _("This questionnaire is not for answering here. Somebody from the clinic will ask you instead.")
        )


class NoSuchAnswer(Refused):
    """Something came in that the form does not offer."""

    def __init__(self) -> None:
        super().__init__(
            _("That is not one of the answers offered. Your earlier answers are kept; please choose again.")
        )


class ChangedElsewhere(Refused):
    """Another window of the same person answered in between."""

    def __init__(self) -> None:
        super().__init__(
            _("Your answers were changed in another window since this page was made. Look at them again before you hand in.")
        )  # fmt: skip


@dataclass(frozen=True)
class Saved:
    """A request with its draft as it stands now, and the items of which another window knew something newer.

    Their newer answers were left as they are.
    """

    request: AssessmentRequest
    differing: tuple[str, ...]


@transaction.atomic
def ask(
    *,
    by: User,
    patient: Patient,
    code: str,
    opens_at: datetime,
    due_at: datetime,
    expires_at: datetime,
    packet: Packet | None = None,
    rule: AskingRule | None = None,
    event: CareEvent | None = None,
    occurrence: int = 0,
    now: datetime,
) -> AssessmentRequest:
    """Return the request: the one already there when this packet, or this rule, event and occurrence, has one.

    Refuses an unknown instrument, times out of order, a patient who is no longer in care, and by hand a second request
    of what is open.
    """
    try:
        definitions.current(code)
    except definitions.UnknownInstrument:
        raise NoSuchInstrument from None
    if not opens_at <= due_at <= expires_at:
        raise TimesOutOfOrder
    patient = Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    if not patient.gets_letters:
        raise NotInCare
    if (
        packet is None
        and event is None
        and AssessmentRequest.objects.open().filter(patient=patient, code=code).exists()
    ):
        raise AskedAlready
    asked = AssessmentRequest(
        patient=patient, code=code, packet=packet, rule=rule, event=event, occurrence=occurrence, asked_by=by,
        asked_at=now, opens_at=opens_at, due_at=due_at, expires_at=expires_at,
    )  # fmt: skip
    try:
        with transaction.atomic():
            asked.save(force_insert=True)
    except IntegrityError as error:
        if violated(error) == "request_once_a_packet":
            return AssessmentRequest.objects.get(packet=packet, code=code)
        if violated(error) == "request_once_an_occurrence":
            return AssessmentRequest.objects.get(event=event, rule=rule, occurrence=occurrence)
        raise
    audit.record(
        by, audit.Verb.QUESTIONNAIRE_ASKED, asked, now=now, location_id=patient.home_location_id, details={"code": code}
    )
    return asked


@transaction.atomic
def cancel(*, by: User, request: AssessmentRequest, reason: str = "", now: datetime) -> AssessmentRequest:
    """Return the request, taken back. A draft stays where it is and is read by nobody.

    Refuses what was answered, ran out or was taken back before.
    """
    request = _locked(request)
    if request.status == Status.DONE:
        raise AlreadyDone
    if not request.is_open:
        raise NoLongerAsked
    if reason:
        request.settled_reason = reason
        request.save(update_fields=["settled_reason"])
    return settle(by=by, request=request, to=Status.CANCELLED, verb=audit.Verb.QUESTIONNAIRE_CANCELLED, now=now)


@transaction.atomic
def save_draft(
    *,
    by: User,
    request: AssessmentRequest,
    answers: Mapping[str, object],
    seen: Mapping[str, object] | None = None,
    window: merging.Window | None = None,
    position: str = "",
    now: datetime,
) -> Saved:
    """Return the request with these answers kept; None takes one back. The first time fixes version and language.

    ``seen`` is what the page showed when it was made: an answer that another window has changed since is left alone and
    named in ``differing``, everything else is kept. Without ``seen`` the answers given here stand. What ``window`` wrote
    itself it may change, and a letter of it that was overtaken by a later one changes nothing. Refuses what is not
    offered, a request that is not open now, and an instrument that is not for patients.
    """
    patient, request = request.patient, _locked(request)
    must_be_answerable(request, now)
    definition = definition_of(request)
    if not is_for_patient(definition, patient, now):
        raise NotForPatients
    given = {item: value for item, value in answers.items() if value is not None}
    try:
        scoring.check(definition, given)
    except scoring.InvalidAnswers:
        raise NoSuchAnswer from None
    if not {*answers, position} <= {item.id for item in definition.items} | {""}:
        raise NoSuchAnswer
    if window and merging.is_late(request.hands, window):
        return Saved(request, ())
    differing = tuple(
        item
        for item, value in answers.items()
        if seen is not None
        and request.draft.get(item) not in (seen.get(item), value)
        and not (window and merging.wrote(request.hands, window, item))
    )
    kept = dict(request.draft)
    for item, value in answers.items():
        if item in differing:
            continue
        if value is None:
            kept.pop(item, None)
        else:
            kept[item] = value
    changed = [item for item in answers if kept.get(item) != request.draft.get(item)]
    fields = ["draft", "revision", "saved_at"] if changed else []
    if window:
        request.hands = merging.heard(request.hands, window, changed)
        fields.append("hands")
    if changed:
        request.draft, request.revision, request.saved_at = kept, request.revision + 1, now
    if position and position != request.position:
        request.position = position
        fields.append("position")
    if request.status == Status.OPEN:
        request.status, request.begun_at = Status.IN_PROGRESS, now
        request.version, request.language = definition.version, definition.language
        fields += ["status", "begun_at", "version", "language"]
    if fields:
        request.save(update_fields=fields)
    return Saved(request, differing)


def must_be_answerable(request: AssessmentRequest, now: datetime) -> None:
    """Refuse a request that is done, taken back, not open yet or over. Whoever began in time has an hour of grace."""
    if request.status == Status.DONE:
        raise AlreadyDone
    if not request.is_open or is_over(request, now):
        raise NoLongerAsked
    if now < request.opens_at:
        raise NotYetOpen


def is_over(request: AssessmentRequest, now: datetime) -> bool:
    """Return whether the time for answering is past at ``now``."""
    begun_in_time = request.begun_at is not None and request.begun_at <= request.expires_at
    return now > request.expires_at + (GRACE if begun_in_time else timedelta(0))


def answerable(*, patient: Patient, now: datetime) -> list[AssessmentRequest]:
    """Return what the patient may answer alone now, the most urgent first. Two queries, one where all wording is free."""
    asked = AssessmentRequest.objects.open().for_patient(patient).filter(opens_at__lte=now).order_by("due_at", "id")
    rows = [row for row in asked if not is_over(row, now)]
    defined = {row.pk: definition_of(row) for row in rows}
    is_free = all(definitions.can_render(definition) for definition in defined.values())
    held = () if is_free else wordings.permissions()
    # Free wording has no last day, and the location need not be read for it.
    today = now.date() if is_free else localtime.day_of(now, patient.home_location.tz)
    return [row for row in rows if wordings.may_be_sent(defined[row.pk], held, today)]


def definition_of(request: AssessmentRequest) -> Definition:
    """Return the version that was begun, or the newest while nothing was."""
    if request.version is None:
        return definitions.current(request.code)
    return definitions.get(request.code, request.version, request.language)


def is_for_patient(definition: Definition, patient: Patient, now: datetime) -> bool:
    """Return whether a patient may be shown this instrument now. Asks the tables only for wording that is not free.

    A permission ends with its last day at the patient's location, for answering as for entering.
    """
    if definitions.can_render(definition):
        return definition.answered_by is Answerer.PATIENT
    return wordings.may_be_sent(definition, wordings.permissions(), localtime.day_of(now, patient.home_location.tz))


@transaction.atomic
def _expire_chunk(*, now: datetime) -> int:
    due = list(
        AssessmentRequest.objects.open()
        .filter(expires_at__lt=now)
        .exclude(status=Status.IN_PROGRESS, expires_at__gte=now - GRACE)
        .order_by("expires_at")
        .select_for_update(no_key=True, skip_locked=True, of=("self",))
        .select_related("patient__home_location")[:CHUNK]
    )
    if not due:
        return 0
    sam = system.sam(now=now)
    by_when: dict[object, datetime] = {}
    for request in due:
        settle(by=sam, request=request, to=Status.EXPIRED, verb=audit.Verb.QUESTIONNAIRE_EXPIRED, now=now)
        patient, place = request.patient, request.patient.home_location
        # What belongs to a packet runs out with it, and is asked about once.
        if request.packet_id is not None or not patient.gets_letters:
            continue
        if place.pk not in by_when:
            by_when[place.pk] = businessdays.end_of_next(location=place, now=now)
        worklist.open_item(
            by=sam, kind=WorkItem.Kind.UNANSWERED, location=place, owner_role=Role.FRONT_DESK, subject_type="patient",
            subject_id=patient.pk, patient_id=patient.pk, due_at=by_when[place.pk], now=now,
        )  # fmt: skip
    return len(due)


def expire_due(*, now: datetime) -> int:
    """Close every request whose time is over and ask the desk to call about it. Return how many."""
    closed = 0
    while chunk := _expire_chunk(now=now):
        closed += chunk
        if chunk < CHUNK:
            break
    return closed


def settle(
    *, by: User, request: AssessmentRequest, to: AssessmentRequest.Status, verb: audit.Verb | None, now: datetime
) -> AssessmentRequest:
    """Return the locked request in its last state. ``verb`` is None where the act is audited elsewhere.

    Its letters ask ``still_wanted`` before they leave and need no withdrawing; its links ask the request.
    """
    request.status, request.settled_at = to, now
    request.save(update_fields=["status", "settled_at"])
    if verb is not None:
        audit.record(by, verb, request, now=now, details={"code": request.code})
    return request


def _locked(request: AssessmentRequest) -> AssessmentRequest:
    return AssessmentRequest.objects.select_for_update(no_key=True).get(pk=request.pk)
