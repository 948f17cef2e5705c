"""What was changed in a record, in words: read from the rows that the database keeps of every version."""

import uuid
from datetime import date, datetime
from typing import Any

from django.apps import apps
from django.db.models import BooleanField
from django.utils.translation import gettext as _

from clinic import localtime
from clinic.models import User
from patients.models import Patient

from .lines import asked_text, birth_text, phone_text

# What every edit changes by itself, and what says nothing to a reader.
SILENT = {"version", "life_state_since", "portal_since", "portal_suspended_at", "portal_user", "home_location"}
# How far back one page goes. The rest stays in the database.
MOST = 200


def changes_of(patient: Patient) -> list[dict[str, Any]]:
    """Return the changes of a record as timeline items, newest first. Two queries."""
    events = list(_events(patient)[: MOST + 1])
    return list(reversed(_told(events, patient)))


def changes_since(patient: Patient, version: int) -> list[dict[str, Any]]:
    """Return what changed after the record had ``version``, oldest first."""
    events = [event for event in _events(patient)[: MOST + 1] if event.version >= version]
    return [item for item in _told(events, patient) if not item["is_first"]]


def as_of(patient: Patient, version: int) -> Any:
    """Return the record as an editor was shown it when it had ``version``; None when the database kept no such row."""
    return _events(patient).filter(version=version).first()


def _events(patient: Patient) -> Any:
    model = apps.get_model("patients", "PatientEvent")
    return model.objects.filter(pgh_obj_id=patient.pk).select_related("pgh_context").order_by("-pgh_id")


def _told(newest_first: list[Any], patient: Patient) -> list[dict[str, Any]]:
    events = list(reversed(newest_first))
    names = _names(events)
    told = []
    for before, event in zip([None, *events], events, strict=False):
        changed = _changed(before, event) if before is not None else []
        if before is not None and not changed:
            continue
        told.append(
            {
                "title": _("Registered") if event.pgh_label == "insert" else _("Changed"),
                "time": localtime.moment_text(event.pgh_created_at, patient.home_location.tz),
                "iso": event.pgh_created_at.isoformat(),
                "by": names.get(_who(event), ""),
                "lines": changed,
                "icon": "person-plus" if event.pgh_label == "insert" else "pencil",
                "is_first": before is None,
            }
        )
    return told


def _who(event: Any) -> str:
    return str(event.pgh_context.metadata.get("user", "")) if event.pgh_context else ""


def _names(events: list[Any]) -> dict[str, str]:
    wanted = set()
    for event in events:
        try:
            wanted.add(uuid.UUID(_who(event)))
        except ValueError:
            continue
    return {str(pk): name for pk, name in User.objects.filter(pk__in=wanted).values_list("pk", "name")}


def _changed(before: Any, event: Any) -> list[dict[str, str]]:
    found = []
    for field in Patient._meta.concrete_fields:
        if field.name in SILENT or field.name in {"id", "search_key"} or not hasattr(event, field.attname):
            continue
        old, new = getattr(before, field.attname), getattr(event, field.attname)
        if old != new:
            found.append(
                {
                    "field": str(field.verbose_name).capitalize(),
                    "old": shown_value(field, old),
                    "new": shown_value(field, new),
                }
            )
    return found


def shown_value(field: Any, value: Any) -> str:
    """Return what a column says, as a reader is told: "—" for nothing."""
    if isinstance(field, BooleanField):
        return asked_text(value).lower()
    if value == "" and field.choices and value in dict(field.flatchoices):
        return str(dict(field.flatchoices)[value])
    if value is None or value == "":
        return "—"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return birth_text(value)
    if field.choices:
        return str(dict(field.flatchoices).get(value, value))
    if field.name == "phone":
        return phone_text(value)
    return str(value)


def referrers_of(patient: Patient) -> list[dict[str, Any]]:
    """Return who was written down as having sent the patient, newest first, as timeline items. Two queries."""
    model = apps.get_model("patients", "ReferringClinicianEvent")
    rows = model.objects.filter(patient_id=patient.pk).select_related("pgh_context").order_by("-pgh_id")
    events = list(rows[:MOST])
    names = _names(events)
    return [
        {
            "title": _("Taken off: %(name)s") % {"name": event.name} if event.ended_at else event.name,
            "text": ", ".join(
                filter(None, [event.practice, phone_text(event.phone), event.email, event.npi and f"NPI {event.npi}"])
            ),
            "time": localtime.moment_text(event.pgh_created_at, patient.home_location.tz),
            "iso": event.pgh_created_at.isoformat(),
            "by": names.get(_who(event), ""),
            "icon": "x-lg" if event.ended_at else "person-vcard",
        }
        for event in events
    ]
