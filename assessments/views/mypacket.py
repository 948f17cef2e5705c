"""The patient's packet: what there is to do, one screen of it, everything once more before it is handed in, and the thanks."""

from collections.abc import Mapping
from typing import Any

import structlog
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from assessments import definitions, merging, packetchecks
from assessments.access import my_packet as newest_packet
from assessments.access import my_packet_or_404
from assessments.actions import calling_help, handing_in, packets
from assessments.forms.packets import PacketSectionForm, SubmitPacketForm
from assessments.models import AssessmentRequest, Packet, PacketSection
from assessments.packetparts import BY_CODE, SECTIONS
from assessments.packetquestions import Section, Step
from clinic import localtime
from clinic.access import GET, GET_POST, portal_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, PortalRequest, answer, go, go_to
from clinic.models import new_id
from patients import consentneeds

from .packetlines import Sheet, answers

log = structlog.get_logger(__name__)

# Buttons that show the same screen again, changed.
_STAY_HERE = ("add", "take", "stay")


def _rows_of(packet: Packet) -> dict[str, PacketSection]:
    rows = {row.code: row for row in PacketSection.objects.filter(packet=packet)}
    for row in rows.values():
        row.packet = packet
    return rows


def _path(section: Section, step: str = "", **query: str) -> str:
    path = reverse("assessments:packet_section", args=[section.code])
    asked = {**({"step": step} if step else {}), **query}
    return path + ("?" + "&".join(f"{name}={value}" for name, value in asked.items()) if asked else "")


def _runs_out(packet: Packet) -> str:
    return localtime.long_day_text(packets.last_day(packet, packet.patient.tz))


def _parts(packet: Packet) -> list[dict[str, Any]]:
    """Return the parts with how far each is, and where to go on."""
    kept = _rows_of(packet)
    rows = []
    for section in SECTIONS:
        row = kept.get(section.code)
        is_done = row is not None and row.done_at is not None
        is_begun = row is not None and bool(row.draft)
        rows.append(
            {
                "title": section.title, "intro": section.intro, "minutes": section.minutes, "is_done": is_done, "is_begun": is_begun,
                "url": _path(section, row.step if row is not None and not is_done else ""),
                "word": _("done") if is_done else _("begun") if is_begun else _("to do"),
                "look": "done" if is_done else "due" if is_begun else "not_assessed",
            }
        )  # fmt: skip
    return rows


def _questionnaires(packet: Packet) -> list[dict[str, Any]]:
    """Return the questionnaires of the packet, those to do first."""
    rows = AssessmentRequest.objects.filter(packet=packet).exclude(status=AssessmentRequest.Status.CANCELLED)
    found = []
    for request in rows.order_by("asked_at", "id"):
        definition = definitions.current(request.code)
        is_done = request.status == AssessmentRequest.Status.DONE
        found.append(
            {
                "name": definition.title, "minutes": definition.minutes, "is_done": is_done, "is_open": request.is_open,
                "url": reverse("assessments:answer_questionnaire", args=[request.pk]) if request.is_open else "",
                "word": _("done") if is_done else request.get_status_display(),
                "look": "done" if is_done else "due" if request.begun_at else "not_assessed",
            }
        )  # fmt: skip
    return found


@portal_view(methods=GET)
def my_packet(request: PortalRequest) -> HttpResponse:
    """Show what the packet asks, what is done, how long the rest takes, and until when there is time."""
    packet = newest_packet(request)
    if packet is None or packets.is_over(packet, request.now):
        return answer(request, "assessments/my_packet.html", {"packet": packet, "is_open": False, **_over(packet)})
    parts, asked = _parts(packet), _questionnaires(packet)
    left = [part for part in parts if not part["is_done"]]
    open_asked = [one for one in asked if one["is_open"]]
    context = {
        "packet": packet, "is_open": True, "parts": parts, "questionnaires": asked, "runs_out": _runs_out(packet),
        "minutes": sum(one["minutes"] for one in (*left, *open_asked)), "next": left[0] if left else None,
        "next_questionnaire": open_asked[0] if open_asked else None,
        "consents": [text.title for text in consentneeds.to_sign(packet.patient, request.now)],
        "is_carried": packet.carries_on_id is not None, "phone": packet.patient.home_location.phone,
    }  # fmt: skip
    return answer(request, "assessments/my_packet.html", context)


def _over(packet: Packet | None) -> dict[str, Any]:
    if packet is None:
        return {}
    tz = packet.patient.tz
    ended = packet.settled_at or packet.expires_at
    return {
        "is_submitted": packet.status == Packet.Status.SUBMITTED, "is_withdrawn": packet.status == Packet.Status.WITHDRAWN, "phone": packet.patient.home_location.phone,
        "ended": localtime.long_day_text(localtime.day_of(ended, tz)),
    }  # fmt: skip


def _section_or_404(part: str) -> Section:
    if part not in BY_CODE:
        raise Http404
    return BY_CODE[part]


@portal_view(methods=GET_POST)
def packet_section(request: PortalRequest, part: str) -> HttpResponse:
    """One screen of one part: shown with what was typed so far, and kept as it is typed."""
    packet, section = my_packet_or_404(request), _section_or_404(part)
    row = next(iter(PacketSection.objects.filter(packet=packet, code=part)), None) or PacketSection(code=part)
    row.packet = packet
    step = section.step(request.GET.get("step", "")) or section.step(row.step) or section.steps[0]
    if request.method != "POST":
        return (
            go(request, "assessments:my_packet")
            if packets.is_over(packet, request.now)
            else _screen(request, section, step, row)
        )
    form = PacketSectionForm(request.POST, step=step, draft=row.draft)
    # Read off what came in, because somebody in danger is answered whatever else is wrong with their form.
    asks_help = request.POST.get("go") == "danger"
    if not form.is_valid():
        return (
            _danger(request, packet)
            if asks_help
            else _screen(request, section, step, row, form=form, refusal=str(packets.TooMuch()))
        )
    try:
        saved = packets.save_section(
            by=request.user, packet=packet, section=section, step=step, typed=form.typed(), seen=form.seen(),
            window=form.window(), marks=form.marks(), choice=form.choice(), now=request.now,
        )  # fmt: skip
    except Refused as refusal:
        return (
            _danger(request, packet)
            if asks_help
            else _screen(request, section, step, row, form=form, refusal=str(refusal))
        )
    return _danger(request, packet) if asks_help else _after(request, section, step, saved, form)


def _danger(request: PortalRequest, packet: Packet) -> HttpResponse:
    """Answer "I am in danger now" with the numbers, whatever comes of calling people and of keeping what was typed."""
    told = calling_help.reach_somebody(who=lambda: request.user, patient=packet.patient, now=request.now)
    context = {"told": told, "phone": packet.patient.home_location.phone, "has_phone": bool(packet.patient.phone)}
    return answer(request, "assessments/_packet_danger.html", context)


def _after(
    request: PortalRequest, section: Section, step: Step, saved: packets.Saved, form: PacketSectionForm
) -> HttpResponse:
    """Return where the pressed button leads once everything is kept."""
    button, row = form.cleaned_data["go"], saved.section
    if button == "keep":
        # Without htmx these are the last words of a page that is gone: nobody reads an answer.
        return _kept(request, section, step, saved, form) if request.htmx else HttpResponse(status=204)
    if button.startswith(_STAY_HERE):
        # The page again, and not a way to it: the browser would take the same address for a place on the same page.
        return (
            _screen(request, section, step, row, saved=saved)
            if request.htmx
            else go_to(request, request.get_full_path())
        )
    if button not in {"next", "leave"}:
        messages.success(request, _("Saved at %(time)s. Go on whenever you like.") % {"time": _clock(row)})
        return go(request, "assessments:my_packet")
    problems = packetchecks.of_step(step, row.draft, _today(row))
    if problems or any(name in row.others for name in step.names(row.draft)):
        return _screen(request, section, step, row, saved=saved, checks=True)
    after = section.after(step)
    back = request.GET.get("back", "") == "check"
    return (
        go_to(request, _path(section, after.name))
        if after and not back
        else _complete(request, section, row, back=back)
    )


def _complete(request: PortalRequest, section: Section, row: PacketSection, *, back: bool) -> HttpResponse:
    try:
        packets.complete_section(by=request.user, packet=row.packet, section=section, now=request.now)
    except (packets.NotAnsweredYet, packets.TwoAnswers) as refusal:
        messages.warning(request, str(refusal))
        return go_to(request, _path(section, refusal.step, check="1", **({"back": "check"} if back else {})))
    messages.success(request, _("“%(part)s” is done.") % {"part": section.title})
    return go(request, "assessments:packet_check" if back else "assessments:my_packet")


def _today(row: PacketSection) -> Any:
    return localtime.day_of(row.saved_at, row.packet.patient.tz) if row.saved_at else None


def _clock(row: PacketSection) -> str:
    return localtime.clock_text(row.saved_at, row.packet.patient.tz) if row.saved_at else ""


def _kept(
    request: PortalRequest, section: Section, step: Step, saved: packets.Saved, form: PacketSectionForm
) -> HttpResponse:
    """Answer a change that was kept by itself: when, what another window said, and the numbers to call."""
    sheet = Sheet(saved.section.draft, saved.section.others, {})
    clashes = [question for question in _flat(sheet, step) if question["others"]]
    context = {
        "saved_at": _clock(saved.section), "seen": merging.shown(form.typed(), form.names), "clashes": clashes,
        "needs_numbers": saved.needs_numbers,
    }  # fmt: skip
    return answer(request, "assessments/packet_section.html", context, part="saved")


def _flat(sheet: Sheet, step: Step) -> list[dict[str, Any]]:
    """Return every question of a screen in its order, those that hang on others too."""
    found = []
    for question in sheet.questions(step):
        found += [question, *question["follows"]]
    rows = sheet.rows(step)
    if rows is not None:
        found += [column for line in rows["lines"] for column in line["columns"]] + [rows["none"]]
    return found


def _screen(
    request: PortalRequest, section: Section, step: Step, row: PacketSection, *, form: PacketSectionForm | None = None,
    saved: packets.Saved | None = None, refusal: str = "", checks: bool = False,
) -> HttpResponse:  # fmt: skip
    """Return one screen. ``form`` is one that could not be kept: what was typed stays in it."""
    draft: Mapping[str, str] = {**row.draft, **form.typed()} if form else row.draft
    today = localtime.day_of(request.now, row.packet.patient.tz)
    checks = checks or request.GET.get("check", "") == "1"
    sheet = Sheet(draft, row.others, packetchecks.of_step(step, draft, today).every if checks else {})
    clashes = [question for question in _flat(sheet, step) if question["others"]]
    before = section.before(step)
    is_refused = bool(refusal) or (checks and saved is not None)
    context = {
        "section": section, "step": step, "number": section.steps.index(step) + 1, "count": len(section.steps),
        "questions": sheet.questions(step), "rows": sheet.rows(step), "faults": sheet.faults(step), "clashes": clashes,
        "saved_at": _clock(row), "seen": form.data.get("version", "") if form else merging.shown(draft, step.names(draft)),
        "entry_key": f"{new_id()}.0", "refusal": refusal, "needs_numbers": bool(saved and saved.needs_numbers),
        "before_url": _path(section, before.name) if before else reverse("assessments:my_packet"),
        "has_unanswered": bool(checks and packetchecks.of_step(step, draft, today).unanswered),
        "is_last": section.after(step) is None or request.GET.get("back") == "check", "patient": row.packet.patient,
        "runs_out": _runs_out(row.packet), "is_identity": step.name == "name", "born": localtime.long_day_text(row.packet.patient.birth_date), "adds": bool(saved) and not checks,
    }  # fmt: skip
    return answer(request, "assessments/packet_section.html", context, status=UNPROCESSABLE if is_refused else 200)


@portal_view(methods=GET_POST)
def packet_check(request: PortalRequest) -> HttpResponse:
    """Everything once more, part by part, and handing it in."""
    packet = newest_packet(request)
    if packet is None:
        return go(request, "assessments:my_packet")
    if packets.is_over(packet, request.now):
        return go(
            request, "assessments:packet_done" if packet.status == Packet.Status.SUBMITTED else "assessments:my_packet"
        )
    form, refusal = SubmitPacketForm(request.POST if request.method == "POST" else None), ""
    if request.method == "POST" and form.is_valid():
        try:
            handing_in.submit(by=request.user, packet=packet, now=request.now, **form.cleaned_data)
        except Refused as refused:
            refusal = str(refused)
        else:
            return go(request, "assessments:packet_done")
    kept = _rows_of(packet)
    parts = [
        {
            **part,
            "screens": answers(section, row.draft if (row := kept.get(section.code)) else {}),
            "path": _path(section),
        }
        for section, part in zip(SECTIONS, _parts(packet), strict=True)
    ]
    asked = _questionnaires(packet)
    context = {
        "packet": packet, "parts": parts, "to_do": [part for part in parts if not part["is_done"]], "refusal": refusal,
        "open_questionnaires": [one for one in asked if one["is_open"]], "runs_out": _runs_out(packet),
    }  # fmt: skip
    return answer(request, "assessments/packet_check.html", context, status=UNPROCESSABLE if refusal else 200)


@portal_view(methods=GET)
def packet_done(request: PortalRequest) -> HttpResponse:
    """Say thank you, and what happens next."""
    packet = newest_packet(request)
    if packet is None or packet.status != Packet.Status.SUBMITTED:
        return go(request, "assessments:my_packet")
    context = {
        "consents": [text.title for text in consentneeds.to_sign(packet.patient, request.now)], **_over(packet),
        "questionnaires": [one for one in _questionnaires(packet) if one["is_open"]],
    }  # fmt: skip
    return answer(request, "assessments/packet_done.html", context)
