"""What is done next about an alert, and by when: the order of domain.md 6.5. Pure; a person does it.

The patient is called; after so many calls that reached nobody their emergency contact is; then a welfare check is decided
on, against a clock of its own. Whoever has spoken with the patient writes down what follows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

PATIENT, EMERGENCY_CONTACT, EMERGENCY_SERVICES = "patient", "emergency_contact", "emergency_services"
SPOKE, SENT = "spoke", "sent"


class Step(StrEnum):
    CALL_PATIENT = "call_patient"
    CALL_CONTACT = "call_contact"
    DECIDE_WELFARE_CHECK = "decide_welfare_check"
    WRITE_DISPOSITION = "write_disposition"
    CLOSED = "closed"


@dataclass(frozen=True)
class Attempt:
    """Whom somebody tried to reach, and what came of it."""

    whom: str
    result: str

    @property
    def reached_patient(self) -> bool:
        return self.whom == PATIENT and self.result == SPOKE


@dataclass(frozen=True)
class Next:
    """The next step and the moment by which it is done; ``failed`` calls to the patient of ``allowed``."""

    step: Step
    by: datetime | None
    failed: int
    allowed: int


def next_step(
    attempts: Iterable[Attempt],
    *,
    is_closed: bool,
    raised_at: datetime,
    contact_by: datetime,
    red_attempts: int,
    welfare_check_min: int,
) -> Next:
    """Return what is done next. Who did not want to talk was not spoken with: they are called again."""
    attempts = list(attempts)
    failed = sum(each.whom == PATIENT and not each.reached_patient for each in attempts)
    welfare_by = max(raised_at + timedelta(minutes=welfare_check_min), contact_by)
    if is_closed:
        step, by = Step.CLOSED, None
    elif any(each.reached_patient for each in attempts) or any(
        each.whom == EMERGENCY_SERVICES and each.result in {SPOKE, SENT} for each in attempts
    ):
        step, by = Step.WRITE_DISPOSITION, welfare_by
    elif failed < red_attempts:
        step, by = Step.CALL_PATIENT, contact_by
    elif not any(each.whom == EMERGENCY_CONTACT for each in attempts):
        step, by = Step.CALL_CONTACT, welfare_by
    else:
        step, by = Step.DECIDE_WELFARE_CHECK, welfare_by
    return Next(step, by, failed, red_attempts)
