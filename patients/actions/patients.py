"""Patients: registered, corrected, moved through the states of care; their addresses and their way into the portal."""

import uuid
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import pghistory
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext_lazy as _

from clinic import audit, businessdays, localtime, throttle, tokens
from clinic.access import Permission
from clinic.actions import outbox, worklist
from clinic.errors import Refused
from clinic.models import Category, Channel, Location, OutboundMessage, Role, User, WorkItem
from patients import search
from patients.actions import preferences, referrals
from patients.duplicates import Facts, Match
from patients.models import (
    LIFE_MOVES,
    AddressChange,
    ContactPreference,
    LifeState,
    Patient,
    PortalInvitation,
    PortalSuspension,
    Referral,
)

INVITATION_LASTS = timedelta(days=14)
# So many wrong birth dates close an invitation: whoever has the link is not who it was sent to.
MOST_FAILED_CHECKS = 5
MOST_CHECKS_FROM_ONE_ADDRESS = 20
IN_SECONDS = 3600
# Why a letter was withdrawn; the sentences for the desk are in patients/letters.py.
INVITATION_OVER = "invitation_over"
LIFE_STATE = "life_state"


class LooksKnown(Refused):
    """Somebody with much in common is registered. ``matches`` says who, and what speaks for it."""

    def __init__(self, matches: list[tuple[Patient, Match]]) -> None:
        self.matches = matches
        super().__init__(_("This may be somebody we know. Look at the people below before registering anybody anew."))


class CannotBeReached(Refused):
    """A patient without a phone and an e-mail cannot be told anything."""

    def __init__(self) -> None:
        super().__init__(_("Enter a phone or an e-mail: without either the patient cannot be reached."))


class NotBornYet(Refused):
    """A birth date in the future."""

    def __init__(self) -> None:
        super().__init__(_("This birth date is in the future. Check the year."))


class ChangedMeanwhile(Refused):
    """Somebody saved the record while this person was editing it."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "Somebody changed this record while you were editing it. Nothing of yours is saved yet: see below what is different now, then save again."
            )
        )


class NoSuchMove(Refused):
    """One state of care does not follow the other."""

    def __init__(self, patient: Patient, to: LifeState) -> None:
        super().__init__(
            _("A patient who is %(now)s cannot become %(then)s. Reload the page to see the state of care.")
            % {"now": patient.get_life_state_display(), "then": to.label}
        )


class DeathIsTakenBackByManagers(Refused):
    """Only a manager takes back a death that was entered by mistake."""

    def __init__(self) -> None:
        super().__init__(_("A death entered by mistake is taken back by a manager."))


class GetsNoLetters(Refused):
    """Nobody writes to patients who were discharged or have died."""

    def __init__(self, patient: Patient) -> None:
        super().__init__(
            _("This patient is %(state)s and is not written to.") % {"state": patient.get_life_state_display()}
        )


class HasNoEmail(Refused):
    """An invitation goes to an e-mail address."""

    def __init__(self) -> None:
        super().__init__(_("There is no e-mail to invite to. Add the patient's own address first."))


class HasPortal(Refused):
    """The patient signs in already."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "This patient has the portal already. If they no longer read the address they sign in with, suspend the portal first, then invite them anew."
            )
        )


class AlreadyInvited(Refused):
    """One open invitation at a time."""

    def __init__(self, invitation: PortalInvitation, tz: ZoneInfo) -> None:
        super().__init__(
            _("An invitation is on its way and good until %(when)s. Withdraw it to send another.")
            % {"when": localtime.moment_text(invitation.expires_at, tz)}
        )


class AddressIsSomebodyElses(Refused):
    """A sign-in address is one person's, though letters may go to a shared one."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "This e-mail already opens the portal for somebody else, and a sign-in address is one person's. Ask the patient for an address that only they read, save it under “E-mail”, and invite them again. Letters may go to a shared address; the portal may not."
            )
        )


class NoOpenInvitation(Refused):
    """There is nothing to withdraw."""

    def __init__(self) -> None:
        super().__init__(_("There is no open invitation: it was used, withdrawn, or has run out."))


class NoPortal(Refused):
    """There is nothing to suspend."""

    def __init__(self) -> None:
        super().__init__(_("This patient has no open portal."))


class CannotJoin(Refused):
    """One sentence for a wrong, used, withdrawn or expired link and for a wrong birth date."""

    def __init__(self) -> None:
        super().__init__(
            _(
                "This link and this birth date do not open an invitation. The link may have been used or have run out, or the date may be mistyped. If you have joined already, sign in with your e-mail. Otherwise call us and we will send you a new link."
            )
        )


class AlreadyJoined(Refused):
    """The right person comes back with the link they used."""

    def __init__(self) -> None:
        super().__init__(_("You have joined already. Sign in with your e-mail: we send you a code each time."))


class NothingAsked(Refused):
    """A wish without content."""

    def __init__(self) -> None:
        super().__init__(_("Enter a new e-mail or a new phone."))


class AlreadyAsked(Refused):
    """One open wish at a time."""

    def __init__(self) -> None:
        super().__init__(
            _("You have asked for a change already. We will call you about it; please call us if it is urgent.")
        )


class AlreadySettled(Refused):
    """Somebody settled the wish first."""

    def __init__(self) -> None:
        super().__init__(_("Somebody has answered this already. Reload the page to see what is recorded now."))


@dataclass(frozen=True)
class Identity:
    """Everything the desk may write about who a patient is and how to reach them. ``phone`` is in E.164."""

    given_name: str
    family_name: str
    birth_date: date
    email: str = ""
    phone: str = ""
    middle_name: str = ""
    chosen_name: str = ""
    pronouns: str = ""
    sex_at_birth: str = Patient.Sex.UNKNOWN
    street: str = ""
    city: str = ""
    state: str = ""
    postcode: str = ""
    time_zone: str = ""
    # "" and None: nobody asked yet.
    language: str = ""
    needs_interpreter: bool | None = None
    access_needs: str = ""


def _checked(identity: Identity, now: datetime, location: Location) -> Identity:
    if not identity.email and not identity.phone:
        raise CannotBeReached
    if identity.birth_date > localtime.day_of(now, location.tz):
        raise NotBornYet
    return replace(identity, email=identity.email.lower(), state=identity.state.upper())


def next_mrn() -> str:
    """Return a record number nobody had before. A registration that fails leaves a gap, and gaps mean nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('patient_mrn')")
        return f"SW-{cursor.fetchone()[0]}"


@transaction.atomic
def register(
    *,
    by: User,
    entry_key: uuid.UUID,
    location: Location,
    identity: Identity,
    now: datetime,
    referral: Referral | None = None,
    email_consent: ContactPreference.Evidence | None = None,
    is_surely_new: bool = False,
) -> Patient:
    """Return the new patient with a record number; the enquiry, when named, belongs to them from now on.

    ``email_consent`` is how we know that they agree to e-mails about visits; None writes no answer. ``is_surely_new``
    says that a person looked at the people who seem alike. ``entry_key`` belongs to one showing of the form: pressed
    twice, it registers once. Refuses people we seem to know, and an enquiry that is not accepted or has its patient.
    """
    identity = _checked(identity, now, location)
    first = Patient.objects.filter(pk=entry_key).first()
    if first is not None:
        if (first.given_name, first.family_name, first.birth_date, first.home_location_id) == (
            identity.given_name, identity.family_name, identity.birth_date, location.pk,
        ):  # fmt: skip
            return first
        entry_key = uuid.uuid4()
    if referral is not None:
        referral = referrals.lock_to_register(referral=referral)
    if not is_surely_new:
        known = Patient.objects.visible_to(by, Permission.PATIENT_READ, now)
        matches = search.known_as(known, _facts(identity))
        if matches:
            raise LooksKnown(matches)
    try:
        with transaction.atomic():
            patient = Patient.objects.create(
                pk=entry_key,
                mrn=next_mrn(),
                home_location=location,
                life_state=LifeState.ENQUIRER,
                life_state_since=now,
                registered_at=now,
                **asdict(identity),
            )
    except IntegrityError:
        # The other half of a double press won the race; it is the same person from the same form.
        return Patient.objects.get(pk=entry_key)
    audit.record(by, audit.Verb.PATIENT_REGISTERED, patient, now=now)
    if referral is not None:
        referrals.link_registered(by=by, referral=referral, patient=patient, now=now)
    if email_consent is not None and patient.email:
        agreed = preferences.Answer(category=Category.VISIT, channel=Channel.EMAIL, is_allowed=True)
        preferences.answer(by=by, patient=patient, answers=[agreed], evidence=email_consent, now=now)
    return patient


def _facts(identity: Identity) -> Facts:
    return Facts(
        given_name=identity.given_name,
        family_name=identity.family_name,
        chosen_name=identity.chosen_name,
        birth_date=identity.birth_date,
        email=identity.email,
        phone=identity.phone,
    )


def _locked(patient: Patient) -> Patient:
    # Without the portal's user: joined, it would be nobody where the patient joined while we waited.
    rows = Patient.objects.select_for_update(no_key=True, of=("self",)).select_related("home_location")
    return rows.get(pk=patient.pk)


@transaction.atomic
def edit(*, by: User, patient: Patient, version: int, identity: Identity, now: datetime) -> Patient:
    """Return the patient as corrected. ``version`` is the one the editor was shown.

    A changed e-mail is traced, the old address is told, and an open invitation to it is withdrawn. Refuses when
    somebody else saved meanwhile.
    """
    patient = _locked(patient)
    identity = _checked(identity, now, patient.home_location)
    if patient.version != version:
        raise ChangedMeanwhile
    return _write_identity(by=by, patient=patient, identity=identity, now=now)


class IdentityChanged(Protocol):
    def __call__(self, *, by: User, patient: Patient, now: datetime) -> None: ...


_told_of_identity: list[IdentityChanged] = []


def register_identity_changed(tell: IdentityChanged) -> None:
    """Say who is told, in the same transaction, that a birth date or a sex was corrected: the floor that reasons with them."""
    _told_of_identity[:] = [tell]


def _write_identity(*, by: User, patient: Patient, identity: Identity, now: datetime) -> Patient:
    """Write what differs into the locked patient, with all that follows from a new address."""
    changed = [name for name, value in asdict(identity).items() if getattr(patient, name) != value]
    if not changed:
        return patient
    old_email = patient.email
    for name in changed:
        setattr(patient, name, getattr(identity, name))
    patient.version += 1
    patient.save(update_fields=[*changed, "version"])
    audit.record(by, audit.Verb.PATIENT_CHANGED, patient, now=now, details={"fields": sorted(changed)})
    if {"birth_date", "sex_at_birth"} & set(changed):
        for tell in _told_of_identity:
            tell(by=by, patient=patient, now=now)
    moved = sorted({"email", "phone"} & set(changed))
    if moved:
        audit.record(by, audit.Verb.PATIENT_ADDRESS_CHANGED, patient, now=now, details={"fields": moved})
    if "email" in moved:
        _withdraw_open_invitation(by=by, patient=patient, reason="address_changed", now=now)
        if old_email and patient.gets_letters:
            outbox.queue(
                by=by, kind="address_changed", to=_at(patient, old_email), subject_type="patient",
                subject_id=patient.pk, schedule_version=patient.version, location_id=patient.home_location_id, now=now,
            )  # fmt: skip
    return patient


def _at(patient: Patient, address: str) -> outbox.Recipient:
    return outbox.Recipient(
        kind=OutboundMessage.RecipientKind.PATIENT,
        id=patient.pk,
        address=address,
        tz=patient.tz,
        language=patient.letter_language,
    )


@transaction.atomic
def change_life_state(*, by: User, patient: Patient, to: LifeState, now: datetime) -> Patient:
    """Return the patient in another state of care.

    Discharge and death stop letters and withdraw an open invitation; death closes the portal. Refuses a state that does
    not follow the present one, and the taking back of a death.
    """
    patient = _locked(patient)
    if patient.life_state == to:
        return patient
    if patient.is_deceased:
        raise DeathIsTakenBackByManagers
    return _move(by=by, patient=patient, to=to, now=now)


@transaction.atomic
def take_back_death(*, by: User, patient: Patient, now: datetime) -> Patient:
    """Return the patient, discharged: the death was entered by mistake. The portal stays closed until invited anew.

    Refuses a patient who is not recorded as deceased.
    """
    patient = _locked(patient)
    if not patient.is_deceased:
        raise NoSuchMove(patient, LifeState.DISCHARGED)
    return _move(by=by, patient=patient, to=LifeState.DISCHARGED, now=now)


def _move(*, by: User, patient: Patient, to: LifeState, now: datetime) -> Patient:
    was = LifeState(patient.life_state)
    if to not in LIFE_MOVES[was]:
        raise NoSuchMove(patient, to)
    patient.life_state, patient.life_state_since, patient.version = to, now, patient.version + 1
    fields = ["life_state", "life_state_since", "version"]
    if to == LifeState.DECEASED and patient.has_portal:
        fields += _close_portal(patient, PortalSuspension.DECEASED, now)
    patient.save(update_fields=fields)
    audit.record(by, audit.Verb.PATIENT_LIFE_STATE_CHANGED, patient, now=now, details={"from": was, "to": to})
    if not to.gets_letters:
        _withdraw_open_invitation(by=by, patient=patient, reason="life_state", now=now)
        outbox.void(subject_type="patient", subject_id=patient.pk, reason=LIFE_STATE, now=now)
    return patient


@transaction.atomic
def invite_to_portal(*, by: User, patient: Patient, now: datetime) -> PortalInvitation:
    """Return the invitation that goes to the patient's e-mail: one link, good once and for fourteen days.

    Refuses a patient with an open portal or an open invitation, without an e-mail, who is not written to, or whose
    e-mail signs in or invites somebody else.
    """
    patient = _locked(patient)
    if not patient.gets_letters:
        raise GetsNoLetters(patient)
    if patient.has_portal:
        raise HasPortal
    if not patient.email:
        raise HasNoEmail
    last = PortalInvitation.objects.filter(patient=patient, used_at=None, withdrawn_at=None).first()
    if last is not None:
        if last.is_open(now):
            raise AlreadyInvited(last, patient.home_location.tz)
        last.withdrawn_at = now
        last.save(update_fields=["withdrawn_at"])
    _address_must_be_free(patient, patient.email, now)
    token = tokens.new()
    invitation = PortalInvitation.objects.create(
        patient=patient,
        email=patient.email,
        token_hash=tokens.hash_of(token),
        invited_by=by,
        invited_at=now,
        expires_at=now + INVITATION_LASTS,
    )
    audit.record(by, audit.Verb.PORTAL_INVITED, invitation, now=now, location_id=patient.home_location_id)
    outbox.queue(
        by=by, kind="portal_invitation", to=_at(patient, patient.email), subject_type="portalinvitation",
        subject_id=invitation.pk, location_id=patient.home_location_id, secret={"token": token},
        useful_until=invitation.expires_at, now=now,
    )  # fmt: skip
    return invitation


def _address_must_be_free(patient: Patient, email: str, now: datetime) -> None:
    others = User.objects.filter(email=email.lower())
    if patient.portal_user_id is not None:
        others = others.exclude(pk=patient.portal_user_id)
    other_invited = PortalInvitation.objects.open(now).filter(email=email).exclude(patient=patient).exists()
    if others.exists() or other_invited:
        raise AddressIsSomebodyElses


@transaction.atomic
def withdraw_portal_invitation(*, by: User, patient: Patient, now: datetime) -> PortalInvitation:
    """Return the invitation, withdrawn, with its letter. Refuses when none is open."""
    patient = _locked(patient)
    invitation = _withdraw_open_invitation(by=by, patient=patient, reason="withdrawn", now=now)
    if invitation is None:
        raise NoOpenInvitation
    return invitation


def _withdraw_open_invitation(
    *, by: User | None, patient: Patient, reason: str, now: datetime
) -> PortalInvitation | None:
    invitation = PortalInvitation.objects.filter(patient=patient, used_at=None, withdrawn_at=None).first()
    if invitation is None:
        return None
    invitation.withdrawn_at = now
    invitation.save(update_fields=["withdrawn_at"])
    outbox.void(subject_type="portalinvitation", subject_id=invitation.pk, reason=INVITATION_OVER, now=now)
    audit.record(
        by, audit.Verb.PORTAL_INVITATION_WITHDRAWN, invitation, now=now, location_id=patient.home_location_id,
        details={"reason": reason},
    )  # fmt: skip
    return invitation


@transaction.atomic
def suspend_portal(*, by: User, patient: Patient, reason: PortalSuspension, now: datetime) -> Patient:
    """Return the patient, whose portal is closed at once: signed out everywhere, passkeys gone, until invited anew.

    Refuses a patient without an open portal.
    """
    patient = _locked(patient)
    if not patient.has_portal:
        raise NoPortal
    fields = _close_portal(patient, reason, now)
    patient.version += 1
    patient.save(update_fields=[*fields, "version"])
    audit.record(by, audit.Verb.PORTAL_SUSPENDED, patient, now=now, details={"reason": reason})
    return patient


def _close_portal(patient: Patient, reason: PortalSuspension, now: datetime) -> list[str]:
    """Close the sign-in behind the locked patient, end its sessions, and return the fields to save."""
    user = patient.portal_user
    assert user is not None
    user.is_active = False
    # Should Redis be away and remember a session, it is over all the same, even when the patient joins again.
    user.session_epoch += 1
    user.save(update_fields=["is_active", "session_epoch"])
    Authenticator.objects.filter(user=user).delete()
    for session in UserSession.objects.filter(user=user):
        session.end()
    patient.portal_suspended_at, patient.portal_suspension = now, reason
    return ["portal_suspended_at", "portal_suspension"]


def join_portal(*, token: str, birth_date: date, address: str, now: datetime) -> Patient:
    """Return the patient whose link and birth date these are, with a sign-in of their own.

    The first join makes the user behind the patient; a later one, after a suspension, gives that user its new address.
    Refuses with one sentence whatever is wrong; the fifth wrong birth date closes the link and asks the desk to call.
    """
    if not throttle.allows("join", address, most=MOST_CHECKS_FROM_ONE_ADDRESS, seconds=IN_SECONDS, now=now):
        raise CannotJoin
    found = PortalInvitation.objects.filter(token_hash=tokens.hash_of(token)).select_related("patient").first()
    if found is None:
        raise CannotJoin
    # The count of failures has to stay though the person is refused, so the refusal is raised after the transaction.
    with transaction.atomic():
        patient = _locked(found.patient)
        invitation = PortalInvitation.objects.select_for_update(no_key=True).get(pk=found.pk)
        refusal = _why_not(patient, invitation, birth_date, now)
        if refusal is None:
            with pghistory.context(user=str(patient.portal_user_id or "")):
                return _open_portal(patient, invitation, now)
        if patient.birth_date != birth_date and invitation.failed_checks < MOST_FAILED_CHECKS:
            _count_failure(patient, invitation, now)
    raise refusal


def _why_not(patient: Patient, invitation: PortalInvitation, birth_date: date, now: datetime) -> Refused | None:
    knows = patient.birth_date == birth_date and invitation.failed_checks < MOST_FAILED_CHECKS
    if knows and invitation.used_at is not None and patient.has_portal:
        return AlreadyJoined()
    if not knows or not invitation.is_open(now) or not patient.gets_letters or patient.has_portal:
        return CannotJoin()
    try:
        _address_must_be_free(patient, invitation.email, now)
    except AddressIsSomebodyElses:
        return CannotJoin()
    return None


def _count_failure(patient: Patient, invitation: PortalInvitation, now: datetime) -> None:
    invitation.failed_checks += 1
    invitation.save(update_fields=["failed_checks"])
    audit.record(
        None, audit.Verb.PORTAL_JOIN_REFUSED, invitation, now=now, location_id=patient.home_location_id,
        details={"failed_checks": invitation.failed_checks},
    )  # fmt: skip
    if invitation.failed_checks < MOST_FAILED_CHECKS or invitation.used_at is not None:
        return
    _withdraw_open_invitation(by=None, patient=patient, reason="failed_checks", now=now)
    worklist.open_item(
        by=None, kind=WorkItem.Kind.CALL_PATIENT, location=patient.home_location, owner_role=Role.FRONT_DESK,
        subject_type="patient", subject_id=patient.pk, patient_id=patient.pk, now=now,
        due_at=businessdays.end_of_next(location=patient.home_location, now=now),
    )  # fmt: skip


def _open_portal(patient: Patient, invitation: PortalInvitation, now: datetime) -> Patient:
    user = patient.portal_user
    if user is None:
        user = User(kind=User.Kind.PATIENT, email=invitation.email, name=patient.full_name[:120], created_at=now)
        user.set_unusable_password()
        user.save()
    else:
        user.email, user.is_active, user.name = invitation.email, True, patient.full_name[:120]
        user.save(update_fields=["email", "is_active", "name"])
    EmailAddress.objects.filter(user=user).delete()
    EmailAddress.objects.create(user=user, email=invitation.email, verified=True, primary=True)
    patient.portal_user, patient.portal_since = user, now
    patient.portal_suspended_at, patient.portal_suspension = None, ""
    patient.version += 1
    patient.save(update_fields=["portal_user", "portal_since", "portal_suspended_at", "portal_suspension", "version"])
    invitation.used_at = now
    invitation.save(update_fields=["used_at"])
    audit.record(user, audit.Verb.PORTAL_JOINED, invitation, now=now, location_id=patient.home_location_id)
    return patient


@transaction.atomic
def ask_address_change(*, by: User, patient: Patient, email: str, phone: str, now: datetime) -> AddressChange:
    """Return the patient's wish to be reached elsewhere, put before the desk. Nothing changes until somebody called.

    Refuses an empty wish, and a second one while the first is open; the same wish again is the first.
    """
    if not email and not phone:
        raise NothingAsked
    patient = _locked(patient)
    email = email.lower()
    first = AddressChange.objects.open().filter(patient=patient).first()
    if first is not None:
        if (first.email, first.phone) == (email, phone):
            return first
        raise AlreadyAsked
    wish = AddressChange.objects.create(patient=patient, email=email, phone=phone, asked_at=now)
    audit.record(
        by, audit.Verb.PATIENT_ADDRESS_CHANGE_ASKED, wish, now=now, location_id=patient.home_location_id,
        details={"fields": [name for name, value in (("email", email), ("phone", phone)) if value]},
    )  # fmt: skip
    worklist.open_item(
        by=by, kind=WorkItem.Kind.ADDRESS_CHANGED, location=patient.home_location, owner_role=Role.FRONT_DESK,
        subject_type="patient", subject_id=patient.pk, patient_id=patient.pk, now=now,
        due_at=businessdays.end_of_next(location=patient.home_location, now=now),
    )  # fmt: skip
    return wish


@transaction.atomic
def answer_address_change(*, by: User, wish: AddressChange, apply: bool, now: datetime) -> AddressChange:
    """Return the wish, settled: written into the record as any change of address, or refused.

    The desk has called the patient on a number known before. Refuses a wish that was settled already.
    """
    patient = _locked(wish.patient)
    wish = AddressChange.objects.select_for_update(no_key=True).get(pk=wish.pk)
    if wish.settled_at is not None:
        raise AlreadySettled
    wish.settled_at, wish.settled_by, wish.was_applied = now, by, apply
    wish.save(update_fields=["settled_at", "settled_by", "was_applied"])
    if apply:
        kept = identity_of(patient=patient)
        phone = wish.phone.as_e164 if wish.phone else kept.phone
        wanted = replace(kept, email=wish.email or kept.email, phone=phone)
        _write_identity(by=by, patient=patient, identity=wanted, now=now)
    else:
        audit.record(by, audit.Verb.PATIENT_ADDRESS_CHANGE_REFUSED, wish, now=now, location_id=patient.home_location_id)
    worklist.close_about(
        by=by, kind=WorkItem.Kind.ADDRESS_CHANGED, subject_id=patient.pk, now=now,
        outcome=WorkItem.Outcome.DONE if apply else WorkItem.Outcome.REFUSED,
    )  # fmt: skip
    return wish


def identity_of(*, patient: Patient) -> Identity:
    """Return what is recorded of a patient, as ``edit`` takes it."""
    values = {name: getattr(patient, name) for name in Identity.__dataclass_fields__}
    values["phone"] = patient.phone.as_e164 if patient.phone else ""
    return Identity(**values)
