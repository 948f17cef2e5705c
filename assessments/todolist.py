"""What waits for a patient on the portal: their packet, texts to sign, questionnaires; for the list and the first page."""

from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from assessments.actions import requests
from assessments.models import AssessmentRequest, Packet
from clinic import localtime
from patients import consentneeds
from patients.models import Patient

# Our own estimates; a questionnaire has its minutes in its file.
PACKET_MINUTES = 30
CONSENT_MINUTES = 5


def rows_of(patient: Patient, now: datetime) -> list[dict[str, Any]]:
    """Return the rows of the to-do list: the packet, texts to sign, questionnaires. Four queries, five with licences."""
    rows = []
    packet = Packet.objects.live().filter(patient=patient, expires_at__gt=now).first()
    if packet is not None:
        rows.append(
            {
                "title": _("Your intake"), "url": reverse("assessments:my_packet"), "minutes": PACKET_MINUTES,
                "text": _("Before your first visit. You can stop and go on another day."),
                "due": _due(packet.expires_at, patient, now), "is_late": False, "is_begun": packet.begun_at is not None,
            }
        )  # fmt: skip
    for text in consentneeds.to_sign(patient, now):
        rows.append(
            {
                "title": text.title, "url": reverse("patients:sign_consent", args=[text.pk]), "minutes": CONSENT_MINUTES,
                "text": _("To read and sign."), "due": "", "is_late": False, "is_begun": False,
            }
        )  # fmt: skip
    asked_in_packet = packet.pk if packet else None
    for asked in requests.answerable(patient=patient, now=now):
        if asked.packet_id is None or asked.packet_id != asked_in_packet:
            rows.append(_row(asked, patient, now))
    return rows


def _row(asked: AssessmentRequest, patient: Patient, now: datetime) -> dict[str, Any]:
    definition = requests.definition_of(asked)
    return {
        "title": definition.title,
        "url": reverse("assessments:answer_questionnaire", args=[asked.pk]),
        "minutes": definition.minutes,
        "text": _("You have begun. Go on where you were.") if asked.is_begun else "",
        "due": _due(asked.due_at, patient, now),
        "is_late": asked.due_at < now,
        "is_begun": asked.is_begun,
    }


def _due(moment: datetime, patient: Patient, now: datetime) -> str:
    tz = patient.tz
    days = (localtime.day_of(moment, tz) - localtime.day_of(now, tz)).days
    if moment < now:
        return _("was due %(day)s") % {"day": localtime.day_text(localtime.day_of(moment, tz))}
    if days == 0:
        return _("today, until %(time)s") % {"time": localtime.clock_text(moment, tz)}
    if days == 1:
        return _("until tomorrow")
    return ngettext("%(n)d day left", "%(n)d days left", days) % {"n": days}
