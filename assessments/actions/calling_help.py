"""Somebody writes in a packet or a questionnaire that they are in danger, and says so when asked: people are called at once."""

from collections.abc import Callable
from datetime import datetime

import structlog
from django.db import transaction

from assessments.actions import alerts, clearances, responses
from assessments.models import RiskAlert
from clinic.actions import pages
from clinic.logs import trail
from clinic.models import Page, User
from patients.models import Patient

log = structlog.get_logger(__name__)


@transaction.atomic
def call_for_help(*, by: User, patient: Patient, now: datetime) -> RiskAlert:
    """Return the RED alert for words of danger: one that nobody has spoken with them about yet, or a new one.

    Said again while it rings, it rings on. Said again after somebody answered the call and before they were spoken with, it
    rings anew, and once they were, it is an alert of its own: whoever cries out a second time is heard a second time. It
    refuses nothing: whether what they were filling in is open or over does not matter to somebody in danger.
    """
    patient = clearances.locked_patient(patient)
    known = (
        RiskAlert.objects.open()
        .filter(patient=patient, contacted_at=None, signals__contains=[{"trigger": alerts.CRISIS_WORDS}])
        .order_by("-raised_at")
        .first()
    )
    page = Page.objects.live().about(alerts.SUBJECT, known.pk).first() if known else None
    if known is None or page is None:
        return alerts.raise_for_words(by=by, patient=patient, response=None, now=now)
    if page.acknowledged_at is not None:
        pages.ring_again(by=by, page=page, now=now)
    return known


def reach_somebody(*, who: Callable[[], User], patient: Patient, now: datetime) -> bool:
    """Return whether people were called: by an alert, and when that fails in the way that is left.

    It raises nothing, not even what finding out ``who`` asks raises: somebody in danger is waiting for a page with the numbers.
    """
    try:
        call_for_help(by=who(), patient=patient, now=now)
    except Exception as error:
        log.error("words_failed", reason=trail(error))
    else:
        return True
    try:
        responses.call_people(patient=patient, now=now)
    except Exception as error:
        log.error("words_failed_twice", reason=trail(error))
        return False
    return True
