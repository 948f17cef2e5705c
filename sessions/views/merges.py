"""Two records of one person: compared side by side, merged, and taken apart again."""

import uuid
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clinic import audit, localtime
from clinic.access import GET_POST, Permission, locations_where, staff_view
from clinic.errors import Refused
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from patients import search
from patients.access import get_patient_or_404
from patients.actions.patients import Identity, identity_of
from patients.models import KnownApart, Patient
from patients.views.history import shown_value
from patients.views.lines import patient_line
from sessions import merging
from sessions.access import get_merge_or_404
from sessions.actions import merges
from sessions.forms.merges import MergeForm, UnmergeForm
from sessions.models import Merge

PAGE = "sessions/merge_patient.html"


@staff_view(Permission.PATIENT_MERGE, methods=GET_POST)
def merge_patient(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Name the other record, compare the two, choose what is true of the person, and merge them."""
    one = get_patient_or_404(request, patient_id, Permission.PATIENT_MERGE)
    number = request.GET.get("with", "").replace("\x00", "").strip()[:20].upper()
    other = _other(request, one, number)
    if other is None:
        context: dict[str, Any] = {
            "patient": one, "number": number, "unknown": _unknown(one, number), "alike": _alike(request, one),
        }  # fmt: skip
        return answer(request, PAGE, context, status=UNPROCESSABLE if request.method == "POST" else 200)
    shown, kept = _differing(one, other)
    form = MergeForm(request.POST or None, one=one, other=other, shown=shown)
    if request.method == "POST" and form.is_valid():
        survivor, loser = form.chosen()
        try:
            merges.merge(
                by=request.user, survivor=survivor, loser=loser, identity=form.identity(),
                seen=form.cleaned_data["versions"], reason=form.cleaned_data["reason"], now=request.now,
            )  # fmt: skip
        except Refused as refusal:
            for sentence in getattr(refusal, "reasons", [str(refusal)]):
                form.add_error(None, sentence)
            if isinstance(refusal, merges.ChangedMeanwhile):
                typed = request.POST.copy()
                typed["versions"] = f"{one.version}:{other.version}"
                form.data = typed
        else:
            said = {"loser": loser.mrn, "survivor": survivor.mrn}
            messages.success(request, _("%(loser)s is merged into %(survivor)s.") % said)
            return go(request, "patients:patient", survivor.pk)
    apart = KnownApart.objects.between(one, other).select_related("said_by").order_by("said_at").first()
    said_apart = _(
        "%(who)s registered one of the two after seeing the other, and said that they are two people (%(when)s)."
    )
    context = {
        "patient": one,
        "other": other,
        "number": number,
        "form": form,
        "kept": kept,
        "known_apart": said_apart
        % {"who": apart.said_by.name, "when": localtime.moment_text(apart.said_at, one.home_location.tz)}
        if apart
        else "",
        **_side_by_side(request, one, other),
    }
    return answer(request, PAGE, context, status=UNPROCESSABLE if request.method == "POST" else 200)


def _other(request: StaffRequest, one: Patient, number: str) -> Patient | None:
    """Return the record with that number, through its door: merging is asked of both places. None where there is none."""
    mine = Patient.objects.visible_to(request.user, Permission.PATIENT_MERGE, request.now)
    found = mine.filter(mrn=number).exclude(pk=one.pk).select_related("home_location").first() if number else None
    if found is not None:
        audit.looked_at(request, found, now=request.now)
    return found


def _alike(request: StaffRequest, one: Patient) -> list[dict[str, Any]]:
    """Return who else may be this person, with what speaks for it, as the desk is shown at registration."""
    mine = Patient.objects.visible_to(request.user, Permission.PATIENT_MERGE, request.now)
    pairs = search.known_as(mine, search.facts_of(one), but=[one.pk])[:5]
    audit.listed(request, "alike", [who.pk for who, _match in pairs], now=request.now)
    return [
        {**patient_line(who, request.now), "evidence": [item.label for item in match.evidence], "match": match}
        for who, match in pairs
    ]


def _unknown(one: Patient, number: str) -> str:
    """Return what to say of a number behind which no other record is open to this person."""
    if not number:
        return ""
    if number == one.mrn:
        return _("That is this record. Enter the number of the other one.")
    return _("There is no record %(number)s that you may merge. Look the number up under Patients.") % {
        "number": number
    }


def _differing(one: Patient, other: Patient) -> tuple[dict[str, tuple[str, str, str]], list[tuple[str, str, str]]]:
    """Return each identity field in which the two contradict each other (its name, and what either says), and what only one has."""
    asked: dict[str, tuple[str, str, str]] = {}
    kept: list[tuple[str, str, str]] = []
    first, second = identity_of(patient=one), identity_of(patient=other)
    for name in Identity.__dataclass_fields__:
        if getattr(first, name) == getattr(second, name):
            continue
        field = Patient._meta.get_field(name)
        label = capfirst(str(field.verbose_name))  # type: ignore[union-attr]  # a column
        said = shown_value(field, getattr(one, name)), shown_value(field, getattr(other, name))
        has = merging.only_one_says(first, second, name)
        if has is None:
            asked[name] = (label, *said)
        else:
            kept.append((label, said[has], (one, other)[has].mrn))
    return asked, kept


def _side_by_side(request: StaffRequest, one: Patient, other: Patient) -> dict[str, Any]:
    """Return who the two are and how much each has: counts and never what is in them; and which way it would go."""
    counted = merging.counts([one, other])
    first, second = (merging.told(counted[who.pk]) for who in (one, other))
    ways = []
    for survivor, loser in ((one, other), (other, one)):
        stand = merging.obstacles(survivor=survivor, loser=loser, counted=counted[loser.pk])
        ways.append({"survivor": survivor, "loser": loser, "obstacles": stand})
    return {
        "lines": [patient_line(who, request.now) for who in (one, other)],
        "counts": [(words, first[words], second[words]) for words in first if first[words] or second[words]],
        "ways": ways,
        "is_possible": any(not way["obstacles"] for way in ways),
    }


@staff_view(Permission.PATIENT_MERGE, methods=GET_POST)
def unmerge_patients(request: StaffRequest, merge_id: uuid.UUID) -> HttpResponse:
    """Say what goes back and what stays, and take the merge apart."""
    row = get_merge_or_404(request, merge_id)
    form = UnmergeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            merges.unmerge(by=request.user, merge=row, reason=form.cleaned_data["reason"], now=request.now)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            said = {"loser": row.loser.mrn, "survivor": row.survivor.mrn}
            messages.success(request, _("%(loser)s and %(survivor)s are two records again.") % said)
            return go(request, "patients:patient", row.loser_id)
    many = sum(len(ids) for ids in row.moved.values())
    context = {
        "merge": row,
        "form": form,
        "when": localtime.moment_text(row.at, row.survivor.home_location.tz),
        "goes_back": ngettext("%(n)d entry goes back", "%(n)d entries go back", many) % {"n": many},
    }
    return answer(
        request, "sessions/unmerge_patients.html", context, status=UNPROCESSABLE if request.method == "POST" else 200
    )


@staff_view(Permission.PATIENT_READ)
def patient_merges(request: StaffRequest, patient_id: uuid.UUID) -> HttpResponse:
    """Say which records are one with this one: a panel of the desk's page, and a page of its own."""
    patient = get_patient_or_404(request, patient_id)
    rows = Merge.objects.standing().filter(Q(survivor=patient) | Q(loser=patient))
    there = locations_where(request.user, Permission.PATIENT_MERGE)
    lines = [
        {
            "other": row.loser if row.survivor_id == patient.pk else row.survivor,
            "went_away": row.loser_id == patient.pk,
            "when": localtime.moment_text(row.at, patient.home_location.tz),
            "by": row.by.name,
            "id": row.pk,
            "may_undo": {row.survivor.home_location_id, row.loser.home_location_id} <= there,
        }
        for row in rows.select_related("survivor", "loser", "by").order_by("-at", "-id")
    ]
    return answer(request, "sessions/patient_merges.html", {"patient": patient, "lines": lines}, part="merges")
