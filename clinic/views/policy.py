"""The policy in force: every clinical limit with its name, unit and source, who approved it, and what it was before."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.utils.translation import gettext as _

from clinic import localtime, policy_words
from clinic import policy as limits
from clinic.access import Permission, staff_view
from clinic.http import StaffRequest, answer
from clinic.models import PolicyVersion
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
            "number": version.number,
            "note": version.note,
            "state": _state(version, in_force),
            "look": "done" if version.pk == in_force.pk else "planned",
            "by": (version.approved_by or version.drafted_by).name,
            "from": _said(version.effective_at, tz),
            "changes": _changes(before, version) if before else [],
        }
        for version, before in zip(versions, [*versions[1:], None], strict=True)
    ]
    context: dict[str, Any] = {
        "versions": rows[:VERSIONS_SHOWN],
        "sections": _sections(in_force),
        "in_force": {
            "number": in_force.number,
            "by": (in_force.approved_by or in_force.drafted_by).name,
            "approved": _said(in_force.approved_at, tz),
            "from": _said(in_force.effective_at, tz),
        },
    }
    return answer(request, "clinic/policy.html", context)


def _said(moment: datetime | None, tz: ZoneInfo) -> str:
    return localtime.moment_text(moment, tz) if moment else ""


def _state(version: PolicyVersion, in_force: PolicyVersion) -> str:
    if version.pk == in_force.pk:
        return _("In force")
    if version.approved_at is None:
        return _("Draft")
    if version.number < in_force.number:
        return _("Was in force")
    return _("Approved, not in force yet")


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
    old, new = dict(leaves(before.values)), dict(leaves(after.values))
    return [
        {
            "label": label_of(path),
            "was": shown(path, old[path]) if path in old else "—",
            "is": shown(path, new[path]) if path in new else "—",
        }
        for path in [*new, *(path for path in old if path not in new)]
        if old.get(path) != new.get(path)
    ]
