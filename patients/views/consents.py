"""Consents at work: the panel of the chart, taking one beside a patient, taking one back, and a doubt about capacity."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from clinic import audit, localtime, poke
from clinic.access import GET, GET_POST, POST, Permission, holds, staff_view
from clinic.actions import signatures
from clinic.enrolled import device_of
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.models import EnrolledDevice
from patients import consentneeds
from patients.access import get_consent_or_404, get_patient_or_404, get_published_text_or_404
from patients.actions import consents as actions
from patients.forms.consents import SettleCapacityConcernForm, TakeConsentForm, WithdrawConsentForm
from patients.models import Consent, ConsentText, ConsentWithdrawal, Patient

from .consentlines import copy_of, standing_line, version_text
from .lines import birth_text

SHOWN = 30


@staff_view(Permission.CONSENT_READ, methods=GET)
def chart_consents(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """The panel of the chart: every consent with its state, what was signed before, and whether capacity is in doubt."""
    patient = get_patient_or_404(request, patient_id, Permission.CONSENT_READ)
    tz = patient.home_location.tz
    concern = actions.concerns(patient).first()
    context = {
        "patient": patient,
        "rows": [standing_line(row, patient) for row in consentneeds.standings(patient, request.now, every_route=True)],
        "history": _history(patient),
        "concern": localtime.moment_text(concern.created_at, tz) if concern else "",
        "may_take": holds(request.user, Permission.CONSENT_TAKE, patient.home_location_id),
        "may_withdraw": holds(request.user, Permission.CONSENT_WITHDRAW, patient.home_location_id),
    }
    return answer(request, "patients/chart_consents.html", context, part="consents")


def _history(patient: Patient) -> list[dict[str, Any]]:
    """Return what was signed and taken back, newest first: two queries."""
    tz = patient.home_location.tz
    signed = list(Consent.objects.filter(patient=patient).select_related("text").order_by("-signed_at", "-id")[:SHOWN])
    back = {
        row.consent_id: row
        for row in ConsentWithdrawal.objects.filter(consent__in=signed).select_related("recorded_by")
    }
    return [
        {
            "id": consent.pk,
            "name": consentneeds.name_of(consent.text.kind, consent.text.route),
            "version": version_text(consent.text),
            "signed": localtime.moment_text(consent.signed_at, tz),
            "how": consent.get_how_display(),
            "back": _taken_back(back[consent.pk], patient) if consent.pk in back else None,
        }
        for consent in signed
    ]


def _taken_back(row: ConsentWithdrawal, patient: Patient) -> dict[str, str]:
    return {
        "when": localtime.moment_text(row.withdrawn_at, patient.home_location.tz),
        "how": row.get_how_display(),
        "by": row.recorded_by.name,
        "words": row.words,
    }


@staff_view(Permission.CONSENT_READ, methods=GET)
def signed_consent(request: StaffRequest, consent_id: uuid.UUID) -> HttpResponse:
    """Show exactly what a patient signed, ready to be printed and handed over."""
    consent = get_consent_or_404(request, consent_id, Permission.CONSENT_READ)
    return answer(request, "patients/signed_consent.html", {"copy": copy_of(consent)})


@staff_view(Permission.CONSENT_TAKE, methods=GET_POST)
def take_consent(request: StaffRequest, patient_id: uuid.UUID, text_id: uuid.UUID) -> HttpResponse:
    """Let a patient sign on this screen with a code of their own, or record that a clinician saw them sign on paper."""
    patient = get_patient_or_404(request, patient_id, Permission.CONSENT_TAKE)
    text = get_published_text_or_404(text_id)
    how = _how(request, patient)
    form = _take_form(request, patient, text, how)
    overtaken = ""
    if request.method == "POST" and form.is_valid():
        try:
            _sign(request, patient, text, how, form)
        except actions.WordingChanged as refusal:
            text = consentneeds.text_for(patient, text.kind, text.route, request.now) or text
            form, overtaken = _take_form(request, patient, text, how, is_fresh=True), str(refusal)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            name = consentneeds.name_of(text.kind, text.route)
            messages.success(request, _("%(name)s is signed. Give the patient a copy.") % {"name": name})
            return go(request, "patients:chart_consents", patient.pk)
    context = {**_take_context(patient, text, how, form), "overtaken": overtaken}
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "patients/take_consent.html", context, status=status)


def _how(request: StaffRequest, patient: Patient) -> Consent.How:
    wants_paper = (request.POST or request.GET).get("how") == Consent.How.PAPER
    return Consent.How.PAPER if wants_paper or not patient.has_portal else Consent.How.TABLET


def _take_form(
    request: StaffRequest, patient: Patient, text: ConsentText, how: Consent.How, *, is_fresh: bool = False
) -> TakeConsentForm:
    """Return the form; an empty one when its words are others than those it came with."""
    on_paper = how == Consent.How.PAPER
    return TakeConsentForm(
        None if is_fresh or request.method != "POST" else request.POST,
        on_paper=on_paper,
        signer=request.user if on_paper else patient.portal_user,
        code_url=reverse("patients:mail_consent_code", args=[patient.pk]),
        seen=text.text_hash,
        legal_name=patient.legal_name,
        interpreter=True,
    )


def _screen(request: StaffRequest, patient: Patient) -> EnrolledDevice | None:
    """Return the enrolled screen this is, when it stands at the patient's location; a clinician's own computer is none."""
    screen = device_of(request)
    return screen if screen is not None and screen.location_id == patient.home_location_id else None


def _sign(
    request: StaffRequest, patient: Patient, text: ConsentText, how: Consent.How, form: TakeConsentForm
) -> Consent:
    said = form.cleaned_data
    return actions.sign(
        by=request.user, patient=patient, text=text, how=how, proof=form.proof(), typed_name=said["typed_name"],
        seen=said["seen"], entry_key=said["entry_key"], interpreter=said["interpreter"], now=request.now,
        address=audit.facts.get().address, browser=request.headers.get("User-Agent", ""),
        device=_screen(request, patient),
    )  # fmt: skip


def _take_context(patient: Patient, text: ConsentText, how: Consent.How, form: TakeConsentForm) -> dict[str, Any]:
    return {
        "patient": patient,
        "text": text,
        "name": consentneeds.name_of(text.kind, text.route),
        "version": version_text(text),
        "form": form,
        "how": how,
        "on_paper": how == Consent.How.PAPER,
        "concern": actions.concerns(patient).exists(),
        "born": birth_text(patient.birth_date),
    }


@staff_view(Permission.CONSENT_TAKE, methods=GET_POST)
def mail_consent_code(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Mail the patient who sits beside a clinician a code to sign with."""
    patient = get_patient_or_404(request, patient_id, Permission.CONSENT_TAKE)
    context: dict[str, Any] = {"patient": patient, "is_part": bool(request.htmx)}
    if request.method == "POST":
        try:
            signatures.mail_code(by=request.user, signer=actions.who_signs(patient), now=request.now)
        except Refused as refusal:
            context["refusal"] = str(refusal)
        else:
            poke.post_office()
            context["is_sent"] = True
    status = UNPROCESSABLE if "refusal" in context else 200
    return answer(request, "patients/mail_consent_code.html", context, part="signing_code", status=status)


@staff_view(Permission.CONSENT_WITHDRAW, methods=GET_POST)
def withdraw_consent(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Record that a patient takes a consent back, in force at once."""
    patient = get_patient_or_404(request, patient_id, Permission.CONSENT_WITHDRAW)
    standing = [(row.consent, row.name) for row in consentneeds.standings(patient, request.now) if row.can_be_withdrawn]
    form = WithdrawConsentForm(request.POST or None, standing=standing)
    if request.method == "POST" and form.is_valid():
        how, said = ConsentWithdrawal.How(form.cleaned_data["how"]), form.cleaned_data["words"]
        try:
            actions.withdraw(by=request.user, consent=form.chosen(), how=how, words=said, now=request.now)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("Taken back, from this moment. A clinician is asked to call."))
            return go(request, "patients:patient", patient.pk)
    context = {"patient": patient, "form": form, "standing": standing, "born": birth_text(patient.birth_date)}
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "patients/withdraw_consent.html", context, status=status)


@staff_view(Permission.CONSENT_TAKE, methods=POST)
def raise_capacity_concern(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Stop all signing until a clinician has made sure that the patient understands what they agree to."""
    patient = get_patient_or_404(request, patient_id, Permission.CONSENT_TAKE)
    actions.raise_concern(by=request.user, patient=patient, now=request.now)
    messages.success(
        request, _("Nothing can be signed until the doubt is settled. The prescribers see it on their list.")
    )
    return go(request, "patients:chart_consents", patient.pk)


@staff_view(Permission.CONSENT_TAKE, methods=GET_POST)
def settle_capacity_concern(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Say what was found; then the patient may sign again."""
    patient = get_patient_or_404(request, patient_id, Permission.CONSENT_TAKE)
    form = SettleCapacityConcernForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            actions.settle_concern(by=request.user, patient=patient, found=form.cleaned_data["found"], now=request.now)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The doubt is settled. The patient can sign again."))
            return go(request, "patients:chart_consents", patient.pk)
    status = UNPROCESSABLE if request.method == "POST" else 200
    context = {"patient": patient, "form": form, "concern": actions.concerns(patient).exists()}
    return answer(request, "patients/settle_capacity_concern.html", context, status=status)
