"""The patient's way into the portal: invited by a letter, joined with a link and a birth date, suspended.

Who the patient is and how they are reached is in ``patients.actions.patients``, which closes the portal by what is here.
"""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pghistory
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from clinic import audit, businessdays, localtime, throttle, tokens
from clinic.actions import outbox, worklist
from clinic.errors import Refused
from clinic.models import OutboundMessage, Role, User, WorkItem
from patients.models import Patient, PortalInvitation, PortalSuspension

INVITATION_LASTS = timedelta(days=14)
# So many wrong birth dates close an invitation: whoever has the link is not who it was sent to.
MOST_FAILED_CHECKS = 5
MOST_CHECKS_FROM_ONE_ADDRESS = 20
IN_SECONDS = 3600
# Why a letter was withdrawn; the sentence for the desk is in patients/letters.py.
INVITATION_OVER = "invitation_over"


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


def locked_patient(patient: Patient) -> Patient:
    """Return the patient, held for this transaction, with the home location."""
    # Without the portal's user: joined, it would be nobody where the patient joined while we waited.
    rows = Patient.objects.select_for_update(no_key=True, of=("self",)).select_related("home_location")
    return rows.get(pk=patient.pk)


def at_address(patient: Patient, address: str) -> outbox.Recipient:
    """Return the patient as whom a letter goes to, at an address of theirs."""
    return outbox.Recipient(
        kind=OutboundMessage.RecipientKind.PATIENT,
        id=patient.pk,
        address=address,
        tz=patient.tz,
        language=patient.letter_language,
    )


@transaction.atomic
def invite_to_portal(*, by: User, patient: Patient, now: datetime) -> PortalInvitation:
    """Return the invitation that goes to the patient's e-mail: one link, good once and for fourteen days.

    Refuses a patient with an open portal or an open invitation, without an e-mail, who is not written to, or whose
    e-mail signs in or invites somebody else.
    """
    patient = locked_patient(patient)
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
        by=by, kind="portal_invitation", to=at_address(patient, patient.email), subject_type="portalinvitation",
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
    patient = locked_patient(patient)
    invitation = withdraw_open_invitation(by=by, patient=patient, reason="withdrawn", now=now)
    if invitation is None:
        raise NoOpenInvitation
    return invitation


def withdraw_open_invitation(
    *, by: User | None, patient: Patient, reason: str, now: datetime
) -> PortalInvitation | None:
    """Return the open invitation of the locked patient, withdrawn with its letter; None where none is open."""
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
    patient = locked_patient(patient)
    if not patient.has_portal:
        raise NoPortal
    fields = close_portal(patient, reason, now)
    patient.version += 1
    patient.save(update_fields=[*fields, "version"])
    audit.record(by, audit.Verb.PORTAL_SUSPENDED, patient, now=now, details={"reason": reason})
    return patient


def close_portal(patient: Patient, reason: PortalSuspension, now: datetime) -> list[str]:
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
        patient = locked_patient(found.patient)
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
    withdraw_open_invitation(by=None, patient=patient, reason="failed_checks", now=now)
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
