"""The doors of this floor. Whoever may not open a record is told that there is nothing here."""

import uuid

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from clinic import audit
from clinic.access import Permission
from clinic.homelocation import PatientBehind, remember_patient_behind
from clinic.http import PortalRequest, StaffRequest, WentElsewhere
from patients.models import (
    AddressChange,
    BreakGlass,
    CareTeamMember,
    Consent,
    ConsentText,
    Contact,
    Patient,
    Referral,
)

# What may be read of a record that was merged away: who it was, and what was sent to it. Nothing clinical is in it.
READS_MERGED = frozenset({Permission.PATIENT_READ, Permission.MESSAGE_READ})


def get_patient_or_404(
    request: StaffRequest, patient_id: uuid.UUID, permission: Permission = Permission.PATIENT_READ
) -> Patient:
    """Return the patient if this person holds ``permission`` on them, with the home location loaded; else 404.

    A record that was merged into another opens only for reading who it was; its page leads on, and so does the refusal here.
    """
    patients: QuerySet[Patient] = Patient.objects.visible_to(
        request.user, permission, request.now, with_merged=permission in READS_MERGED
    )
    patient = patients.select_related("home_location", "portal_user").filter(pk=patient_id).first()
    if patient is None:
        raise _merged_or_nothing(request, patient_id, permission)
    audit.looked_at(request, patient, now=request.now)
    return patient


def _merged_or_nothing(request: StaffRequest, patient_id: uuid.UUID, permission: Permission) -> Http404:
    """Return the way to the record that stands for a merged one, for whoever held ``permission`` on it; else only that nothing is here."""
    merged = Patient.objects.visible_to(request.user, permission, request.now, with_merged=True)
    was = merged.filter(pk=patient_id, merged_into__isnull=False).select_related("merged_into").first()
    if was is None or was.merged_into is None:
        return Http404()
    audit.looked_at(request, was, now=request.now)
    names = {"mrn": was.mrn, "other": was.merged_into.mrn}
    return WentElsewhere(
        _("%(mrn)s was merged into %(other)s, so nothing is done under %(mrn)s any more. Nothing of what you entered is saved: open %(other)s and do it there.") % names,
        # The old page says it too, and knows who may open the other one.
        url=reverse("patients:patient", args=[was.pk]), label=_("Where %(mrn)s went") % names,
    )  # fmt: skip


def get_referral_or_404(
    request: StaffRequest, referral_id: uuid.UUID, permission: Permission = Permission.REFERRAL_READ
) -> Referral:
    """Return the enquiry if this person holds ``permission`` at its location; else 404."""
    referrals = Referral.objects.visible_to(request.user, permission)
    referral = get_object_or_404(referrals.select_related("location", "patient"), pk=referral_id)
    audit.looked_at(request, referral, now=request.now)
    return referral


def my_patient(request: PortalRequest) -> Patient:
    """Return the patient behind this sign-in; 404 when the portal was closed for them."""
    patient = Patient.objects.select_related("home_location").filter(portal_user=request.user).first()
    if patient is None:
        raise Http404
    remember_patient_behind(request.user, PatientBehind(patient.pk, patient.home_location))
    return patient


def get_contact_or_404(request: StaffRequest, contact_id: uuid.UUID, permission: Permission) -> Contact:
    """Return the contact, with the patient, if this person holds ``permission`` on the patient; else 404."""
    contacts = Contact.objects.select_related("patient__home_location")
    contact = get_object_or_404(
        contacts, pk=contact_id, patient__in=Patient.objects.visible_to(request.user, permission, request.now)
    )
    audit.looked_at(request, contact.patient, now=request.now)
    return contact


def get_care_team_member_or_404(request: StaffRequest, member_id: uuid.UUID, permission: Permission) -> CareTeamMember:
    """Return the membership, with the patient, if this person holds ``permission`` on the patient; else 404."""
    members = CareTeamMember.objects.select_related("patient__home_location", "user")
    member = get_object_or_404(
        members, pk=member_id, patient__in=Patient.objects.visible_to(request.user, permission, request.now)
    )
    audit.looked_at(request, member.patient, now=request.now)
    return member


def get_address_change_or_404(request: StaffRequest, wish_id: uuid.UUID, permission: Permission) -> AddressChange:
    """Return the wish, with the patient, if this person holds ``permission`` on the patient; else 404."""
    wishes = AddressChange.objects.select_related("patient__home_location")
    wish = get_object_or_404(
        wishes, pk=wish_id, patient__in=Patient.objects.visible_to(request.user, permission, request.now)
    )
    audit.looked_at(request, wish.patient, now=request.now)
    return wish


def get_break_glass_or_404(
    request: StaffRequest, grant_id: uuid.UUID, permission: Permission = Permission.BREAK_GLASS_REVIEW
) -> BreakGlass:
    """Return the emergency opening if this person holds ``permission`` at the patient's location; else 404."""
    grants = BreakGlass.objects.visible_to(request.user, permission)
    grant = get_object_or_404(grants.select_related("patient__home_location", "user", "reviewed_by"), pk=grant_id)
    audit.looked_at(request, grant, now=request.now)
    return grant


def get_consent_text_or_404(request: StaffRequest, text_id: uuid.UUID) -> ConsentText:
    """Return any version of any wording, drafts too, to those who keep the wordings; they are the whole house's."""
    texts = ConsentText.objects.select_related("drafted_by", "published_by")
    return get_object_or_404(texts, pk=text_id)


def get_published_text_or_404(text_id: uuid.UUID) -> ConsentText:
    """Return a published wording, in force or not: no patient and no clinician at work sees a draft; else 404."""
    return get_object_or_404(ConsentText.objects.filter(published_at__isnull=False), pk=text_id)


def get_my_consent_or_404(patient: Patient, consent_id: uuid.UUID) -> Consent:
    """Return what this patient signed, with its text and signature; 404 for anybody else's."""
    consents = Consent.objects.select_related(
        "text", "signature__signer", "signature__beside", "patient__home_location"
    )
    return get_object_or_404(consents, pk=consent_id, patient=patient)


def get_consent_or_404(request: StaffRequest, consent_id: uuid.UUID, permission: Permission) -> Consent:
    """Return the consent, with its text and signature, if this person holds ``permission`` on the patient; else 404."""
    consents = Consent.objects.select_related(
        "text", "signature__signer", "signature__beside", "patient__home_location"
    )
    consent = get_object_or_404(
        consents, pk=consent_id, patient__in=Patient.objects.visible_to(request.user, permission, request.now)
    )
    audit.looked_at(request, consent, now=request.now)
    return consent
