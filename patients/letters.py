"""The letters whose subjects live in this app. None of them says what is treated here."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from clinic import letters
from clinic.models import Category, OutboundMessage, User, WorkItem
from patients.actions.patients import LIFE_STATE
from patients.actions.portal import INVITATION_OVER
from patients.models import Consent, Contact, Patient, PortalInvitation, Referral

CLOSED = "enquiry_closed"
READ = "read_already"
_LIFE_STATE_TEXT = _("The patient was discharged or has died.")


def _enquiry_received(message: OutboundMessage) -> dict[str, Any]:
    # Anybody may type any name into a public form.
    return {"called": letters.greeting_name(Referral.objects.get(pk=message.subject_id).given_name)}


def _enquiry_open(message: OutboundMessage, now: datetime) -> str:
    return CLOSED if Referral.Status(Referral.objects.get(pk=message.subject_id).status).is_final else ""


def _portal_invitation(message: OutboundMessage) -> dict[str, Any]:
    invitation = PortalInvitation.objects.select_related("patient").get(pk=message.subject_id)
    return {"called": letters.greeting_name(invitation.patient.called)}


def _invitation_open(message: OutboundMessage, now: datetime) -> str:
    invitation = PortalInvitation.objects.select_related("patient").get(pk=message.subject_id)
    if not invitation.is_open(now):
        return INVITATION_OVER
    return "" if invitation.patient.gets_letters else LIFE_STATE


def _address_changed(message: OutboundMessage) -> dict[str, Any]:
    return {"called": letters.greeting_name(Patient.objects.get(pk=message.subject_id).called)}


def _gets_letters(message: OutboundMessage, now: datetime) -> str:
    return "" if Patient.objects.get(pk=message.subject_id).gets_letters else LIFE_STATE


def _read_now(message: OutboundMessage) -> dict[str, Any]:
    name = User.objects.filter(pk__in=[message.recipient_id]).values_list("name", flat=True).first() or ""
    return {"called": letters.greeting_name(name), "url": settings.SITE_URL + reverse("clinic:worklist")}


def _still_unread(message: OutboundMessage, now: datetime) -> str:
    """Return why a page should no longer go: its reader has dealt with it, or works here no more."""
    is_open = WorkItem.objects.open().filter(pk=message.subject_id).exists()
    is_here = User.objects.filter(pk__in=[message.recipient_id], is_active=True, email=message.address).exists()
    return "" if is_open and is_here else READ


def _consent_copy(message: OutboundMessage) -> dict[str, Any]:
    patient = Consent.objects.select_related("patient").get(pk=message.subject_id).patient
    return {"called": letters.greeting_name(patient.called), "url": settings.SITE_URL + reverse("patients:my_consents")}


def _reads_copies(message: OutboundMessage, now: datetime) -> str:
    """Return why nobody needs to be told of the copy: no letters any more, or no pages to find it on."""
    patient = Consent.objects.select_related("patient").get(pk=message.subject_id).patient
    return "" if patient.gets_letters and patient.has_portal else LIFE_STATE


def _patient_names(ids: set[uuid.UUID]) -> Mapping[uuid.UUID, str]:
    return {patient.pk: patient.full_name for patient in Patient.objects.filter(pk__in=ids)}


def _contact_names(ids: set[uuid.UUID]) -> Mapping[uuid.UUID, str]:
    return dict(Contact.objects.filter(pk__in=ids).values_list("pk", "name"))


def _enquirer_names(ids: set[uuid.UUID]) -> Mapping[uuid.UUID, str]:
    return {referral.pk: referral.full_name for referral in Referral.objects.filter(pk__in=ids)}


def register_own() -> None:
    """Declare this app's letters in clinic.letters, and whose names it knows."""
    kinds = OutboundMessage.RecipientKind
    letters.register_names(kinds.PATIENT, _patient_names)
    letters.register_names(kinds.CONTACT, _contact_names)
    letters.register_names(kinds.ENQUIRER, _enquirer_names)
    letters.register(
        letters.Letter(
            kind="enquiry_received",
            label=_("We have your message"),
            folder="patients/letters/enquiry_received",
            category=Category.REPLY,
            context=_enquiry_received,
            still_wanted=_enquiry_open,
            reasons={CLOSED: _("The enquiry was declined or closed before the letter left.")},
        )
    )
    letters.register(
        letters.Letter(
            kind="portal_invitation",
            label=_("Invitation to the portal"),
            folder="patients/letters/portal_invitation",
            category=Category.SECURITY,
            context=_portal_invitation,
            still_wanted=_invitation_open,
            reasons={
                INVITATION_OVER: _("The invitation was used, withdrawn or ran out before the letter left."),
                LIFE_STATE: _LIFE_STATE_TEXT,
            },
        )
    )
    letters.register(
        letters.Letter(
            kind="read_now",
            label=_("Page: words that may mean danger"),
            folder="patients/letters/read_now",
            category=Category.STAFF_PAGE,
            context=_read_now,
            still_wanted=_still_unread,
            reasons={READ: _("It was read and dealt with before the page left.")},
        )
    )
    letters.register(
        letters.Letter(
            kind="address_changed",
            label=_("Your e-mail was changed"),
            folder="patients/letters/address_changed",
            category=Category.SECURITY,
            context=_address_changed,
            still_wanted=_gets_letters,
            reasons={LIFE_STATE: _LIFE_STATE_TEXT},
        )
    )
    letters.register(
        letters.Letter(
            kind="consent_copy",
            label=_("A copy of what you signed"),
            folder="patients/letters/consent_copy",
            category=Category.REPLY,
            context=_consent_copy,
            still_wanted=_reads_copies,
            reasons={LIFE_STATE: _("The patient was discharged or has died, or their portal was closed.")},
        )
    )
