"""Consents: signed by the patient, and taken back at once. Their wording is patients/actions/consenttexts.py.

What a consent that is missing or was taken back means for a visit is asked by the floors above, by query
(``patients.consentneeds``): nothing of theirs is written here.
"""

import uuid
from datetime import datetime, time, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from clinic import audit, businessdays, policy
from clinic.actions import outbox, signatures, worklist
from clinic.actions.signatures import Proof
from clinic.errors import Refused
from clinic.models import (
    EnrolledDevice,
    Membership,
    OutboundMessage,
    Role,
    Signature,
    User,
    WorkItem,
)
from patients import consentneeds, consenttexts, typednames
from patients.actions import preferences
from patients.models import (
    CareTeamMember,
    Consent,
    ConsentKind,
    ConsentText,
    ConsentWithdrawal,
    ContactPreference,
    Patient,
)

# Who took a consent back after hours is called the next morning.
CALL_BY = time(10)


class WordingChanged(Refused):
    """The words on the screen are not, or no longer, those in force."""

    def __init__(self) -> None:
        super().__init__(
            _("The words changed while you were reading, and nothing was signed. The words in force now are below. Please read them before you sign.")
        )  # fmt: skip


class NotTheNameOnRecord(Refused):
    """The typed name is not the legal name on record."""

    def __init__(self, patient: Patient) -> None:
        super().__init__(
            _("Type the whole legal name as it is in our records: %(name)s. Initials are not enough. If that name is wrong, call us first.")
            % {"name": patient.legal_name}
        )  # fmt: skip


class NeedsAnInterpreter(Refused):
    """The record says that the patient needs an interpreter, and none is named."""

    def __init__(self) -> None:
        super().__init__(
            _("Our records say that an interpreter is needed. Write the name of whoever read it to you in your language, or call us and we will find somebody.")
        )  # fmt: skip


class CapacityInDoubt(Refused):
    """A clinician wants to talk first. Said to the patient, so it is said kindly."""

    def __init__(self, phone: str) -> None:
        super().__init__(
            _("One of our clinicians would like to talk this over with you before you sign. Nothing is lost. Please call us at %(phone)s.")
            % {"phone": phone}
        )  # fmt: skip


class NotYours(Refused):
    """Somebody signs for somebody else."""

    def __init__(self) -> None:
        super().__init__(_("Only the patient signs this, in a session of their own or beside a clinician."))


class NoSignInToSignWith(Refused):
    """Without a portal there is no address we can send a code to and know whose it is."""

    def __init__(self) -> None:
        super().__init__(
            _("This patient has no open portal, so no code can be sent. Invite them to the portal, or let them sign on paper.")
        )  # fmt: skip


class HasDied(Refused):
    """Nobody signs for the dead."""

    def __init__(self) -> None:
        super().__init__(_("This patient has died. Nothing can be signed in their name."))


class NothingToTakeBack(Refused):
    """The consent ran out, or was only the receipt of a notice."""

    def __init__(self) -> None:
        super().__init__(_("There is nothing to take back here: it has run out, or it only says that a notice was received."))  # fmt: skip


class NoConcern(Refused):
    """Nobody doubts it."""

    def __init__(self) -> None:
        super().__init__(_("No doubt is open. Somebody may have settled it already: reload the page."))


@transaction.atomic
def sign(
    *,
    by: User,
    patient: Patient,
    text: ConsentText,
    seen: str,
    entry_key: uuid.UUID,
    typed_name: str,
    how: Consent.How,
    proof: Proof,
    now: datetime,
    interpreter: str = "",
    address: str | None = None,
    browser: str = "",
    device: EnrolledDevice | None = None,
) -> Consent:
    """Return the patient's consent to exactly the words in force, good for the policy's ``consent_valid_days``.

    ``seen`` is the hash of the words on the screen, ``entry_key`` belongs to one showing of the form: pressed twice, it
    signs once, and so do two forms. On paper ``by`` is the clinician who saw the patient sign, and signs for that.
    Refuses words that are not in force, another name, a missing interpreter, an open doubt about capacity, anybody who
    signs for the patient, and every proof that ``signatures.sign`` refuses.
    """
    patient = _locked(patient)
    signer = _signer(by, patient, how)
    first = Consent.objects.filter(pk=entry_key).first()
    if first is not None:
        is_same = (first.patient_id, first.text_id) == (patient.pk, text.pk)
        # A form that was kept in a window since before it was taken back is a new signature, or none.
        if is_same and Consent.objects.standing(now).filter(pk=first.pk).exists():
            return first
        entry_key = uuid.uuid4()
    if patient.is_deceased:
        raise HasDied
    if concerns(patient).exists():
        raise CapacityInDoubt(patient.home_location.phone)
    text = ConsentText.objects.get(pk=text.pk)
    if not ConsentText.objects.in_force(now).filter(pk=text.pk).exists() or text.text_hash != seen:
        raise WordingChanged
    already = Consent.objects.current(now).filter(patient=patient, text=text, expires_at__gt=now + consentneeds.SOON)
    if again := already.order_by("-signed_at").first():
        return again
    if not typednames.is_the_name(
        typed_name, given=patient.given_name, middle=patient.middle_name, family=patient.family_name
    ):
        raise NotTheNameOnRecord(patient)
    if patient.needs_interpreter and not interpreter:
        raise NeedsAnInterpreter
    signature = signatures.sign(
        by=by, signer=signer, proof=proof, subject_type="consent", subject_id=entry_key, device=device, now=now,
        purpose=Signature.Purpose.CONSENT_WITNESS if how == Consent.How.PAPER else Signature.Purpose.CONSENT,
        content=consenttexts.to_be_signed(consenttexts.wording_of(text), patient.pk), location=patient.home_location,
        patient_id=patient.pk,
    )  # fmt: skip
    valid_for = timedelta(days=policy.in_force(now).get("consent_valid_days"))
    consent = Consent.objects.create(
        pk=entry_key, patient=patient, text=text, signature=signature, typed_name=typed_name, how=how,
        language=text.language, interpreter=interpreter, address=address, browser=browser[:200], device=device,
        signed_at=now, expires_at=now + valid_for,
    )  # fmt: skip
    _audit_consent(by, audit.Verb.CONSENT_SIGNED, consent, now, how)
    _tell_of_the_copy(by=by, consent=consent, now=now)
    return consent


def is_whole(consent: Consent) -> bool:
    """Return whether the words on record are still, letter for letter, those that were signed by this patient."""
    content = consenttexts.to_be_signed(consenttexts.wording_of(consent.text), consent.patient_id)
    return signatures.matches(consent.signature, content)


def _locked(patient: Patient) -> Patient:
    # Without the portal's user: joined, it would be nobody where the patient joined while we waited.
    rows = Patient.objects.select_for_update(no_key=True, of=("self",)).select_related("home_location")
    return rows.get(pk=patient.pk)


def _signer(by: User, patient: Patient, how: Consent.How) -> User:
    """Return whose proof is asked for: never somebody whom the form names."""
    if how == Consent.How.PORTAL:
        if by.pk != patient.portal_user_id or not patient.has_portal:
            raise NotYours
        return by
    if not by.is_staff_member:
        raise NotYours
    return by if how == Consent.How.PAPER else who_signs(patient)


def who_signs(patient: Patient) -> User:
    """Return the sign-in that a code is sent to. Refuses a patient without one."""
    if patient.portal_user is None or not patient.has_portal:
        raise NoSignInToSignWith
    return patient.portal_user


def _audit_consent(by: User, verb: audit.Verb, consent: Consent, now: datetime, how: str) -> None:
    text = consent.text
    audit.record(
        by, verb, consent, now=now, location_id=consent.patient.home_location_id,
        details={"kind": text.kind, "route": text.route, "version": text.version, "how": how},
    )  # fmt: skip


def _tell_of_the_copy(*, by: User, consent: Consent, now: datetime) -> None:
    """Write that a copy is on the portal; whoever has none is given it on paper."""
    patient = consent.patient
    if not patient.has_portal or patient.portal_user is None or not patient.gets_letters:
        return
    outbox.queue(
        by=by, kind="consent_copy", subject_type="consent", subject_id=consent.pk, now=now,
        location_id=patient.home_location_id,
        to=outbox.Recipient(
            kind=OutboundMessage.RecipientKind.PATIENT, id=patient.pk, address=patient.portal_user.email, tz=patient.tz,
            language=patient.letter_language,
        ),
    )  # fmt: skip


def is_over(consent: Consent, now: datetime) -> bool:
    """Return whether there is nothing left to take back: it ran out, was taken back, or only says that a notice came."""
    stands = Consent.objects.standing(now).filter(pk=consent.pk).exists()
    return not (stands and ConsentKind(consent.text.kind).can_be_withdrawn)


def director_of(patient: Patient) -> str:
    """Return who answers for the treatment at the patient's location, by name; "" when nobody is named there."""
    here = Membership.objects.live().filter(location=patient.home_location_id, is_medical_director=True)
    return here.order_by("user__name").values_list("user__name", flat=True).first() or ""


_EVIDENCE = {
    ConsentWithdrawal.How.PORTAL: ContactPreference.Evidence.PORTAL,
    ConsentWithdrawal.How.PHONE: ContactPreference.Evidence.ASKED_BY_PHONE,
}


@transaction.atomic
def withdraw(
    *, by: User, consent: Consent, how: ConsentWithdrawal.How, now: datetime, words: str = ""
) -> ConsentWithdrawal:
    """Return the withdrawal, in force from this moment; the second time, the first.

    Every standing consent of that kind and route goes with it, so that none signed twice is left to count, nor one that was signed
    since by whoever takes back an older one on an older page. A clinician is asked to call. Taking back the agreement about messages stops all that were ticked. Refuses what has run out and the
    receipt of a notice.
    """
    _locked(consent.patient)
    consent = Consent.objects.select_related("text", "patient__home_location").get(pk=consent.pk)
    first, text = ConsentWithdrawal.objects.filter(consent=consent).first(), consent.text
    standing = Consent.objects.standing(now).filter(
        patient=consent.patient_id, text__kind=text.kind, text__route=text.route
    )
    alike = list(standing.select_related("text", "patient").order_by("signed_at", "id"))
    if not alike and first is not None:
        return first
    if not alike or not ConsentKind(text.kind).can_be_withdrawn:
        raise NothingToTakeBack
    rows = {}
    for one in alike:
        rows[one.pk] = ConsentWithdrawal.objects.create(
            consent=one, how=how, words=words, recorded_by=by, withdrawn_at=now
        )
        _audit_consent(by, audit.Verb.CONSENT_WITHDRAWN, one, now, how)
    if text.kind == ConsentKind.COMMUNICATIONS:
        _stop_messages(by=by, patient=consent.patient, how=how, now=now)
    _ask_to_call(by=by, patient=consent.patient, now=now)
    return rows.get(consent.pk) or rows[alike[-1].pk]


def _stop_messages(*, by: User, patient: Patient, how: ConsentWithdrawal.How, now: datetime) -> None:
    ticked = ContactPreference.objects.current().filter(patient=patient, is_allowed=True)
    stop = [preferences.Answer(row.category, row.channel, is_allowed=False) for row in ticked]  # type: ignore[arg-type]  # stored as their values
    evidence = _EVIDENCE.get(how, ContactPreference.Evidence.ASKED_AT_DESK)
    preferences.answer(by=by, patient=patient, answers=stop, evidence=evidence, now=now)


def _ask_to_call(*, by: User, patient: Patient, now: datetime) -> None:
    """Ask whoever leads the care team to call the same day, or the prescribers where nobody leads it here any more."""
    here = Membership.objects.live().filter(location=patient.home_location_id, user__is_active=True)
    team = CareTeamMember.objects.live().filter(patient=patient, is_lead=True, user__in=here.values("user_id"))
    lead = team.select_related("user").first()
    worklist.open_item(
        by=by, kind=WorkItem.Kind.CONSENT_WITHDRAWN, location=patient.home_location, owner=lead.user if lead else None,
        owner_role=None if lead else Role.PRESCRIBER, subject_type="patient", subject_id=patient.pk,
        patient_id=patient.pk, now=now,
        due_at=businessdays.same_day_or_morning(location=patient.home_location, now=now, by=CALL_BY),
    )  # fmt: skip


def concerns(patient: Patient) -> QuerySet[WorkItem]:
    """Return the open doubts whether this patient can consent at present."""
    return WorkItem.objects.open().filter(kind=WorkItem.Kind.CAPACITY_CONCERN, subject_id=patient.pk)


@transaction.atomic
def raise_concern(*, by: User, patient: Patient, now: datetime) -> WorkItem:
    """Return the open doubt whether the patient can consent: nothing is signed until a clinician has settled it."""
    patient = _locked(patient)
    return worklist.open_item(
        by=by, kind=WorkItem.Kind.CAPACITY_CONCERN, location=patient.home_location, owner_role=Role.PRESCRIBER,
        subject_type="patient", subject_id=patient.pk, patient_id=patient.pk, now=now,
        due_at=businessdays.same_day_or_morning(location=patient.home_location, now=now, by=CALL_BY),
    )  # fmt: skip


@transaction.atomic
def settle_concern(*, by: User, patient: Patient, found: str, now: datetime) -> None:
    """Close the doubt with what was found: the patient may sign again. Refuses when none is open."""
    patient = _locked(patient)
    outcome = WorkItem.Outcome.DONE
    kind = WorkItem.Kind.CAPACITY_CONCERN
    if not worklist.close_about(by=by, kind=kind, subject_id=patient.pk, outcome=outcome, note=found, now=now):
        raise NoConcern
