"""What waits for a patient on the portal: their packet, texts to sign, questionnaires; for the list and the first page."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from assessments.actions import requests
from assessments.models import AssessmentRequest, Packet, PacketSection
from assessments.packetparts import SECTIONS
from clinic import localtime
from patients import consentneeds
from patients.models import Patient

# Our own estimate; a questionnaire has its minutes in its file, and a part of the packet beside its questions.
CONSENT_MINUTES = 5


def rows_of(patient: Patient, now: datetime) -> list[dict[str, Any]]:
    """Return the rows of the to-do list: the packet, texts to sign, questionnaires. Four queries, five with licences."""
    rows = []
    done = PacketSection.objects.filter(packet=OuterRef("pk"), done_at__isnull=False).values("code")
    out = Packet.objects.live().filter(patient=patient, expires_at__gt=now)
    packet = out.annotate(parts_done=ArraySubquery(done)).first()
    answerable = requests.answerable(patient=patient, now=now)
    asked_in_packet = [asked for asked in answerable if packet is not None and asked.packet_id == packet.pk]
    if packet is not None:
        # As the packet's own page counts them: what is left, and not what all of it once took.
        parts_done: list[str] = vars(packet)["parts_done"]
        minutes: int = sum(section.minutes for section in SECTIONS if section.code not in parts_done)
        minutes += sum(requests.definition_of(asked).minutes for asked in asked_in_packet)
        rows.append(
            {
                "title": _("Your intake"), "url": reverse("assessments:my_packet"), "minutes": max(minutes, 1),
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
    rows.extend(_row(asked, patient, now) for asked in answerable if asked not in asked_in_packet)
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
    # What ends at midnight ends with the day before it.
    last = localtime.day_of(moment - timedelta(microseconds=1), tz)
    days = (last - localtime.day_of(now, tz)).days
    if moment < now:
        return _("was due %(day)s") % {"day": localtime.day_text(last)}
    if days == 0 and moment == localtime.day_bounds(last, tz)[1]:
        return _("until tonight")
    if days == 0:
        return _("today, until %(time)s") % {"time": localtime.clock_text(moment, tz)}
    if days == 1:
        return _("until tomorrow")
    return ngettext("%(n)d day left", "%(n)d days left", days) % {"n": days}
