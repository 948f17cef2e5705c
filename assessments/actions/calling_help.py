"""Somebody writes in a packet or a questionnaire that they are in danger, and says so when asked: people are called at once."""

from datetime import datetime

from django.db import transaction

from assessments.actions import alerts, clearances
from assessments.models import RiskAlert
from clinic.models import User
from patients.models import Patient


@transaction.atomic
def call_for_help(*, by: User, patient: Patient, now: datetime) -> RiskAlert:
    """Return the open RED alert for words of danger: the one that is open already, or a new one with its page and its work.

    It refuses nothing: whether what they were filling in is open or over does not matter to somebody in danger.
    """
    patient = clearances.locked_patient(patient)
    known = RiskAlert.objects.open().filter(
        patient=patient, signals__contains=[{"trigger": alerts.CRISIS_WORDS}]
    )  # fmt: skip
    return known.first() or alerts.raise_for_words(by=by, patient=patient, response=None, now=now)
