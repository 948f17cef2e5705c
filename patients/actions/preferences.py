"""What a patient agreed to be written about: each answer a new row, the old one ended."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from clinic import audit
from clinic.errors import Refused
from clinic.models import Category, Channel, User
from patients.models import ASKED_CATEGORIES, ContactPreference, Patient


class NothingToAsk(Refused):
    """Security codes and answers to one's own messages are not asked about."""

    def __init__(self) -> None:
        super().__init__(_("This kind of letter is sent without asking. Choose one of the kinds on the page."))


@dataclass(frozen=True)
class Answer:
    """One answer: yes or no to one kind of letter by one channel."""

    category: Category
    channel: Channel
    is_allowed: bool


@transaction.atomic
def answer(
    *, by: User, patient: Patient, answers: list[Answer], evidence: ContactPreference.Evidence, now: datetime
) -> list[ContactPreference]:
    """Return the new rows for those answers that differ from what is recorded. The same answer again writes nothing.

    ``evidence`` is how we know. Refuses a kind of letter that nobody is asked about.
    """
    Patient.objects.select_for_update(no_key=True).get(pk=patient.pk)
    current = {(row.category, row.channel): row for row in ContactPreference.objects.current().filter(patient=patient)}
    written = []
    for item in answers:
        if item.category not in ASKED_CATEGORIES:
            raise NothingToAsk
        old = current.get((item.category, item.channel))
        if old is not None and old.is_allowed == item.is_allowed:
            continue
        if old is not None:
            old.ended_at = now
            old.save(update_fields=["ended_at"])
        row = ContactPreference.objects.create(
            patient=patient,
            category=item.category,
            channel=item.channel,
            is_allowed=item.is_allowed,
            evidence=evidence,
            recorded_by=by,
            since=now,
        )
        audit.record(
            by, audit.Verb.PREFERENCE_CHANGED, row, now=now, location_id=patient.home_location_id,
            details={
                "category": item.category, "channel": item.channel, "allowed": item.is_allowed, "evidence": evidence,
            },
        )  # fmt: skip
        written.append(row)
    return written
