"""The facts of this floor that never scroll away on a chart: allergies, what stops a dose, the clearance, open alerts.

Only what its reader may know (domain.md 9.3): with the status alone a clearance is a colour in words, and an alert is "clinician
contact required". At most four queries.
"""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext, ngettext

from assessments.facts import StatementKind
from assessments.models import Allergy, Clearance, HealthStatement, RiskAlert, ScreeningFlag
from assessments.reviewpage import clearance_line
from clinic import localtime
from clinic.access import Permission, holds
from clinic.models import User
from patients.models import Patient


@dataclass(frozen=True)
class Fact:
    """One chip of the strip: words, an icon and a tone, never a colour alone."""

    words: str
    icon: str
    tone: str


def facts(user: User, patient: Patient, now: datetime) -> list[Fact]:
    """Return the chips for this reader, the gravest first."""

    def may(permission: Permission) -> bool:
        return holds(user, permission, patient.home_location_id)

    found = _alerts(user, patient, now, may_read=may(Permission.ALERT_READ), may_know=may(Permission.ALERT_STATUS))
    if may(Permission.CLEARANCE_READ):
        found += _flags(patient)
    if may(Permission.CLEARANCE_STATUS):
        found += _clearances(patient, now, in_full=may(Permission.CLEARANCE_READ))
    if may(Permission.HEALTH_READ):
        found += _allergies(patient)
    return found


def _alerts(user: User, patient: Patient, now: datetime, *, may_read: bool, may_know: bool) -> list[Fact]:
    if not may_know:
        return []
    tiers = list(RiskAlert.objects.open().filter(patient=patient).values_list("tier", flat=True))
    if not tiers:
        return []
    if not may_read:
        return [Fact(gettext("Clinician contact required"), "telephone", "red")]
    count = len(tiers)
    words = ngettext("One open alert", "%(count)s open alerts", count) % {"count": count}
    is_grave = bool({RiskAlert.Tier.RED, RiskAlert.Tier.ORANGE} & set(tiers))
    return [Fact(words, "exclamation-octagon", "red" if is_grave else "amber")]


def _flags(patient: Patient) -> list[Fact]:
    rows = ScreeningFlag.objects.open().filter(patient=patient).exclude(severity=ScreeningFlag.Severity.INFO)
    blocks = overrides = questions = 0
    for row in rows:
        flag = row.flag
        if flag.is_question:
            questions += 1
        elif row.severity == ScreeningFlag.Severity.BLOCK:
            blocks += 1
        else:
            overrides += 1
    said = [
        (blocks, ngettext("One fact stops a dose", "%(count)s facts stop a dose", blocks), "slash-circle", "red"),
        (overrides, ngettext("One flag to decide", "%(count)s flags to decide", overrides), "exclamation-triangle", "amber"),
        (questions, ngettext("One question not answered", "%(count)s questions not answered", questions), "question-circle", "neutral"),
    ]  # fmt: skip
    return [Fact(words % {"count": count}, icon, tone) for count, words, icon, tone in said if count]


def _clearances(patient: Patient, now: datetime, *, in_full: bool) -> list[Fact]:
    live = list(Clearance.objects.live().filter(patient=patient).order_by("opened_at", "id"))
    today = localtime.day_of(now, patient.home_location.tz)
    for one in live:
        # What ran out is not green until beat comes by.
        if one.is_cleared and one.expires_on is not None and one.expires_on < today:
            one.status = Clearance.Status.EXPIRED
    if not in_full:
        tones = ("red", "green", "amber", "neutral")
        worst = next((one for colour in tones for one in live if one.colour == colour), None)
        return [
            Fact(worst.desk_words if worst else gettext("no clearance"), "shield", worst.colour if worst else "neutral")
        ]
    found = []
    for one in live:
        line = clearance_line(one, patient.home_location.tz)
        until = ""
        if line["until"]:
            said = gettext("again on %(day)s") if line["is_deferred"] else gettext("until %(day)s")
            until = said % {"day": line["until"]}
        words = " · ".join(part for part in (str(line["state"]), line["limits"], until) if part)
        found.append(Fact(words[:1].upper() + words[1:], line["icon"], line["tone"]))
    return found or [Fact(gettext("No clearance"), "shield", "neutral")]


def _allergies(patient: Patient) -> list[Fact]:
    """Return the allergies; that there are none is only said when somebody said so, and nobody who was asked was unsure."""
    names = [
        row.substance
        for row in Allergy.objects.standing().filter(patient=patient).order_by("-at", "-id")
        if isinstance(row, Allergy)
    ]
    if names:
        return [Fact(gettext("Allergic to %(what)s") % {"what": ", ".join(names)}, "exclamation-triangle", "red")]
    said = [
        row.value
        for row in HealthStatement.objects.standing().filter(patient=patient)
        if isinstance(row, HealthStatement) and row.kind == StatementKind.ALLERGIES_COMPLETE
    ]
    if not said:
        return [Fact(gettext("Allergies: not asked"), "capsule", "neutral")]
    if not all(said):
        return [Fact(gettext("Allergies: not known"), "capsule", "amber")]
    return [Fact(gettext("No known allergies"), "capsule", "neutral")]
