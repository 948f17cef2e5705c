"""The limits in force, as code asks for them: ``in_force(now).get("timeouts_min", "staff")``."""

import time
from datetime import datetime
from typing import Any

from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from clinic.errors import Refused
from clinic.models import PolicyVersion
from clinic.policy_words import BY_PATH, label_of

# The first draft of every limit, from domain.md appendix A. All of them await a medical director's signature.
FIRST_LIMITS: dict[str, Any] = {
    "session": {
        "length_min": 150, "overrun_hold_min": 30, "turnover_min": 15,
        "observation_floor_min": {"sl": 120, "oral": 120, "im": 120, "iv_after_end": 60, "in_esk": 120},
        "cleared_ttl_min": 30, "min_days_between_doses": 3,
    },
    "bp": {
        "pre_green": [140, 90], "pre_red": [160, 100], "pre_stop": [180, 110], "post_amber": [160, 100],
        "post_red": [180, 110], "post_crisis": [200, 120], "recheck_min": 15, "max_rechecks": 3,
    },
    "vitals": {
        "hr": [50, 110], "spo2_min": 94, "spo2_red": 92, "rr": [10, 24], "temp_max_c": 38.0, "window_min": 5,
        "page_late_min": 10,
    },
    "sedation": {"scale": "MOAAS", "notify_le": 3, "emergency_le": 2, "discharge_eq": 5},
    "dose_mg_sl": {"first_soft": 150, "first_hard": 200, "soft": 300, "hard": 400, "step_max": 100},
    # The most of one dose by the other routes (domain.md 3.4).
    "dose_mg_kg": {"oral": 3.0, "im": 1.5, "iv": 1.0},
    "dose_mg_in": {"hard": 84},
    "booster": {"max": 1, "window_min": [15, 30], "pct_max": 50},
    "consent_valid_days": 365,
    "clearance": {"valid_days": 90, "after_dose_days": 30, "max_days": 180, "max_sessions": 12},
    "packet": {"valid_days": 30},
    "questionnaire": {"link_hours": 168, "link_checks": 5, "nudge_h": [24, 72]},
    "kiosk": {"code_min": 15, "code_checks": 10},
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
    "workup": {"ecg_from_years": 50},
    "weight_max_age_days": 30,
    "fasting_h": {"sl_oral_food": 4, "clear_fluid": 2, "in_esk_food": 2, "in_esk_fluid_min": 30},
    "risk": {
        "red_ack_min": 10, "red_contact_min": 30, "orange_hours": 4, "orange_after_hours_min": 60, "page_again_min": 10,
        "yellow_by": "10:00", "red_attempts": 3, "welfare_check_min": 90,
    },
    "reminders": {"offsets_h": [168, 72, 24, 2], "window_local": ["08:30", "20:00"], "escort_confirm_h": 48},
    "timeouts_min": {"staff": 15, "kiosk": 5, "portal": 20, "tablet_lock": 5},
    "deadlines_h": {"dosing_note": 24, "note_red": 72},
    "dea": {"inventory_months": 24, "theft_notice_business_days": 1, "form106_days": 45, "record_years": 2},
    "rems": {"pmf_due_days": 7},
}  # fmt: skip


class LimitNotSet(Refused):
    """The policy in force leaves the limit out: it was approved before there was one. None is guessed."""

    def __init__(self, path: tuple[str, ...]) -> None:
        self.path = path
        # Of a section that is missing whole, its first limit stands for all.
        named = next((known for known in BY_PATH if known[: len(path)] == path), path)
        super().__init__(
            _(
                "This cannot be done yet: the clinic’s policy sets no limit for “%(limit)s”. A medical director approves a version that does, under Policy in force."
            )
            % {"limit": label_of(named)}
        )


class NoPolicyInForce(Refused):
    """Nobody has approved any limits, or the first are still to take effect."""

    def __init__(self) -> None:
        super().__init__(
            _("This cannot be done yet: the clinic has no policy in force. A medical director approves one first.")
        )


class _Section(dict[str, Any]):
    """The limits under one path. One that is not set is refused by name, however it is asked for."""

    def __init__(self, values: dict[str, Any], path: tuple[str, ...] = ()) -> None:
        super().__init__(
            {key: _Section(inner, (*path, key)) if isinstance(inner, dict) else inner for key, inner in values.items()}
        )
        self._path = path

    def __missing__(self, key: str) -> Any:
        raise LimitNotSet((*self._path, key))


class Limits:
    """One approved policy version."""

    def __init__(self, version: PolicyVersion) -> None:
        self.version = version
        # So that asking the row itself refuses in the same words.
        version.values = self.values

    @cached_property
    def number(self) -> int:
        return self.version.number

    @cached_property
    def values(self) -> dict[str, Any]:
        """Return all limits by their path, ``values["screening"]["bp"]``. One that nobody set refuses when asked for."""
        return _Section(self.version.values)

    def get(self, *path: str) -> Any:
        """Return the value at a path, like ``get("reminders", "window_local")``. Refuses a limit that nobody set."""
        value: Any = self.values
        for number, step in enumerate(path):
            if not isinstance(value, dict):
                raise LimitNotSet(path[: number + 1])
            value = value[step]
        return value


def in_force(now: datetime) -> Limits:
    """Return the limits that rule at ``now``. Refuses to guess when no version is in force."""
    version = PolicyVersion.objects.in_force(now)
    if version is None:
        raise NoPolicyInForce
    return Limits(version)


def risk(now: datetime) -> dict[str, Any]:
    """Return the limits of alarms. What the version in force leaves out, or lacks with its whole section, is as drafted.

    Everywhere else a limit that nobody set is an error; here that error would be silence.
    """
    version = PolicyVersion.objects.in_force(now)
    values = version.values.get("risk") if version is not None else None
    return {**FIRST_LIMITS["risk"], **(values if isinstance(values, dict) else {})}


_timeouts: tuple[float, dict[str, int]] | None = None


def session_timeouts(now: datetime) -> dict[str, int]:
    """Return minutes of idleness by audience: {"staff": 15, "portal": 20, ...}. Asked at every request, so kept a minute."""
    global _timeouts
    if _timeouts is None or time.monotonic() - _timeouts[0] > 60:
        _timeouts = (time.monotonic(), {str(k): int(v) for k, v in in_force(now).get("timeouts_min").items()})
    return _timeouts[1]


def forget() -> None:
    """Forget the kept time-outs, so that the next request asks the table."""
    global _timeouts
    _timeouts = None
