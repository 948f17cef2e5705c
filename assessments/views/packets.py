"""The intake at the desk, in words only, and the packet as a clinician reads it."""

import uuid
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from assessments import definitions
from assessments.access import get_packet_or_404
from assessments.actions import handing_in, packets
from assessments.forms.packets import InvitePacketForm
from assessments.models import AssessmentRequest, Clearance, Packet, PacketSection, RiskAlert
from assessments.models.clearances import DESK_WORDS
from assessments.packetparts import SECTIONS
from clinic import localtime
from clinic.access import GET, GET_POST, POST, Permission, holds, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.models import WorkItem
from patients import consentneeds, crisis
from patients.access import get_patient_or_404
from patients.models import Patient
from patients.models.patients import LANGUAGES

from .packetlines import answers

_LOOKS = {
    Packet.Status.INVITED: "planned", Packet.Status.IN_PROGRESS: "due", Packet.Status.SUBMITTED: "done",
    Packet.Status.EXPIRED: "late", Packet.Status.WITHDRAWN: "cancelled",
}  # fmt: skip
_FIELDS = {
    "chosen_name": gettext_lazy("Chosen name"), "pronouns": gettext_lazy("Pronouns"), "sex_at_birth": gettext_lazy("Sex at birth"), "language": gettext_lazy("Language"),
    "needs_interpreter": gettext_lazy("Interpreter"), "access_needs": gettext_lazy("Access needs"),
}  # fmt: skip


def _day(moment: datetime, patient: Patient) -> str:
    return localtime.day_text(localtime.day_of(moment, patient.tz))


@staff_view(Permission.CLEARANCE_STATUS, methods=GET)
def patient_intake(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """How far a patient's intake is, in words only: no answer, no score, no reason."""
    patient = get_patient_or_404(request, patient_id, Permission.CLEARANCE_STATUS)
    return answer(request, "assessments/patient_intake.html", _intake(request, patient), part="intake")


def _intake(request: StaffRequest, patient: Patient, refusal: str = "") -> dict[str, Any]:
    """Return each part of the intake for those who may know it."""

    def may(permission: Permission) -> bool:
        return holds(request.user, permission, patient.home_location_id)

    now, context = request.now, {"patient": patient, "refusal": refusal}
    packet = Packet.objects.filter(patient=patient).order_by("-invited_at", "-id").first()
    if may(Permission.PACKET_STATUS):
        context |= {"shows_packet": True, "packet": packet, **_packet_words(packet, patient, now)}
        context["may_invite"] = may(Permission.PACKET_INVITE) and patient.gets_letters
    if may(Permission.QUESTIONNAIRE_STATUS):
        context |= {"shows_questionnaires": True, "questionnaires": _questionnaire_words(patient, now)}
        context["may_give_kiosk"] = may(Permission.KIOSK_HAND_OUT)
    if may(Permission.CONSENT_STATUS):
        context |= {"shows_consents": True, "consents": consentneeds.words(patient, now)}
    if may(Permission.ALERT_STATUS):
        context["contact_required"] = RiskAlert.objects.open().filter(patient=patient).exists()
    if may(Permission.PATIENT_WRITE) and packet is not None and packet.status == Packet.Status.SUBMITTED:
        context["differs"] = _differs(packet, patient)
    if may(Permission.HEALTH_READ) and Patient.objects.visible_to(request.user, Permission.HEALTH_READ, now).filter(pk=patient.pk).exists():  # fmt: skip
        context["may_read_packet"] = packet is not None
    return context | {"clearances": _clearance_words(patient, now)}


def _clearance_words(patient: Patient, now: datetime) -> list[dict[str, str]]:
    """Return the colours of what stands for a patient, each once: what is suspended, in force or not decided; else how the last ended."""
    rows = list(Clearance.objects.filter(patient=patient).order_by("-opened_at", "-id"))
    today = localtime.day_of(now, patient.home_location.tz)
    ran_out = [
        row for row in rows if row.status in Clearance.CLEARED and row.expires_on is not None and row.expires_on < today
    ]
    standing = [
        row for row in rows
        if row not in ran_out and row.status in {*Clearance.CLEARED, *Clearance.UNDECIDED, Clearance.Status.SUSPENDED}
    ]  # fmt: skip
    if not standing and ran_out and rows[0] in ran_out:
        return [{"tone": "neutral", "word": str(DESK_WORDS["neutral"])}]
    found = [{"tone": row.colour, "word": row.desk_words} for row in standing or rows[:1]]
    return [one for number, one in enumerate(found) if one not in found[:number]]


def _packet_words(packet: Packet | None, patient: Patient, now: datetime) -> dict[str, Any]:
    if packet is None:
        return {"packet_word": _("not sent"), "packet_look": "not_assessed", "packet_dates": ""}
    words = {
        "sent": _day(packet.invited_at, patient),
        "until": localtime.day_text(packets.last_day(packet, patient.tz)),
    }
    if packet.settled_at is not None:
        dates = _("Sent %(sent)s; %(state)s %(day)s") % {
            **words, "state": packet.get_status_display(), "day": _day(packet.settled_at, patient),
        }  # fmt: skip
    elif packets.is_over(packet, now):
        dates = _("Sent %(sent)s; the time ended %(until)s") % words
    elif packet.begun_at is not None:
        dates = _("Sent %(sent)s; begun %(begun)s; good until %(until)s") % {
            **words,
            "begun": _day(packet.begun_at, patient),
        }
    else:
        dates = _("Sent %(sent)s; good until %(until)s") % words
    is_over = packet.is_live and packets.is_over(packet, now)
    status = Packet.Status.EXPIRED if is_over else Packet.Status(packet.status)
    return {
        "packet_word": capfirst(status.label), "packet_look": _LOOKS[status], "packet_dates": dates,
        "is_out": not packets.is_over(packet, now),
    }  # fmt: skip


def _questionnaire_words(patient: Patient, now: datetime) -> str:
    """Return how many questionnaires wait, and how many of them are late; never which or what they say."""
    times = list(
        AssessmentRequest.objects.open().filter(patient=patient, opens_at__lte=now).values_list("due_at", flat=True)
    )
    if not times:
        return _("none to do")
    late = sum(due_at < now for due_at in times)
    words = ngettext("%(n)d to do", "%(n)d to do", len(times)) % {"n": len(times)}
    return f"{words}, " + ngettext("%(n)d late", "%(n)d late", late) % {"n": late} if late else words


def _differs(packet: Packet, patient: Patient) -> list[dict[str, str]]:
    """Return what a patient wrote about who they are that is not in the record, while the desk has that to look at."""
    asked = WorkItem.objects.open().filter(subject_id=packet.pk, kind=WorkItem.Kind.CALL_PATIENT)
    row = PacketSection.objects.filter(packet=packet, code="about_you").first()
    if row is None or not asked.exists():
        return []
    found = [
        {
            "label": str(_FIELDS[name]),
            "said": _as_words(patient, name, value),
            "known": _as_words(patient, name, getattr(patient, name)),
        }
        for name, value in handing_in.differences(patient, row.draft).items()
    ]
    if other := row.draft.get("language_other", ""):
        found.append({"label": str(_FIELDS["language"]), "said": other, "known": ""})
    if wrong := row.draft.get("identity_wrong", "") if row.draft.get("identity_right") == "no" else "":
        found.append({"label": _("What should be different"), "said": wrong, "known": ""})
    return found


def _as_words(patient: Patient, name: str, value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: _("needed"), False: _("not needed"), None: _("not asked")}[value]
    choices = {"sex_at_birth": Patient.Sex.choices, "language": LANGUAGES}
    return str(dict(choices.get(name, [])).get(value, value)) or "—"


@staff_view(Permission.PACKET_INVITE, methods=GET_POST)
def invite_packet(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Send the packet that comes before a first visit."""
    patient = get_patient_or_404(request, patient_id, Permission.PACKET_INVITE)
    form = InvitePacketForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            packet = packets.invite(by=request.user, patient=patient, now=request.now, **form.cleaned_data)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            until = localtime.day_text(packets.last_day(packet, patient.tz))
            names = {"name": patient.called, "until": until}
            if packets.hears_by_letter(patient):
                messages.success(request, _("The packet is sent to %(name)s, good until %(until)s.") % names)
            else:
                messages.warning(
                    request,
                    _("The packet waits on the portal until %(until)s. No letter tells %(name)s: they have no e-mail, or did not agree to letters about visits. Please call them.")
                    % names,
                )  # fmt: skip
            return go(request, "patients:patient", patient.pk)
    status = UNPROCESSABLE if request.method == "POST" else 200
    return answer(request, "assessments/invite_packet.html", {"form": form, "patient": patient}, status=status)


@staff_view(Permission.PACKET_INVITE, methods=POST)
def withdraw_packet(request: StaffRequest, packet_id: uuid.UUID) -> HttpResponse:
    """Take a packet back; what was typed is kept for the next one."""
    packet = get_packet_or_404(request, packet_id, Permission.PACKET_INVITE)
    try:
        packets.withdraw(by=request.user, packet=packet, now=request.now)
    except Refused as refusal:
        return _refused(request, packet.patient, refusal)
    messages.success(
        request, _("The packet is taken back. What %(name)s wrote is kept.") % {"name": packet.patient.called}
    )
    return go(request, "patients:patient", packet.patient_id)


@staff_view(Permission.PACKET_INVITE, methods=POST)
def remind_packet(request: StaffRequest, packet_id: uuid.UUID) -> HttpResponse:
    """Send the letter about a packet once more."""
    packet = get_packet_or_404(request, packet_id, Permission.PACKET_INVITE)
    try:
        letter = packets.remind(by=request.user, packet=packet, now=request.now)
    except Refused as refusal:
        return _refused(request, packet.patient, refusal)
    if letter is None or not packets.hears_by_letter(packet.patient):
        messages.warning(
            request,
            _("No letter goes to %(name)s: they have no e-mail, or did not agree to letters about visits. Please call them.")
            % {"name": packet.patient.called},
        )  # fmt: skip
    else:
        messages.success(request, _("The letter goes to %(name)s once more.") % {"name": packet.patient.called})
    return go(request, "patients:patient", packet.patient_id)


def _refused(request: StaffRequest, patient: Patient, refusal: Refused) -> HttpResponse:
    return answer(
        request, "assessments/patient_intake.html", _intake(request, patient, str(refusal)), status=UNPROCESSABLE
    )


@staff_view(Permission.HEALTH_READ, methods=GET)
def packet(request: StaffRequest, packet_id: uuid.UUID) -> HttpResponse:
    """What a patient handed in, as it was handed in, for their care team. What is still being written is not read."""
    found = get_packet_or_404(request, packet_id, Permission.HEALTH_READ)
    patient = found.patient
    is_submitted = found.status == Packet.Status.SUBMITTED
    kept = {row.code: row for row in PacketSection.objects.filter(packet=found)} if is_submitted else {}
    parts = [
        {"title": section.title, "screens": answers(section, kept[section.code].draft)}
        for section in SECTIONS if section.code in kept
    ]  # fmt: skip
    context = {
        "packet": found, "patient": patient, "parts": parts, "is_submitted": is_submitted, "danger": _words_of_danger(found),
        "handed_in": localtime.moment_text(found.settled_at, patient.home_location.tz) if is_submitted and found.settled_at else "",
        "left": [definitions.current(code).name for code in found.left_open], **_packet_words(found, patient, request.now),
        "facts_url": reverse("assessments:chart_health", args=[patient.pk]),
    }  # fmt: skip
    return answer(request, "assessments/packet.html", context)


def _words_of_danger(packet: Packet) -> list[dict[str, str]]:
    """Return the answers that somebody is asked to read now, also while the packet is still being written."""
    asked = WorkItem.objects.open().filter(subject_id=packet.pk, kind=WorkItem.Kind.CRISIS_WORDS)
    if not asked.exists():
        return []
    rows = {row.code: row for row in PacketSection.objects.filter(packet=packet)}
    return [
        {"text": str(question.text), "said": row.draft[name]}
        for section in SECTIONS if (row := rows.get(section.code))
        for step in section.steps
        for name, question in step.asked(row.draft)
        if question.is_words and crisis.may_mean_danger(row.draft.get(name, ""))
    ]  # fmt: skip
