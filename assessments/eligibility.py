"""Until when a decision holds: pure arithmetic of dates for domain.md 1.3 and 1.6.

Which facts speak against a dose is in assessments/screening; the decision itself, and who may take it, is an action.
"""

import calendar
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any


@dataclass(frozen=True)
class ClearanceLimits:
    """The days of domain.md 1.6, from the policy in force."""

    valid_days: int
    after_dose_days: int
    max_days: int

    @classmethod
    def from_policy(cls, values: Mapping[str, Any]) -> "ClearanceLimits":
        """Return the limits of a policy's values. Refuses (KeyError) a policy that leaves one out: none is assumed."""
        days = values["clearance"]
        return cls(int(days["valid_days"]), int(days["after_dose_days"]), int(days["max_days"]))


def clearance_expiry(decided_on: date, last_dosed_on: date | None, limits: ClearanceLimits) -> date:
    """Return the last day on which a clearance holds: 90 days after the decision, or 30 days after the last dosing session if
    that is later, and never more than 180 days after the decision. Numbers are the policy's; source: domain.md 1.6.
    """
    expiry = decided_on + timedelta(days=limits.valid_days)
    if last_dosed_on is not None:
        expiry = max(expiry, last_dosed_on + timedelta(days=limits.after_dose_days))
    return min(expiry, decided_on + timedelta(days=limits.max_days))


def override_expiry(decided_on: date, override_days: int) -> date:
    """Return the last day on which an override holds; after it the question is asked anew. Source: domain.md 1.3, 90 days."""
    return decided_on + timedelta(days=override_days)


def add_months(day: date, months: int) -> date:
    """Return the same day of the month so many months on (or back), or the month's last day when it has no such day."""
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    return day.replace(year=year, month=month, day=min(day.day, calendar.monthrange(year, month)[1]))


def age_on(birth_date: date, today: date) -> int:
    """Return completed years. Who was born on 29 February has the birthday on 1 March of other years."""
    return today.year - birth_date.year - ((today.month, today.day) < (birth_date.month, birth_date.day))
