"""The limits the tests screen with: the policy's first ones, and those that wait for its next version."""

from typing import Any

from assessments.eligibility import ClearanceLimits
from assessments.screening import ScreeningLimits
from clinic.policy import FIRST_LIMITS

# From domain.md 1.2 to 1.4 and 1.6; docs/decisions/0021-screening-rules.md says which are the domain's and which are ours.
PROPOSED: dict[str, Any] = {
    "clearance": {"valid_days": 90, "after_dose_days": 30, "max_days": 180},
    "screening": {
        "adult_years": 18, "older_years": 65, "adequate_trials": 2,
        "indications": ["trd", "gad", "ptsd", "ocd", "rumination"],
        "symptom_floor": {"phq9": 10, "gad7": 10},
        "telemedicine_until": "2026-12-31",
        "bp": {"high": [160, 100], "high_readings": 2, "readings": 3, "days": 2},
        "event": {"block_weeks": 6, "override_months": 6},
        "attempt_months": 3, "ketamine_use_months": 12, "dast10_override": 6, "audit_c_override": 8,
        "substance_screen_months": 12, "pregnancy_test_hours": 24,
        "liver": {"block_times_uln": 3, "override_times_uln": 1, "max_age_months": 6},
        "breastfeeding": "block", "dissociative": "override", "override_days": 90,
        "benzodiazepine_review_lorazepam_mg": 3,
        "hours_since_taken": {
            "benzodiazepine": 24, "benzodiazepine_ideal": 72, "sedative_hypnotic": 12, "opioid_sedated": 6, "alcohol_thc": 48,
        },
        "maoi_bp_every_min": 10, "nasal_spray_min": 60,
    },
}  # fmt: skip
VALUES: dict[str, Any] = FIRST_LIMITS | PROPOSED
LIMITS = ScreeningLimits.from_policy(VALUES)
CLEARANCE = ClearanceLimits.from_policy(VALUES)
