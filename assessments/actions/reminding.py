"""Telling patients that something is to be answered: one letter, the nudges, and then a person calls.

Each request carries when its next step is due, so that beat finds rows and nothing is told twice. What a patient is asked
at the same time is told in one letter. Whether a letter still goes is asked again at the moment it is sent: it does not
once everything was answered, taken back or ran out (docs/decisions/0025-when-to-ask.md).
"""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from assessments.actions import links, requests
from assessments.models import AssessmentRequest
from clinic import policy, quiethours
from clinic.actions import outbox, worklist
from clinic.errors import Refused
from clinic.logs import trail
from clinic.models import Category, Channel, OutboundMessage, Role, User, WorkItem
from patients.models import ContactPreference, Patient

log = structlog.get_logger(__name__)

SUBJECT = "assessmentrequest"
ASKED, NUDGE = "questionnaire_asked", "questionnaire_nudge"

CHUNK = 100
# After the last nudge the patient has so long before somebody calls.
CALL_AFTER = timedelta(hours=24)
# Two steps are never closer than this, however late the first one was taken: no letter chases another.
APART = timedelta(hours=6)

# Whoever kept an answer so lately is answering, and is not reminded of it.
ANSWERING = timedelta(minutes=30)

ANSWERED, NO_CONSENT, PORTAL_CLOSED, PATIENT_STATE = "answered", "no_consent", "portal_closed", "patient_state"
REASONS = {
    ANSWERED: _("Nothing is left to answer."),
    NO_CONSENT: _("The patient does not want to be written to about questionnaires this way."),
    PORTAL_CLOSED: _("The patient can no longer sign in to the portal."),
    PATIENT_STATE: _("The patient was discharged or has died."),
}
# Held back for one of these, the patient does not know what is asked of them: somebody calls.
_CALL_WHEN_HELD_BACK = frozenset({NO_CONSENT, PORTAL_CLOSED, str(OutboundMessage.Reason.SUPPRESSED)})


def remind_due(*, by: User, now: datetime) -> int:
    """Take the steps that are due, at most a round of them. Return how many requests were looked at."""
    done = 0
    while taken := _remind_chunk(by=by, now=now):
        done += taken
    return done


@transaction.atomic
def _remind_chunk(*, by: User, now: datetime) -> int:
    due = AssessmentRequest.objects.open().filter(remind_at__lte=now)
    found = list(due.order_by("remind_at", "pk").values_list("pk", "patient_id")[:CHUNK])
    # In the fixed order, patients first. Whoever is locked is answering just now, and is looked at in the next round.
    locked = Patient.objects.filter(pk__in={patient for _pk, patient in found}).order_by("pk")
    patients = {
        patient.pk: patient
        for patient in locked.select_for_update(skip_locked=True, no_key=True, of=("self",)).select_related("home_location")
    }  # fmt: skip
    rows = list(
        due.filter(pk__in=[pk for pk, _patient in found], patient_id__in=patients)
        .select_for_update(no_key=True)
        .order_by("due_at", "pk")
    )
    theirs: dict[uuid.UUID, list[AssessmentRequest]] = {}
    for row in rows:
        theirs.setdefault(row.patient_id, []).append(row)
    for patient_id, asked in theirs.items():
        try:
            with transaction.atomic():
                _remind(by=by, patient=patients[patient_id], asked=asked, now=now)
        except Exception as error:  # one that cannot be told must not keep the others from being told
            log.error("patient_not_reminded", record=str(patient_id), reason=trail(error))
            # Looked at again later, and not at once for ever.
            AssessmentRequest.objects.filter(pk__in=[row.pk for row in asked]).update(remind_at=now + APART)
    return len(rows)


def _remind(*, by: User, patient: Patient, asked: list[AssessmentRequest], now: datetime) -> None:
    hours = [int(hour) for hour in policy.in_force(now).get("questionnaire", "nudge_h")]
    to_tell = []
    for request in asked:
        if now >= request.expires_at or not patient.gets_letters or not _can_be_answered(request, patient, now):
            _step(request, None)
        elif request.saved_at is not None and now - request.saved_at < ANSWERING:
            # A letter with a new link would close the old one under their hands.
            _step(request, now + ANSWERING, taken=False)
        elif request.reminders and now >= call_at(request, hours):
            ask_to_call(by=by, patient=patient, due_at=request.expires_at, now=now)
            _step(request, None)
        elif now < request.opens_at:
            _step(request, request.opens_at, taken=False)
        else:
            to_tell.append(request)
    if not to_tell:
        return
    if _tell(by=by, patient=patient, asked=to_tell, now=now):
        for request in to_tell:
            _step(request, next_step(request, hours, now))
        return
    for request in to_tell:
        ask_to_call(by=by, patient=patient, due_at=request.due_at, now=now)
        _step(request, None)


def _step(request: AssessmentRequest, then: datetime | None, *, taken: bool = True) -> None:
    request.remind_at = then
    request.reminders += taken
    request.save(update_fields=["remind_at", "reminders"])


def _can_be_answered(request: AssessmentRequest, patient: Patient, now: datetime) -> bool:
    return requests.is_for_patient(requests.definition_of(request), patient, now)


def _nudges(request: AssessmentRequest, hours: Iterable[int]) -> list[datetime]:
    begin = max(request.asked_at, request.opens_at)
    return [at for hour in sorted(hours) if (at := begin + timedelta(hours=hour)) < request.expires_at]


def call_at(request: AssessmentRequest, hours: Iterable[int]) -> datetime:
    """Return when somebody calls: once it is due, and a day after the last nudge. May lie after it has run out."""
    nudges = _nudges(request, hours)
    return max(request.due_at, nudges[-1] + CALL_AFTER) if nudges else request.due_at


def next_step(request: AssessmentRequest, hours: Iterable[int], now: datetime) -> datetime | None:
    """Return when the next nudge or the call is due, never close upon the last step, or None when there is no more."""
    hours = list(hours)
    call = call_at(request, hours)
    later = [at for at in _nudges(request, hours) if at >= now + APART]
    then = min([*later, max(call, now + APART)])
    return then if then < request.expires_at else None


def _tell(*, by: User, patient: Patient, asked: list[AssessmentRequest], now: datetime) -> bool:
    """Queue the letter, or a link for each where the patient has no portal. Return whether there is a way to tell them."""
    if not patient.has_portal:
        sent = [_send_link(by, request, now) for request in asked]
        return any(sent)
    channel = channel_for(patient)
    if channel is None:
        return False
    first = asked[0]
    outbox.queue(
        by=by, kind=ASKED if any(request.reminders == 0 for request in asked) else NUDGE, channel=channel,
        subject_type=SUBJECT, subject_id=first.pk, schedule_version=first.reminders + 1,
        location_id=patient.home_location_id, useful_until=max(request.expires_at for request in asked), now=now,
        to=outbox.Recipient(
            kind=OutboundMessage.RecipientKind.PATIENT, id=patient.pk, address=address_of(patient, channel),
            tz=patient.tz, language=patient.letter_language,
        ),
    )  # fmt: skip
    return True


def told_at(patient: Patient, now: datetime) -> datetime | None:
    """Return when a letter about something new to answer leaves: now, or when the reader's night ends. None: none goes."""
    if patient.has_portal:
        channel = channel_for(patient)
    else:
        # A link goes by e-mail alone.
        may = links.has_mailbox(patient) and has_consent(patient, Channel.EMAIL)
        channel = Channel.EMAIL if may else None
    if channel is None or not patient.gets_letters:
        return None
    if outbox.is_suppressed(category=Category.QUESTIONNAIRE, channel=channel, address=address_of(patient, channel)):
        return None
    window = quiethours.Window.of(policy.in_force(now).get("reminders", "window_local"))
    return quiethours.next_opening(now, window, patient.tz)


def _send_link(by: User, request: AssessmentRequest, now: datetime) -> bool:
    try:
        with transaction.atomic():
            links.send(by=by, request=request, now=now)
    except Refused:
        return False
    return True


def channel_for(patient: Patient) -> Channel | None:
    """Return the first channel that the patient agreed to for questionnaires and has an address for. No answer is a no."""
    for channel in (Channel.EMAIL, Channel.SMS):
        if address_of(patient, channel) and has_consent(patient, channel):
            return channel
    return None


def has_consent(patient: Patient, channel: str) -> bool:
    """Return whether the patient agrees, as of now, to letters about questionnaires by a channel."""
    return ContactPreference.objects.allows(patient, Category.QUESTIONNAIRE, channel)


def address_of(patient: Patient, channel: str) -> str:
    """Return where the patient is written to by a channel, or "" when the record has nothing."""
    return str(patient.email) if channel == Channel.EMAIL else str(patient.phone or "")


def why_not(*, patient: Patient, channel: str, now: datetime) -> str:
    """Return why a letter about what is to be answered should not go, or "": asked at the moment it is sent."""
    if not patient.gets_letters:
        return PATIENT_STATE
    if not to_answer(patient, now):
        return ANSWERED
    if not patient.has_portal:
        return PORTAL_CLOSED
    return "" if has_consent(patient, channel) else NO_CONSENT


def to_answer(patient: Patient, now: datetime) -> list[AssessmentRequest]:
    """Return what the patient can answer now, first due first."""
    rows = AssessmentRequest.objects.open().for_patient(patient).filter(opens_at__lte=now, expires_at__gt=now)
    return [row for row in rows.order_by("due_at", "pk") if _can_be_answered(row, patient, now)]


@transaction.atomic
def call_instead(*, by: User, message: OutboundMessage, reason: str, now: datetime) -> WorkItem | None:
    """Return the item that asks for a call in place of a letter held back at the moment of sending, or None."""
    if reason not in _CALL_WHEN_HELD_BACK:
        return None
    asked = AssessmentRequest.objects.select_related("patient__home_location").get(pk=message.subject_id)
    open_now = to_answer(asked.patient, now)
    if not open_now:
        return None
    return ask_to_call(by=by, patient=asked.patient, due_at=open_now[0].due_at, now=now)


@transaction.atomic
def ask_to_call(*, by: User, patient: Patient, due_at: datetime, now: datetime) -> WorkItem:
    """Return the item that asks the desk to call about what is not answered, made now unless it is open already."""
    return worklist.open_item(
        by=by, kind=WorkItem.Kind.UNANSWERED, location=patient.home_location, owner_role=Role.FRONT_DESK,
        subject_type="patient", subject_id=patient.pk, patient_id=patient.pk, due_at=max(now, due_at), now=now,
    )  # fmt: skip


@transaction.atomic
def close_answered(*, by: User, now: datetime) -> int:
    """Close the calls about patients who have answered since, or are no longer asked. Return how many.

    A call stays while something is open that nobody will be reminded of any more, or ran out since it was asked for.
    """
    waiting = AssessmentRequest.objects.open().filter(
        patient_id=OuterRef("subject_id"), remind_at=None, reminders__gt=0, packet=None
    )
    ran_out = AssessmentRequest.objects.filter(
        patient_id=OuterRef("subject_id"), status=AssessmentRequest.Status.EXPIRED, packet=None,
        settled_at__gte=OuterRef("created_at"),
    )  # fmt: skip
    calls = WorkItem.objects.open().filter(kind=WorkItem.Kind.UNANSWERED, subject_type="patient")
    over = list(calls.filter(~Exists(waiting), ~Exists(ran_out)).values_list("subject_id", flat=True)[:CHUNK])
    for patient_id in over:
        worklist.close_about(
            by=by, kind=WorkItem.Kind.UNANSWERED, subject_id=patient_id, outcome=WorkItem.Outcome.NOT_NEEDED, now=now
        )
    return len(over)
