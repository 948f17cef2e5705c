"""The patient's own page: who we think they are, what they agreed to, how they sign in."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.access import GET, GET_POST, portal_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, PortalRequest, answer, go
from patients.access import my_patient
from patients.actions import patients, preferences
from patients.forms.portal import AskAddressChangeForm
from patients.forms.preferences import PortalPreferencesForm
from patients.models import AddressChange, ContactPreference, Patient

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
