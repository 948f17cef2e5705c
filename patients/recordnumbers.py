"""Whose a record number is, for the audit: of the patients at the locations whose audit somebody reads."""

import uuid
from collections.abc import Mapping
from datetime import datetime

from clinic import recordnumbers
from clinic.access import Permission
from clinic.models import User
from patients.models import Patient


def _id_of(user: User, number: str, now: datetime) -> uuid.UUID | None:
    mine = Patient.objects.visible_to(user, Permission.AUDIT_READ, now, with_merged=True)
    return mine.filter(mrn=number.upper()).values_list("pk", flat=True).first()


def _numbers_of(user: User, ids: set[uuid.UUID], now: datetime) -> Mapping[uuid.UUID, str]:
    mine = Patient.objects.visible_to(user, Permission.AUDIT_READ, now, with_merged=True)
    return dict(mine.filter(pk__in=ids).values_list("pk", "mrn"))


def register_own() -> None:
    """Declare the record numbers in clinic.recordnumbers."""
    recordnumbers.register(recordnumbers.RecordNumbers(id_of=_id_of, numbers_of=_numbers_of))
