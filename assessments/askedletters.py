"""The letters that tell patients with a portal that something is to be answered. None of them says what."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from assessments.actions import reminding, requests
from assessments.models import AssessmentRequest
from clinic import letters
from clinic.models import Category, OutboundMessage, User
from patients.models import Patient


def _asked(message: OutboundMessage) -> Patient:
    asked = AssessmentRequest.objects.select_related("patient__home_location").get(pk=message.subject_id)
    return asked.patient


def questionnaire_context(message: OutboundMessage) -> dict[str, Any]:
    """Return the words of a letter about what is to be answered: how long it takes in all, and where it is."""
    patient = _asked(message)
    waiting = reminding.to_answer(patient, message.claimed_at or message.not_before)
    return {
        "called": letters.greeting_name(patient.called),
        "minutes": sum(requests.definition_of(row).minutes for row in waiting),
        "link": settings.SITE_URL + reverse("assessments:to_do"),
    }


def questionnaire_still_wanted(message: OutboundMessage, now: datetime) -> str:
    """Return why the letter should no longer go: nothing is left to answer, or the patient cannot or would not be told."""
    return reminding.why_not(patient=_asked(message), channel=message.channel, now=now)


def questionnaire_address_now(message: OutboundMessage) -> str:
    """Return the patient's present address: the letter follows its reader."""
    return reminding.address_of(_asked(message), message.channel)


def questionnaire_not_sent(by: User, message: OutboundMessage, reason: str, now: datetime) -> None:
    """Have somebody call a patient who would otherwise not know what is asked of them."""
    reminding.call_instead(by=by, message=message, reason=reason, now=now)


def register() -> None:
    """Declare these letters in clinic.letters."""
    for kind, label in (
        (reminding.ASKED, _("Something to answer")),
        (reminding.NUDGE, _("Something is still to be answered")),
    ):
        letters.register(
            letters.Letter(
                kind=kind, label=label, folder=f"assessments/letters/{kind}", category=Category.QUESTIONNAIRE,
                context=questionnaire_context, still_wanted=questionnaire_still_wanted,
                address_now=questionnaire_address_now, not_sent=questionnaire_not_sent,
                reasons=reminding.REASONS,
            )
        )  # fmt: skip
