"""The registry of record numbers: the floor that keeps patients says whose a number is, and which number somebody has.

The audit, on the ground floor, knows patients by their ids only; people know them by the number on the record.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from clinic.models import User


@dataclass(frozen=True)
class RecordNumbers:
    """Both ways between ids and numbers, for those patients whose audit the reader answers for; one query each."""

    id_of: Callable[[User, str, datetime], uuid.UUID | None]
    numbers_of: Callable[[User, set[uuid.UUID], datetime], Mapping[uuid.UUID, str]]


_registered: list[RecordNumbers] = []


def register(numbers: RecordNumbers) -> None:
    """Say who knows the record numbers. Refuses a second one."""
    if _registered and _registered != [numbers]:
        raise ValueError("Two modules know the record numbers.")
    _registered[:] = [numbers]


def id_of(user: User, number: str, now: datetime) -> uuid.UUID | None:
    """Return the id of the patient with that record number; None when there is none, or it is not the reader's."""
    return _registered[0].id_of(user, number, now) if _registered else None


def numbers_of(user: User, ids: set[uuid.UUID], now: datetime) -> Mapping[uuid.UUID, str]:
    """Return the record numbers of patients, by id, as far as they are the reader's."""
    return _registered[0].numbers_of(user, ids, now) if _registered and ids else {}
