"""Enquiries: received, entered, accepted, declined, linked to a patient, booked, closed."""

import uuid
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from clinic import audit, businessdays, localtime, throttle
from clinic.actions import outbox, worklist
from clinic.errors import Refused
from clinic.models import Location, OutboundMessage, Role, User, WorkItem
from patients.actions import crisis
from patients.models import LifeState, Patient, Referral

# A person with trouble typing sends three; nobody sends ten.
MOST_FROM_ONE_ADDRESS = 10
MOST_FOR_ONE_READER = 3
IN_SECONDS = 3600


class TooManyEnquiries(Refused):
    """The same sender, or the same reader, was heard from too often. One sentence for both, so neither is told apart."""

    def __init__(self, location: Location) -> None:
        super().__init__(
            _("We have had several messages from you just now. Please call us at %(phone)s, or try again in an hour.")
            % {"phone": location.phone}
        )


class AlreadyDecided(Refused):
    """Somebody decided first, or the enquiry is in a state from which this cannot be done."""

    def __init__(self, referral: Referral) -> None:
        when = referral.decided_at
        super().__init__(
            _("This enquiry is %(state)s%(since)s. Reload the page to see what was decided.")
            % {
                "state": referral.get_status_display(),
                "since": _(" since %(when)s") % {"when": localtime.moment_text(when, referral.location.tz)}
                if when
                else "",
            }
        )


class NotReadyToBook(Refused):
    """An intake is booked for an accepted enquiry whose person is registered."""

    def __init__(self) -> None:
        super().__init__(_("Accept this enquiry and register the person first; then an intake can be booked."))


class AlreadyLinked(Refused):
    """The enquiry belongs to a patient already."""

    def __init__(self) -> None:
        super().__init__(_("This enquiry belongs to a patient already. Open the patient's page from the enquiry."))


class NotLinked(Refused):
    """The enquiry belongs to nobody."""

    def __init__(self) -> None:
        super().__init__(_("This enquiry belongs to no patient, so there is nothing to take back. Reload the page."))


class LinkIsUsed(Refused):
    """The enquiry went on with its patient: a visit is booked from it, or it is closed."""

    def __init__(self, referral: Referral) -> None:
        super().__init__(
            _("An intake is booked from this enquiry. Cancel the intake first; then the enquiry can be taken back.")
            if referral.status == Referral.Status.BOOKED
            else _("This enquiry is %(state)s and stays with its patient. Enter a new one for the right person.")
            % {"state": referral.get_status_display()}
        )


class NobodyToLink(Refused):
    """Somebody who has died does not enquire: it is another person, or a mistake in the record."""

    def __init__(self) -> None:
        super().__init__(
            _("This patient is recorded as deceased. Register the person anew, or ask a manager to correct the record.")
        )


@transaction.atomic
def receive(
    *,
    location: Location,
    entry_key: uuid.UUID,
    given_name: str,
    family_name: str,
    email: str,
    phone: str,
    reach_by: str,
    message: str,
    agrees_to_email: bool,
    address: str,
    now: datetime,
) -> Referral:
    """Return the enquiry a stranger sent by the public page; sent twice by one press of the button, it is one.

    Refuses when the sender's network address or the reader's e-mail or phone was heard from too often. Whether we know
    the person makes no difference to anything the stranger can see.
    """
    reader = (email or phone).lower()
    from_here = throttle.allows("enquire", address, most=MOST_FROM_ONE_ADDRESS, seconds=IN_SECONDS, now=now)
    for_reader = throttle.allows("enquire-for", reader, most=MOST_FOR_ONE_READER, seconds=IN_SECONDS, now=now)
    if not (from_here and for_reader):
        raise TooManyEnquiries(location)
    referral, made = _create_once(
        entry_key,
        location=location,
        source=Referral.Source.PUBLIC_PAGE,
        given_name=given_name,
        family_name=family_name,
        email=email.lower(),
        phone=phone,
        reach_by=reach_by,
        message=message,
        agrees_to_email=agrees_to_email and bool(email),
        received_at=now,
    )
    if made:
        _put_before_the_desk(by=None, referral=referral, now=now)
        if referral.email:
            outbox.queue(
                by=None,
                kind="enquiry_received",
                to=outbox.Recipient(
                    kind=OutboundMessage.RecipientKind.ENQUIRER,
                    id=referral.pk,
                    address=referral.email,
                    tz=location.tz,
                ),
                subject_type="referral",
                subject_id=referral.pk,
                location_id=location.pk,
                now=now,
            )
    return referral


@transaction.atomic
def enter(
    *,
    by: User,
    location: Location,
    entry_key: uuid.UUID,
    source: str,
    given_name: str,
    family_name: str,
    email: str,
    phone: str,
    reach_by: str,
    message: str,
    agrees_to_email: bool,
    now: datetime,
) -> Referral:
    """Return the enquiry that somebody at the desk took down; entered twice by one press of the button, it is one."""
    referral, made = _create_once(
        entry_key,
        location=location,
        source=source,
        given_name=given_name,
        family_name=family_name,
        email=email.lower(),
        phone=phone,
        reach_by=reach_by,
        message=message,
        agrees_to_email=agrees_to_email and bool(email),
        received_at=now,
    )
    if made:
        _put_before_the_desk(by=by, referral=referral, now=now)
    return referral


def _create_once(entry_key: uuid.UUID, **fields: object) -> tuple[Referral, bool]:
    """Return the new row and True, or the row that the same form made a moment ago and False.

    A form that was shown once and filled in for somebody else, as a browser's Back allows, is another enquiry.
    """
    try:
        with transaction.atomic():
            return Referral.objects.create(pk=entry_key, **fields), True
    except IntegrityError:
        first = Referral.objects.filter(pk=entry_key).first()
        said = ("location", "given_name", "family_name", "email", "phone", "message")
        if first is not None and all(getattr(first, name) == fields[name] for name in said):
            return first, False
        return Referral.objects.create(**fields), True


def _put_before_the_desk(*, by: User | None, referral: Referral, now: datetime) -> None:
    audit.record(by, audit.Verb.REFERRAL_RECEIVED, referral, now=now, details={"source": referral.source})
    _ask_the_desk(by=by, kind=WorkItem.Kind.REFERRAL, referral=referral, now=now)
    crisis.review(
        by=by, text=referral.message, location=referral.location, subject_type="referral", subject_id=referral.pk,
        patient=None, now=now,
    )  # fmt: skip


def _ask_the_desk(*, by: User | None, kind: WorkItem.Kind, referral: Referral, now: datetime) -> None:
    worklist.open_item(
        by=by,
        kind=kind,
        location=referral.location,
        subject_type="referral",
        subject_id=referral.pk,
        due_at=businessdays.end_of_next(location=referral.location, now=now),
        owner_role=Role.FRONT_DESK,
        now=now,
    )


def _locked(referral: Referral) -> Referral:
    rows = Referral.objects.select_for_update(no_key=True, of=("self",)).select_related("location")
    return rows.get(pk=referral.pk)


@transaction.atomic
def accept(*, by: User, referral: Referral, now: datetime) -> Referral:
    """Return the enquiry, accepted: the clinic will see this person. Refuses one that somebody decided already."""
    referral = _locked(referral)
    if not referral.can_be_accepted:
        raise AlreadyDecided(referral)
    referral.status, referral.accepted_at, referral.decided_by = Referral.Status.ACCEPTED, now, by
    referral.save(update_fields=["status", "accepted_at", "decided_by"])
    audit.record(by, audit.Verb.REFERRAL_ACCEPTED, referral, now=now)
    _take_off_the_desk(by=by, referral=referral, outcome=WorkItem.Outcome.DONE, now=now)
    # Who was told "yes" waits for a date, and no list of new enquiries shows them any more.
    _ask_the_desk(by=by, kind=WorkItem.Kind.INTAKE_TO_BOOK, referral=referral, now=now)
    return referral


@transaction.atomic
def decline(*, by: User, referral: Referral, reason: str, note: str, now: datetime) -> Referral:
    """Return the enquiry, declined for a reason. Refuses one that is booked, closed or declined already."""
    referral = _locked(referral)
    if not referral.can_be_declined:
        raise AlreadyDecided(referral)
    referral.status, referral.declined_at, referral.decided_by = Referral.Status.DECLINED, now, by
    referral.decline_reason, referral.decline_note = reason, note
    referral.save(update_fields=["status", "declined_at", "decided_by", "decline_reason", "decline_note"])
    audit.record(by, audit.Verb.REFERRAL_DECLINED, referral, now=now, details={"reason": reason})
    _take_off_the_desk(by=by, referral=referral, outcome=WorkItem.Outcome.REFUSED, now=now)
    return referral


@transaction.atomic
def close(*, by: User, referral: Referral, now: datetime) -> Referral:
    """Return the enquiry, closed: nothing more is to be done about it. Refuses a new one, which wants a decision."""
    referral = _locked(referral)
    if not referral.can_be_closed:
        raise AlreadyDecided(referral)
    referral.status, referral.closed_at, referral.decided_by = Referral.Status.CLOSED, now, by
    referral.save(update_fields=["status", "closed_at", "decided_by"])
    audit.record(by, audit.Verb.REFERRAL_CLOSED, referral, now=now)
    _take_off_the_desk(by=by, referral=referral, outcome=WorkItem.Outcome.DONE, now=now)
    return referral


@transaction.atomic
def link(*, by: User, referral: Referral, patient: Patient, now: datetime) -> Referral:
    """Return the accepted enquiry, now belonging to a patient we know. Linking twice to the same person is once.

    Refuses an enquiry that is not accepted or that belongs to somebody else, and a patient who has died.
    """
    patient = Patient.objects.select_for_update(no_key=True, of=("self",)).get(pk=patient.pk)
    referral = _locked(referral)
    if referral.patient_id == patient.pk:
        return referral
    _guard_without_patient(referral)
    if patient.life_state == LifeState.DECEASED:
        raise NobodyToLink
    return _link(by=by, referral=referral, patient=patient, now=now)


def _link(*, by: User, referral: Referral, patient: Patient, now: datetime) -> Referral:
    referral.patient = patient
    referral.save(update_fields=["patient"])
    audit.record(by, audit.Verb.REFERRAL_LINKED, referral, now=now)
    return referral


def _guard_without_patient(referral: Referral) -> None:
    if referral.patient_id is not None:
        raise AlreadyLinked
    if not referral.can_be_registered:
        raise AlreadyDecided(referral)


@transaction.atomic(savepoint=False)
def link_registered(*, by: User, referral: Referral, patient: Patient, now: datetime) -> Referral:
    """Return the enquiry that ``lock_to_register`` locked, belonging to the patient registered from it since then."""
    return _link(by=by, referral=referral, patient=patient, now=now)


def lock_to_register(*, referral: Referral) -> Referral:
    """Return the enquiry, locked for the act that registers its person and then calls ``link_registered``.

    Refuses one that is not accepted or that belongs to somebody.
    """
    referral = _locked(referral)
    _guard_without_patient(referral)
    return referral


@transaction.atomic
def unlink(*, by: User, referral: Referral, reason: Referral.UnlinkReason, now: datetime) -> Referral:
    """Return the accepted enquiry, belonging to nobody again: it was linked to the wrong patient.

    The audit keeps whose it was, on that patient's trail. Refuses one that belongs to nobody, and one from which a visit
    is booked or that is closed.
    """
    referral = _locked(referral)
    was = referral.patient_id
    if was is None:
        raise NotLinked
    if not referral.can_be_unlinked:
        raise LinkIsUsed(referral)
    referral.patient = None
    referral.save(update_fields=["patient"])
    audit.record(by, audit.Verb.REFERRAL_UNLINKED, referral, now=now, patient_id=was, details={"reason": reason})
    return referral


@transaction.atomic
def mark_booked(*, by: User, referral: Referral, now: datetime) -> Referral:
    """Return the enquiry, booked: called by the act that books the intake, in its transaction, with the row it locked.

    Refuses one that is not accepted or whose person is not registered.
    """
    if not referral.can_be_booked:
        raise NotReadyToBook
    referral.status, referral.booked_at = Referral.Status.BOOKED, now
    referral.save(update_fields=["status", "booked_at"])
    audit.record(by, audit.Verb.REFERRAL_BOOKED, referral, now=now)
    _take_off_the_desk(by=by, referral=referral, outcome=WorkItem.Outcome.DONE, now=now)
    return referral


@transaction.atomic
def reopen(*, by: User, referral: Referral, now: datetime) -> Referral:
    """Return the booked enquiry, accepted again and with the desk, because its intake was cancelled.

    Any other state is left as it is.
    """
    referral = _locked(referral)
    if referral.status != Referral.Status.BOOKED:
        return referral
    referral.status, referral.accepted_at, referral.booked_at = Referral.Status.ACCEPTED, now, None
    referral.save(update_fields=["status", "accepted_at", "booked_at"])
    audit.record(by, audit.Verb.REFERRAL_REOPENED, referral, now=now)
    _ask_the_desk(by=by, kind=WorkItem.Kind.INTAKE_TO_BOOK, referral=referral, now=now)
    return referral


def _take_off_the_desk(*, by: User, referral: Referral, outcome: WorkItem.Outcome, now: datetime) -> None:
    worklist.close_about(
        by=by, kind=WorkItem.Kind.REFERRAL, or_kind=WorkItem.Kind.INTAKE_TO_BOOK, subject_id=referral.pk,
        outcome=outcome, now=now,
    )  # fmt: skip
