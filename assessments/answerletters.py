"""The letter with a link to one questionnaire: neutral words, and a last look whether it should still go."""

from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from assessments.actions import links
from assessments.models import AnswerLink
from clinic import letters
from clinic.models import Category, OutboundMessage
from patients.models import ContactPreference

LINK_OVER = "link_over"
NO_CONSENT = "no_consent"


def _link(message: OutboundMessage) -> AnswerLink:
    return AnswerLink.objects.select_related("request__patient__home_location").get(pk=message.subject_id)


def _context(message: OutboundMessage) -> dict[str, Any]:
    return {"called": letters.greeting_name(_link(message).request.patient.called)}


def _still_wanted(message: OutboundMessage, now: datetime) -> str:
    """Return why the letter should no longer go: its link leads nowhere any more, or the patient took back their consent."""
    link = _link(message)
    if not links.is_good(link, now) or link.address != message.address:
        return LINK_OVER
    allowed = ContactPreference.objects.allows(link.request.patient, Category.QUESTIONNAIRE, message.channel)
    return "" if allowed else NO_CONSENT


def register() -> None:
    """Declare the letter in clinic.letters."""
    letters.register(
        letters.Letter(
            kind=links.LETTER,
            label=_("Link to a questionnaire"),
            folder="assessments/letters/questionnaire_link",
            category=Category.QUESTIONNAIRE,
            context=_context,
            still_wanted=_still_wanted,
            reasons={
                LINK_OVER: _(
                    "The questionnaire was answered, taken back or ran out, or the patient\u2019s address changed."
                ),
                NO_CONSENT: _("The patient does not want to be written to about questionnaires this way."),
            },
        )
    )
