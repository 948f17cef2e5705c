"""The patient's own pages: who we think they are, what they agreed to and signed, how they sign in."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _

from clinic import audit, localtime
from clinic.access import GET, GET_POST, portal_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, PortalRequest, answer, go
from patients import consentneeds
from patients.access import get_my_consent_or_404, get_published_text_or_404, my_patient
from patients.actions import consents, patients, preferences
from patients.forms.consents import SignConsentForm, WithdrawMyConsentForm
from patients.forms.portal import AskAddressChangeForm
from patients.forms.preferences import PortalPreferencesForm
from patients.models import (
    AddressChange,
    Consent,
    ConsentKind,
    ConsentText,
    ConsentWithdrawal,
    ContactPreference,
    Patient,
)

from .consentlines import CALLED, CONSEQUENCES, copy_of, standing_line, version_text
from .lines import birth_text, phone_text


@portal_view(methods=GET)
def portal_me(request: PortalRequest) -> HttpResponse:
    """Show a patient what we hold of who they are, and what they can change."""
    patient = my_patient(request)
    return answer(request, "patients/portal_me.html", {**_own(patient), "agreed": _agreed(patient)})


def _own(patient: Patient) -> dict[str, Any]:
    wish = AddressChange.objects.open().filter(patient=patient).first()
    return {
        "patient": patient,
        "born": birth_text(patient.birth_date),
        "phone": phone_text(patient.phone),
        "wish": wish,
        "wished": localtime.moment_text(wish.asked_at, patient.tz) if wish else "",
        "sign_in_address": patient.portal_user.email if patient.portal_user else "",
    }


def _agreed(patient: Patient) -> list[str]:
    rows = ContactPreference.objects.current().filter(patient=patient, is_allowed=True).order_by("category", "channel")
    said = _("%(kind)s, by %(channel)s")
    return [
        said % {"kind": row.get_category_display().capitalize(), "channel": row.get_channel_display()} for row in rows
    ]


@portal_view(methods=GET_POST)
def portal_preferences(request: PortalRequest) -> HttpResponse:
    """Let a patient say what we may write to them about."""
    patient = my_patient(request)
    current = ContactPreference.objects.current().filter(patient=patient)
    form = PortalPreferencesForm(request.POST if request.method == "POST" else None, current=current)
    if request.method == "POST" and form.is_valid():
        evidence = ContactPreference.Evidence.PORTAL
        preferences.answer(by=request.user, patient=patient, answers=form.answers(), evidence=evidence, now=request.now)
        messages.success(request, _("Saved. We write to you about what you ticked and nothing else."))
        return go(request, "patients:portal_me")
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "patients/portal_preferences.html", {"form": form, "patient": patient}, status=status)


@portal_view(methods=GET_POST)
def ask_address_change(request: PortalRequest) -> HttpResponse:
    """Take a patient's wish to be reached elsewhere. A person calls before anything changes."""
    patient = my_patient(request)
    form = AskAddressChangeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            patients.ask_address_change(by=request.user, patient=patient, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("Thank you. We will call you to confirm before we change anything."))
            return go(request, "patients:portal_me")
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "patients/ask_address_change.html", {**_own(patient), "form": form}, status=status)


@portal_view(methods=GET)
def my_consents(request: PortalRequest) -> HttpResponse:
    """Show a patient what they signed, what there is to sign, and what may be left unsigned."""
    patient = my_patient(request)
    rows = [standing_line(row, patient) for row in consentneeds.standings(patient, request.now)]
    context = {
        "asked": [row for row in rows if row["is_asked"]],
        "offered": [row for row in rows if not row["is_asked"]],
        "in_doubt": consents.concerns(patient).exists(),
        "phone": patient.home_location.phone,
    }
    return answer(request, "patients/my_consents.html", context)


@portal_view(methods=GET_POST)
def sign_consent(request: PortalRequest, text_id: uuid.UUID) -> HttpResponse:
    """Show a patient a whole text, and let them sign it. Words that are not in force lead to those that are."""
    patient = my_patient(request)
    text = get_published_text_or_404(text_id)
    now_in_force = ConsentText.objects.in_force(request.now).filter(pk=text.pk).exists()
    valid = text if now_in_force else consentneeds.text_for(patient, text.kind, text.route, request.now)
    if request.method == "GET" and valid is not None and valid != text:
        return go(request, "patients:sign_consent", valid.pk)
    form, overtaken = _sign_form(request, patient, text), ""
    if request.method == "POST" and form.is_valid():
        try:
            consent = _sign(request, patient, text, form)
        except consents.WordingChanged as refusal:
            text = valid or text
            form, overtaken = _sign_form(request, patient, text, is_fresh=True), str(refusal)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("Thank you. It is signed, and this is your copy."))
            return go(request, "patients:consent_copy", consent.pk)
    context = {**_sign_context(request, patient, text, form), "overtaken": overtaken}
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "patients/sign_consent.html", context, status=status)


def _sign_form(
    request: PortalRequest, patient: Patient, text: ConsentText, *, is_fresh: bool = False
) -> SignConsentForm:
    """Return the form; an empty one when its words are others than those it came with."""
    return SignConsentForm(
        None if is_fresh or request.method != "POST" else request.POST,
        signer=request.user,
        seen=text.text_hash,
        legal_name=patient.legal_name,
        interpreter=bool(patient.needs_interpreter),
    )


def _sign(request: PortalRequest, patient: Patient, text: ConsentText, form: SignConsentForm) -> Consent:
    said = form.cleaned_data
    return consents.sign(
        by=request.user, patient=patient, text=text, how=Consent.How.PORTAL, proof=form.proof(), now=request.now,
        typed_name=said["typed_name"], seen=said["seen"], entry_key=said["entry_key"],
        interpreter=said.get("interpreter", ""), address=audit.facts.get().address,
        browser=request.headers.get("User-Agent", ""),
    )  # fmt: skip


def _sign_context(request: PortalRequest, patient: Patient, text: ConsentText, form: SignConsentForm) -> dict[str, Any]:
    signed = Consent.objects.current(request.now).filter(patient=patient, text=text).order_by("-signed_at").first()
    return {
        "text": text,
        "name": consentneeds.name_of(text.kind, text.route),
        "version": version_text(text),
        "form": form,
        "signed": signed,
        "is_fresh": signed is not None and signed.expires_at > request.now + consentneeds.SOON,
        "in_doubt": consents.concerns(patient).exists(),
        "phone": patient.home_location.phone,
        "director": consents.director_of(patient),
        "can_be_withdrawn": ConsentKind(text.kind).can_be_withdrawn,
    }


@portal_view(methods=GET)
def consent_copy(request: PortalRequest, consent_id: uuid.UUID) -> HttpResponse:
    """Show a patient exactly what they signed, ready to be printed."""
    consent = get_my_consent_or_404(my_patient(request), consent_id)
    return answer(request, "patients/consent_copy.html", {"copy": copy_of(consent)})


@portal_view(methods=GET_POST)
def withdraw_my_consent(request: PortalRequest, consent_id: uuid.UUID) -> HttpResponse:
    """Say what taking a consent back means, and take it back at once."""
    patient = my_patient(request)
    consent = get_my_consent_or_404(patient, consent_id)
    form = WithdrawMyConsentForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        how, said = ConsentWithdrawal.How.PORTAL, form.cleaned_data["words"]
        try:
            consents.withdraw(by=request.user, consent=consent, how=how, words=said, now=request.now)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("It is taken back, from this moment. %(called)s") % {"called": CALLED})
            return go(request, "patients:my_consents")
    kind = ConsentKind(consent.text.kind)
    context = {
        "consent": consent,
        "name": consentneeds.name_of(consent.text.kind, consent.text.route),
        "consequences": [*CONSEQUENCES.get(kind, []), CALLED],
        "is_over": consents.is_over(consent, request.now),
        "form": form,
        "phone": patient.home_location.phone,
    }
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "patients/withdraw_my_consent.html", context, status=status)
