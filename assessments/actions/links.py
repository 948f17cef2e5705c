"""Links in letters: one request, answered without signing in, once, by whoever has the letter and knows the birth date.

Only the hash of a token is kept, and the token itself lies sealed with its letter until that has gone. A look at the link
changes nothing: mail scanners follow links.
"""

from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from assessments.actions import requests
from assessments.models import AnswerLink, AssessmentRequest
from clinic import audit, businessdays, policy, throttle, tokens
from clinic.actions import outbox, worklist
from clinic.errors import Refused
from clinic.models import Category, Channel, OutboundMessage, Outcome, Role, User, WorkItem
from patients.models import ContactPreference, Patient, PortalSuspension

SUBJECT = "answerlink"
LETTER = "questionnaire_link"
MOST_FROM_ONE_ADDRESS = 20
IN_SECONDS = 3600
# The patient's mailbox is not theirs alone, or not theirs any more.
MAILBOX_LOST = frozenset({PortalSuspension.LOST_ADDRESS, PortalSuspension.SHARED_ADDRESS, PortalSuspension.MISUSE})


class CannotOpen(Refused):
    """One sentence whatever is wrong, so that nobody finds out which."""

    def __init__(self) -> None:
        super().__init__(
            _("This link and this birth date do not open anything. The link may be used, too old, or for somebody else. Check the date, sign in to your pages instead, or call us.")
        )  # fmt: skip


class NoConsent(Refused):
    """The patient did not agree to letters about questionnaires."""

    def __init__(self) -> None:
        super().__init__(
            _("The patient has not agreed to e-mail about questionnaires. Ask them, or give them a code for the kiosk.")
        )


class NoAddress(Refused):
    """There is no mailbox that is surely the patient's."""

    def __init__(self) -> None:
        super().__init__(_("There is no e-mail on record that only the patient reads. Ask them for one first."))


@transaction.atomic
def send(*, by: User, request: AssessmentRequest, now: datetime) -> AnswerLink:
    """Return the new link, its letter queued to the patient's address. An earlier link of the request opens nothing more.

    Refuses a request that is not open or not for patients, no consent, and no address that is the patient's alone.
    """
    patient = Patient.objects.select_for_update(no_key=True, of=("self",)).select_related("home_location").get(
        pk=request.patient_id
    )  # fmt: skip
    request = AssessmentRequest.objects.select_for_update(no_key=True).get(pk=request.pk)
    if request.status == AssessmentRequest.Status.DONE:
        raise requests.AlreadyDone
    if not request.is_open or requests.is_over(request, now):
        raise requests.NoLongerAsked
    if not requests.is_for_patient(requests.definition_of(request), patient, now):
        raise requests.NotForPatients
    if not ContactPreference.objects.allows(patient, Category.QUESTIONNAIRE, Channel.EMAIL):
        raise NoConsent
    if not patient.gets_letters or not has_mailbox(patient):
        raise NoAddress
    earlier = list(AnswerLink.objects.filter(request=request, used_at=None, withdrawn_at=None))
    for link in earlier:
        link.withdrawn_at = now
        link.save(update_fields=["withdrawn_at"])
        outbox.void(subject_type=SUBJECT, subject_id=link.pk, reason="link_over", now=now)
    start = max(now, request.opens_at)
    hours = int(policy.in_force(now).get("questionnaire", "link_hours"))
    token = tokens.new()
    link = AnswerLink.objects.create(
        request=request, token_hash=tokens.hash_of(token), address=patient.email, made_at=now,
        expires_at=min(start + timedelta(hours=hours), request.expires_at),
    )  # fmt: skip
    audit.record(
        by, audit.Verb.ANSWER_LINK_MADE, link, now=now, patient_id=patient.pk, location_id=patient.home_location_id,
        details={"code": request.code},
    )  # fmt: skip
    outbox.queue(
        by=by, kind=LETTER, subject_type=SUBJECT, subject_id=link.pk, location_id=patient.home_location_id, now=now,
        not_before=start, useful_until=link.expires_at, secret={"token": token},
        to=outbox.Recipient(
            kind=OutboundMessage.RecipientKind.PATIENT, id=patient.pk, address=patient.email, tz=patient.tz,
            language=patient.letter_language,
        ),
    )  # fmt: skip
    return link


def has_mailbox(patient: Patient) -> bool:
    """Return whether the e-mail on record is, as far as we know, read by the patient alone."""
    return bool(patient.email) and not (
        patient.portal_is_suspended and PortalSuspension(patient.portal_suspension) in MAILBOX_LOST
    )


def is_theirs(link: AnswerLink) -> bool:
    """Return whether the mailbox that the link went to is still the patient's, and theirs alone."""
    patient = link.request.patient
    return has_mailbox(patient) and patient.email == link.address


def is_good(link: AnswerLink, now: datetime) -> bool:
    """Return whether a link with its request and patient still leads anywhere at ``now``."""
    asked = link.request
    return (
        link.used_at is None
        and link.withdrawn_at is None
        and now < link.expires_at
        and asked.is_open
        and asked.opens_at <= now
        and not requests.is_over(asked, now)
        and asked.patient.gets_letters
        and is_theirs(link)
    )


def open_link(*, token: str, birth_date: date, address: str, now: datetime) -> AnswerLink:
    """Return the opened link of that token and birth date. Opening it again, until it was used, goes on where one was.

    Refuses with one sentence whatever is wrong. So many wrong dates as the policy says (``questionnaire.link_checks``)
    kill the link, and the desk is asked to call.
    """
    if not throttle.allows("answer_link", address, most=MOST_FROM_ONE_ADDRESS, seconds=IN_SECONDS, now=now):
        raise CannotOpen
    found = AnswerLink.objects.filter(token_hash=tokens.hash_of(token)).first()
    if found is None:
        raise CannotOpen
    # The count of failures stays though the person is refused, so the refusal is raised after the transaction.
    with transaction.atomic():
        link = (
            AnswerLink.objects.select_for_update(no_key=True, of=("self",))
            .select_related("request__patient__home_location")
            .get(pk=found.pk)
        )
        knows = link.request.patient.birth_date == birth_date
        if knows and is_good(link, now):
            link.opened_at = now
            link.save(update_fields=["opened_at"])
            _record(link, audit.Verb.ANSWER_LINK_OPENED, now)
            return link
        if not knows and link.withdrawn_at is None and link.used_at is None:
            _count_failure(link, now)
    raise CannotOpen


def _count_failure(link: AnswerLink, now: datetime) -> None:
    patient = link.request.patient
    link.failed_checks += 1
    dead = link.failed_checks >= int(policy.in_force(now).get("questionnaire", "link_checks"))
    if dead:
        link.withdrawn_at = now
    link.save(update_fields=["failed_checks", "withdrawn_at"])
    _record(link, audit.Verb.ANSWER_LINK_REFUSED, now, failed_checks=link.failed_checks)
    if dead:
        worklist.open_item(
            by=None, kind=WorkItem.Kind.CALL_PATIENT, location=patient.home_location, owner_role=Role.FRONT_DESK,
            subject_type="patient", subject_id=patient.pk, patient_id=patient.pk, now=now,
            due_at=businessdays.end_of_next(location=patient.home_location, now=now),
        )  # fmt: skip


def _record(link: AnswerLink, verb: audit.Verb, now: datetime, **details: int) -> None:
    patient = link.request.patient
    audit.record(
        None, verb, link, now=now, patient_id=patient.pk, location_id=patient.home_location_id, details=details,
        outcome=Outcome.REFUSED if verb == audit.Verb.ANSWER_LINK_REFUSED else Outcome.DONE,
    )  # fmt: skip


@transaction.atomic
def use(*, link: AnswerLink, now: datetime) -> AnswerLink:
    """Return the link, used up: its answers are in. A second time is the first."""
    link = AnswerLink.objects.select_for_update(no_key=True).get(pk=link.pk)
    if link.used_at is None:
        link.used_at = now
        link.save(update_fields=["used_at"])
    return link
