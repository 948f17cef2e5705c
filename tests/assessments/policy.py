"""The limits the tests screen with: the policy's first ones."""

from typing import Any

from assessments.eligibility import ClearanceLimits
from assessments.screening import ScreeningLimits
from clinic.policy import FIRST_LIMITS

VALUES: dict[str, Any] = FIRST_LIMITS
LIMITS = ScreeningLimits.from_policy(VALUES)
CLEARANCE = ClearanceLimits.from_policy(VALUES)
