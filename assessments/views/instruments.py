"""The office's pages of instruments: which there are, what each consists of, and the wording that may be shown."""

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from assessments import definitions, wordings
from assessments.actions import instruments as actions
from assessments.answered import TIERS
from assessments.definitions import Permission as Held
from assessments.forms.instruments import RecordWordingForm
from assessments.instrument import Answerer, Definition, Item, Kind, LicenceStatus, WordingSource
from assessments.models import InstrumentWording
from clinic import localtime
from clinic.access import GET_POST, POST, Permission, holds, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go

LICENCES = {
    LicenceStatus.FREE: gettext_lazy("free"),
    LicenceStatus.FREE_NONCOMMERCIAL: gettext_lazy("free for non-commercial use"),
    LicenceStatus.PERMISSION_ON_FILE: gettext_lazy("permission on file"),
    LicenceStatus.PERMISSION_REQUIRED: gettext_lazy("permission required"),
}
ANSWERERS = {Answerer.PATIENT: gettext_lazy("the patient"), Answerer.CLINICIAN: gettext_lazy("a clinician, who asks")}


def _definition_or_404(code: str) -> Definition:
    try:
        return definitions.current(code)
    except definitions.UnknownInstrument:
        raise Http404 from None


@staff_view(Permission.INSTRUMENT_MANAGE)
def instruments(request: StaffRequest) -> HttpResponse:
    """Show every instrument with its licence, and whether it may be shown or only its scores entered."""
    on_file = {row.code: row for row in InstrumentWording.objects.on_file()}
    held = tuple(wordings.permission_of(row) for row in on_file.values())
    rows = [_row(request, each, held, on_file.get(each.code)) for each in definitions.all_current()]
    rows.sort(key=lambda row: (not row["is_shown"], str(row["name"]).casefold()))
    context = {"rows": rows, "may_open_office": holds(request.user, Permission.PLACES_MANAGE)}
    return answer(request, "assessments/instruments.html", context)


def _row(request: StaffRequest, d: Definition, held: Iterable[Held], row: InstrumentWording | None) -> dict[str, Any]:
    today = localtime.day_of(request.now, request.location.tz)
    shown = definitions.can_render(d, held, on=today)
    to_patients = wordings.may_be_sent(d, held, today)
    ends = ""
    if row is not None and row.version == d.version and row.ends_on is not None:
        day = localtime.day_text(row.ends_on)
        ends = _("ended on %(day)s") % {"day": day} if row.has_ended(today) else _("until %(day)s") % {"day": day}
    return {
        "name": d.name,
        "title": d.title,
        "version": d.version,
        "url": reverse("assessments:instrument", args=[d.code]),
        "licence": LICENCES[d.licence_status],
        "source": _("built in") if d.wording_source is WordingSource.BUNDLED else (_("from the clinic") if row else _("none")),
        "ends": ends,
        "is_shown": shown,
        "shown": _("shown to patients") if to_patients else (_("shown to clinicians") if shown else _("score entry only")),
        "validated": d.validated,
        "citation": d.citation,
    }  # fmt: skip


@staff_view(Permission.INSTRUMENT_MANAGE)
def instrument(request: StaffRequest, code: str) -> HttpResponse:
    """Show what one instrument consists of: its questions where they may be shown, and every rule of its scoring."""
    return answer(request, "assessments/instrument.html", _page(request, _definition_or_404(code)))


def _page(request: StaffRequest, d: Definition) -> dict[str, Any]:
    today = localtime.day_of(request.now, request.location.tz)
    row = (
        InstrumentWording.objects.on_file()
        .filter(code=d.code, version=d.version, language=d.language)
        .select_related("recorded_by")
        .first()
    )
    held = (wordings.permission_of(row),) if row else ()
    words = definitions.wording(d, held, on=today) if definitions.can_render(d, held, on=today) else None
    return {
        "d": d,
        "line": _row(request, d, held, row),
        "answered_by": ANSWERERS[d.answered_by],
        "words": words,
        "items": [_item(d, item, words is not None) for item in (words.items if words else d.items)],
        "missing": _missing(d),
        "cut_offs": [_cut_off(cut) for cut in d.cut_offs],
        "remission": f"{d.remission.comparison} {d.remission.value}" if d.remission else "",
        "scorer": _("%(name)s, version %(n)d") % {"name": d.scorer[0], "n": d.scorer[1]},
        "changes": [_change(change) for change in d.meaningful_changes],
        "needs_permission": not definitions.can_render(d),
        "wording": row and {
            "holder": row.holder,
            "document": row.document,
            "granted": localtime.day_text(row.granted_on),
            "ends": localtime.day_text(row.ends_on) if row.ends_on else "",
            "has_ended": row.has_ended(today),
            "by": row.recorded_by.name,
            "at": localtime.moment_text(row.recorded_at, request.location.tz),
        },
    }  # fmt: skip


def _item(d: Definition, item: Item, is_shown: bool) -> dict[str, Any]:
    safety = d.safety_item(item.id)
    marks = []
    if not item.scored and item.kind is not Kind.TEXT:
        marks.append(_("not counted"))
    if item.reversed:
        marks.append(_("counted the other way round"))
    if item.asked_if is not None:
        numbers = ", ".join(d.item(other).number for other in item.asked_if.any_of)
        marks.append(_("asked when %(items)s is %(value)d") % {"items": numbers, "value": item.asked_if.value})
    if safety is not None:
        marks += [
            _("%(value)d is an alarm: %(tier)s") % {"value": value, "tier": TIERS[tier]} for value, tier in safety.tiers
        ]
        if safety.blank is not None:
            marks.append(_("left out is an alarm: %(tier)s") % {"tier": TIERS[safety.blank]})
    return {
        "number": item.number,
        "text": item.text if is_shown else "",
        "answers": [(option.value, option.label if is_shown or item.kind is Kind.YES_NO else "") for option in item.options],
        "is_text": item.kind is Kind.TEXT,
        "is_safety": safety is not None,
        "marks": marks,
        "loinc": item.loinc,
    }  # fmt: skip


def _missing(d: Definition) -> str:
    if d.low is None:
        return _("There is no total; each answer stands for itself.")
    if not d.missing.allowed:
        return _("One question left out, and there is no total.")
    said = _("Up to %(n)d questions left out are filled in with the mean of the others.") % {"n": d.missing.allowed}
    if d.missing.allowed_per_subscale is not None:
        said += " " + _("At most %(n)d of them in one part.") % {"n": d.missing.allowed_per_subscale}
    if d.missing.never_imputed:
        numbers = ", ".join(d.item(item).number for item in d.missing.never_imputed)
        said += " " + _("Question %(n)s is never filled in.") % {"n": numbers}
    return said


def _cut_off(cut: Any) -> dict[str, str]:
    who = {"men": _("for men"), "women": _("for women")}.get(cut.applies_to, "")
    grey = _("unclear from %(n)d") % {"n": cut.grey_from} if cut.grey_from is not None else ""
    return {
        "label": cut.label,
        "at": str(cut.at_least),
        "said": ", ".join(filter(None, [who, grey])),
        "source": cut.source,
    }


def _change(change: Any) -> dict[str, str]:
    size = f"{change.points:g}" if change.points is not None else f"{change.percent} %"
    return {"label": change.label, "size": size, "source": change.source}


@staff_view(Permission.INSTRUMENT_MANAGE, methods=GET_POST)
def record_wording(request: StaffRequest, code: str) -> HttpResponse:
    """Take in the complete wording of one instrument with the permission it stands under."""
    d = _definition_or_404(code)
    form = RecordWordingForm(request.POST if request.method == "POST" else None, definition=d)
    if request.method == "POST" and form.is_valid():
        said = form.cleaned_data
        try:
            actions.record_wording(
                by=request.user, code=d.code, version=d.version, words=form.words(), holder=said["holder"],
                document=said["document"], granted_on=said["granted_on"], ends_on=said["ends_on"],
                today=localtime.day_of(request.now, request.location.tz), now=request.now,
            )  # fmt: skip
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("The wording of %(name)s is on file and may be shown.") % {"name": d.name})
            return go(request, "assessments:instrument", d.code)
    context = {"d": d, "form": form, "is_free": definitions.can_render(d)}
    return answer(request, "assessments/record_wording.html", context, status=UNPROCESSABLE if form.is_bound else 200)


@staff_view(Permission.INSTRUMENT_MANAGE, methods=POST)
def withdraw_wording(request: StaffRequest, code: str) -> HttpResponse:
    """Withdraw the wording on file: from now on it is shown to nobody."""
    d = _definition_or_404(code)
    row = InstrumentWording.objects.filter(code=d.code, version=d.version).order_by("-recorded_at").first()
    if row is None:
        raise Http404
    try:
        actions.withdraw_wording(by=request.user, wording=row, now=request.now)
    except Refused as refusal:
        context = {**_page(request, d), "refusal": str(refusal)}
        return answer(request, "assessments/instrument.html", context, status=UNPROCESSABLE)
    messages.success(request, _("The wording of %(name)s is no longer shown to anybody.") % {"name": d.name})
    return go(request, "assessments:instrument", d.code)
