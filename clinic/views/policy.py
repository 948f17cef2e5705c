"""The policy: every clinical limit with its name, unit and source, who approved it, and how a version comes to be."""

from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from clinic import localtime, policy_words
from clinic import policy as limits
from clinic.access import GET_POST, POST, Permission, holds, staff_view
from clinic.actions import policy as policies
from clinic.errors import Refused
from clinic.forms.policy import ApprovePolicyForm, DraftPolicyForm
from clinic.http import UNPROCESSABLE, StaffRequest, answer, go
from clinic.models import Location, PolicyVersion
from clinic.policy_words import SECTIONS, label_of, leaves, shown

VERSIONS_SHOWN = 50


@staff_view(Permission.POLICY_READ)
def policy(request: StaffRequest) -> HttpResponse:
    """Return the limits in force and the history of their versions, newest first."""
    tz = request.location.tz
    in_force = limits.in_force(request.now).version
    versions = list(
        PolicyVersion.objects.select_related("approved_by", "drafted_by").order_by("-number")[: VERSIONS_SHOWN + 1]
    )
    rows = [
        {
            "id": version.pk,
            "number": version.number,
            "note": version.note,
            **_state(version, in_force, request.now),
            "by": (version.approved_by or version.drafted_by).name,
            "from": _said(version.effective_at, tz),
            "changes": _changes(before, version) if before else [],
        }
        for version, before in zip(versions, [*versions[1:], None], strict=True)
    ]
    draft = next((version for version in versions if version.approved_at is None), None)
    context: dict[str, Any] = {
        "versions": rows[:VERSIONS_SHOWN],
        "sections": _sections(in_force),
        "missing": [label_of(path) for path, _value in policies.missing(in_force.values)],
        "draft": draft,
        "may_draft": holds(request.user, Permission.POLICY_DRAFT),
        "in_force": {
            "number": in_force.number,
            "by": (in_force.approved_by or in_force.drafted_by).name,
            "approved": _said(in_force.approved_at, tz),
            "from": _said(in_force.effective_at, tz),
        },
    }
    return answer(request, "clinic/policy.html", context)


@staff_view(Permission.POLICY_READ)
def policy_version(request: StaffRequest, policy_id: UUID) -> HttpResponse:
    """Return one version: who, when, why, what it changed, and every limit of it."""
    tz = request.location.tz
    versions = PolicyVersion.objects.select_related("approved_by", "drafted_by")
    version = get_object_or_404(versions, pk=policy_id)
    before = versions.filter(number__lt=version.number).order_by("-number").first()
    context = {
        "version": version,
        **_state(version, PolicyVersion.objects.in_force(request.now), request.now),
        "drafted": _said(version.drafted_at, tz),
        "approved": _said(version.approved_at, tz),
        "from": _said(version.effective_at, tz),
        "before": before,
        "changes": _changes(before, version) if before else [],
        "sections": _sections(version),
    }
    return answer(request, "clinic/policy_version.html", context)


@staff_view(Permission.POLICY_DRAFT, methods=GET_POST)
def draft_policy(request: StaffRequest) -> HttpResponse:
    """Change limits in the one draft there is, begun by the first save; nothing is in force before a director signs."""
    draft, approved = policies.open_draft(), policies.newest_approved()
    values = draft.values if draft else policies.first_values(approved)
    initial = {"version": policies.mark_of(draft), "note": draft.note if draft else ""}
    kept = approved.values if approved else {}
    form = DraftPolicyForm(request.POST or None, values=values, approved=kept, initial=initial)
    overruled: list[dict[str, str]] = []
    if request.method == "POST" and form.is_valid():
        seen, note = form.cleaned_data["version"], form.cleaned_data["note"]
        try:
            policies.draft(by=request.user, seen=seen, values=form.limits(), note=note, now=request.now)
        except policies.DraftChanged as refusal:
            overruled = _compared(dict(leaves(values)), dict(leaves(form.limits())))
            form = DraftPolicyForm(_seen_now(request.POST), values=values, approved=kept)
            form.add_error(None, str(refusal))
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _("Saved. Nothing changes before a medical director approves it."))
            return go(request, "clinic:approve_policy")
    context = {"form": form, "draft": draft, "approved": approved, "overruled": overruled}
    status = UNPROCESSABLE if form.is_bound else 200
    return answer(request, "clinic/draft_policy.html", context, status=status)


def _seen_now(sent: QueryDict) -> QueryDict:
    """Return what was typed, with the mark of the draft as it is now: the next save is made knowing of it."""
    data = sent.copy()
    data["version"] = policies.mark_of(policies.open_draft())
    return data


@staff_view(Permission.POLICY_DRAFT, methods=GET_POST)
def approve_policy(request: StaffRequest) -> HttpResponse:
    """Show what the draft changes, from and to; a medical director puts it in force from a day, with their signature."""
    draft, before = policies.open_draft(), policies.newest_approved()
    if draft is None:
        messages.info(request, _("There is no draft. Start one to change a limit."))
        return go(request, "clinic:policy")
    place = _directed(request)
    form = None
    if place is not None:
        day = policies.earliest_day(place, request.now)
        initial = {"version": policies.mark_of(draft), "effective_on": day}
        form = ApprovePolicyForm(
            request.POST or None, signer=request.user, initial=initial,
            earliest=localtime.day_text(day), zone=localtime.zone_text(request.now, place.tz),
        )  # fmt: skip
    if form is not None and place is not None and request.method == "POST" and form.is_valid():
        seen, on = form.cleaned_data["version"], form.cleaned_data["effective_on"]
        try:
            version = policies.approve(
                by=request.user, seen=seen, effective_on=on, proof=form.proof(), location=place, now=request.now
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            begins = _said(version.effective_at, place.tz)
            messages.success(request, _("Approved. In force from %(start)s.") % {"start": begins})
            return go(request, "clinic:policy")
    status = UNPROCESSABLE if request.method == "POST" else 200
    context = {
        "draft": draft,
        "before": before,
        "mark": policies.mark_of(draft),
        "drafted": _said(draft.drafted_at, request.location.tz),
        "changes": _changes(before, draft) if before else [],
        "form": form,
        "is_own": draft.drafted_by_id == request.user.pk,
        "others": [held.user.name for held in policies.directors(besides=[request.user.pk])],
        "text": policies.text_of(draft, request.now).split("\n", 2)[2],
    }
    return answer(request, "clinic/approve_policy.html", context, status=status)


def _directed(request: StaffRequest) -> Location | None:
    """Return the location whose medical director this is: the one chosen in the top bar if it is, else another of theirs."""
    if not holds(request.user, Permission.POLICY_APPROVE):
        return None
    held = [one.location for one in policies.directorships(request.user)]
    return next((place for place in held if place == request.location), next(iter(held), None))


@staff_view(Permission.POLICY_DRAFT, methods=POST)
def discard_policy(request: StaffRequest) -> HttpResponse:
    """Throw the draft away, as it was read."""
    try:
        policies.discard(by=request.user, seen=request.POST.get("version", ""), now=request.now)
    except policies.DraftChanged as refusal:
        messages.error(request, str(refusal))
        return go(request, "clinic:approve_policy")
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _("Discarded. What is in force stays as it is."))
    return go(request, "clinic:policy")


def _said(moment: datetime | None, tz: ZoneInfo) -> str:
    return localtime.moment_text(moment, tz) if moment else ""


def _state(version: PolicyVersion, in_force: PolicyVersion | None, now: datetime) -> dict[str, str]:
    """Return the word for where a version stands, and how it looks."""
    if in_force is not None and version.pk == in_force.pk:
        return {"state": _("In force"), "look": "done"}
    if version.approved_at is None or version.effective_at is None:
        return {"state": _("Draft"), "look": "planned"}
    if version.effective_at > now:
        return {"state": _("Approved, not in force yet"), "look": "confirmed"}
    return {"state": _("Was in force"), "look": "unknown"}


def _sections(version: PolicyVersion) -> list[dict[str, Any]]:
    """Return the limits by section, those that nobody has named yet last: nothing in force is left out."""
    values = dict(leaves(version.values))
    sections: list[dict[str, Any]] = [
        {
            "title": section.title,
            "limits": [
                {"label": words.label, "value": shown(words.path, values[words.path]), "source": words.source}
                for words in section.limits
                if words.path in values
            ],
        }
        for section in SECTIONS
    ]
    unnamed = [
        {"label": label_of(path), "value": shown(path, value), "source": "—"}
        for path, value in values.items()
        if path not in policy_words.BY_PATH
    ]
    if unnamed:
        sections.append({"title": _("Others"), "limits": unnamed})
    return [section for section in sections if section["limits"]]


def _changes(before: PolicyVersion, after: PolicyVersion) -> list[dict[str, str]]:
    return _compared(dict(leaves(before.values)), dict(leaves(after.values)))


def _compared(old: dict[policy_words.Path, Any], new: dict[policy_words.Path, Any]) -> list[dict[str, str]]:
    """Return only what differs, with units and whom it touches."""
    return [
        {
            "label": label_of(path),
            "was": shown(path, old[path]) if path in old else "—",
            "is": shown(path, new[path]) if path in new else "—",
            "touches": policy_words.touches(path),
        }
        for path in [*new, *(path for path in old if path not in new)]
        if old.get(path) != new.get(path)
    ]
