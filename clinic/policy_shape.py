"""What a limit may be: its type, the range in which it is plausible at all, and how limits stand to one another.

Pure, and the same for the form, for the approval and for tests. A plausible range keeps slips of the finger out; which
number is right is the medical director's to say.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from django.utils.translation import gettext as _

from clinic.policy_words import BY_PATH, Path, label_of, leaves


@dataclass(frozen=True)
class Whole:
    """A whole number."""

    low: int
    high: int

    def fits(self, value: Any) -> bool:
        return type(value) is int and self.low <= value <= self.high


@dataclass(frozen=True)
class Number:
    """A number that may have decimals."""

    low: float
    high: float

    def fits(self, value: Any) -> bool:
        return type(value) in {int, float} and self.low <= value <= self.high


@dataclass(frozen=True)
class Pair:
    """Two whole numbers side by side, such as systolic and diastolic; ``rising`` when the second must be the larger."""

    first: Whole
    second: Whole
    rising: bool = False

    def fits(self, value: Any) -> bool:
        two = isinstance(value, list) and len(value) == 2 and self.first.fits(value[0]) and self.second.fits(value[1])
        return two and (not self.rising or value[0] < value[1])


@dataclass(frozen=True)
class Wholes:
    """A few different whole numbers in order, such as hours before a visit."""

    low: int
    high: int
    falling: bool = False
    most: int = 8

    def fits(self, value: Any) -> bool:
        return (
            isinstance(value, list)
            and 1 <= len(value) <= self.most
            and all(Whole(self.low, self.high).fits(one) for one in value)
            and value == sorted(set(value), reverse=self.falling)
        )


@dataclass(frozen=True)
class Clock:
    """A time of day as "HH:MM"."""

    def fits(self, value: Any) -> bool:
        if not (isinstance(value, str) and re.fullmatch(r"\d\d:\d\d", value)):
            return False
        try:
            time.fromisoformat(value)
        except ValueError:
            return False
        return True


@dataclass(frozen=True)
class Clocks:
    """A stretch of the day from one time to a later one."""

    def fits(self, value: Any) -> bool:
        return (
            isinstance(value, list) and len(value) == 2 and all(Clock().fits(v) for v in value) and value[0] < value[1]
        )


@dataclass(frozen=True)
class Day:
    """A calendar day as "YYYY-MM-DD"."""

    def fits(self, value: Any) -> bool:
        if not (isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value)):
            return False
        try:
            date.fromisoformat(value)
        except ValueError:
            return False
        return True


@dataclass(frozen=True)
class OneOf:
    """One of the codes that the words of the limit name."""

    codes: tuple[str, ...]

    def fits(self, value: Any) -> bool:
        return value in self.codes


@dataclass(frozen=True)
class SomeOf:
    """At least one of the codes that the words of the limit name."""

    codes: tuple[str, ...]

    def fits(self, value: Any) -> bool:
        return (
            isinstance(value, list) and bool(value) and len(set(value)) == len(value) and set(value) <= set(self.codes)
        )


@dataclass(frozen=True)
class Fixed:
    """What the code is written for and no clinic chooses."""

    value: str

    def fits(self, value: Any) -> bool:
        return bool(value == self.value)


Shape = Whole | Number | Pair | Wholes | Clock | Clocks | Day | OneOf | SomeOf | Fixed

_MMHG = Pair(Whole(60, 260), Whole(30, 160))
_SCORE_9, _SCORE_7 = Whole(0, 27), Whole(0, 21)


def _codes(*path: str) -> tuple[str, ...]:
    return tuple(BY_PATH[path].names)


_SHAPES: dict[str, Shape] = {
    "session.length_min": Whole(60, 480), "session.overrun_hold_min": Whole(0, 120), "session.turnover_min": Whole(0, 120),
    "session.observation_floor_min.sl": Whole(60, 480), "session.observation_floor_min.oral": Whole(60, 480),
    "session.observation_floor_min.im": Whole(60, 480), "session.observation_floor_min.iv_after_end": Whole(30, 480),
    # The REMS of esketamine does not let a clinic choose less.
    "session.observation_floor_min.in_esk": Whole(120, 480),
    "session.cleared_ttl_min": Whole(5, 120), "session.min_days_between_doses": Whole(1, 60),
    "bp.pre_green": _MMHG, "bp.pre_red": _MMHG, "bp.pre_stop": _MMHG, "bp.post_amber": _MMHG, "bp.post_red": _MMHG,
    "bp.post_crisis": _MMHG, "bp.recheck_min": Whole(5, 60), "bp.max_rechecks": Whole(1, 6),
    "vitals.hr": Pair(Whole(30, 90), Whole(80, 180), rising=True), "vitals.spo2_min": Whole(85, 100),
    "vitals.spo2_red": Whole(80, 99), "vitals.rr": Pair(Whole(6, 14), Whole(16, 40), rising=True),
    "vitals.temp_max_c": Number(36.5, 40), "vitals.window_min": Whole(1, 15), "vitals.page_late_min": Whole(1, 60),
    "sedation.scale": Fixed("MOAAS"), "sedation.notify_le": Whole(1, 4), "sedation.emergency_le": Whole(0, 3),
    "sedation.discharge_eq": Whole(5, 5),
    "dose_mg_sl.first_soft": Whole(10, 600), "dose_mg_sl.first_hard": Whole(10, 600), "dose_mg_sl.soft": Whole(10, 800),
    "dose_mg_sl.hard": Whole(10, 800), "dose_mg_sl.step_max": Whole(5, 300),
    "dose_mg_kg.oral": Number(0.1, 5), "dose_mg_kg.im": Number(0.1, 3), "dose_mg_kg.iv": Number(0.1, 2),
    # Two devices of 28 mg, or three: the label knows nothing else.
    "dose_mg_in.hard": Whole(56, 84),
    "booster.max": Whole(0, 3), "booster.window_min": Pair(Whole(0, 60), Whole(5, 120), rising=True), "booster.pct_max": Whole(0, 100),
    "consent_valid_days": Whole(30, 365), "clearance.valid_days": Whole(7, 365), "clearance.after_dose_days": Whole(1, 180),
    "clearance.max_days": Whole(7, 365), "clearance.max_sessions": Whole(1, 60),
    "packet.valid_days": Whole(3, 120), "questionnaire.link_hours": Whole(1, 720), "questionnaire.link_checks": Whole(1, 10),
    "questionnaire.nudge_h": Wholes(1, 336), "kiosk.code_min": Whole(2, 120), "kiosk.code_checks": Whole(3, 20),
    "screening.adult_years": Whole(18, 30), "screening.older_years": Whole(50, 90), "screening.adequate_trials": Whole(0, 6),
    "screening.indications": SomeOf(_codes("screening", "indications")),
    "screening.symptom_floor.phq9": _SCORE_9, "screening.symptom_floor.gad7": _SCORE_7,
    "screening.telemedicine_until": Day(), "screening.bp.high": _MMHG, "screening.bp.high_readings": Whole(1, 6),
    "screening.bp.readings": Whole(1, 6), "screening.bp.days": Whole(1, 6),
    "screening.event.block_weeks": Whole(1, 52), "screening.event.override_months": Whole(1, 36),
    "screening.attempt_months": Whole(1, 36), "screening.ketamine_use_months": Whole(1, 60),
    "screening.dast10_override": Whole(1, 10), "screening.audit_c_override": Whole(1, 12),
    "screening.substance_screen_months": Whole(1, 24), "screening.pregnancy_test_hours": Whole(1, 168),
    "screening.liver.block_times_uln": Number(1, 10), "screening.liver.override_times_uln": Number(1, 10),
    "screening.liver.max_age_months": Whole(1, 24),
    "screening.breastfeeding": OneOf(_codes("screening", "breastfeeding")),
    "screening.dissociative": OneOf(_codes("screening", "dissociative")),
    "screening.override_days": Whole(1, 365), "screening.benzodiazepine_review_lorazepam_mg": Number(0, 20),
    "screening.hours_since_taken.benzodiazepine": Whole(1, 168), "screening.hours_since_taken.benzodiazepine_ideal": Whole(1, 168),
    "screening.hours_since_taken.sedative_hypnotic": Whole(1, 72), "screening.hours_since_taken.opioid_sedated": Whole(1, 72),
    "screening.hours_since_taken.alcohol_thc": Whole(1, 168), "screening.maoi_bp_every_min": Whole(2, 30),
    "screening.nasal_spray_min": Whole(15, 480),
    "workup.ecg_from_years": Whole(18, 90),
    "weight_max_age_days": Whole(1, 180), "fasting_h.sl_oral_food": Whole(0, 24), "fasting_h.clear_fluid": Whole(0, 12),
    "fasting_h.in_esk_food": Whole(2, 24), "fasting_h.in_esk_fluid_min": Whole(30, 720),
    "risk.red_ack_min": Whole(1, 30), "risk.red_contact_min": Whole(5, 120), "risk.orange_hours": Whole(1, 24),
    "risk.orange_after_hours_min": Whole(10, 480), "risk.page_again_min": Whole(1, 60), "risk.yellow_by": Clock(),
    "risk.red_attempts": Whole(1, 10), "risk.welfare_check_min": Whole(15, 240),
    "reminders.offsets_h": Wholes(1, 720, falling=True), "reminders.window_local": Clocks(), "reminders.escort_confirm_h": Whole(1, 168),
    "timeouts_min.staff": Whole(2, 30), "timeouts_min.kiosk": Whole(1, 15), "timeouts_min.portal": Whole(5, 60),
    "timeouts_min.tablet_lock": Whole(1, 15),
    "deadlines_h.dosing_note": Whole(1, 168), "deadlines_h.note_red": Whole(1, 336),
    # Not longer than 21 CFR allows; a clinic may be stricter.
    "dea.inventory_months": Whole(1, 24), "dea.theft_notice_business_days": Whole(1, 1), "dea.form106_days": Whole(1, 45),
    "dea.record_years": Whole(2, 30), "rems.pmf_due_days": Whole(1, 7),
}  # fmt: skip
SHAPES: dict[Path, Shape] = {tuple(path.split(".")): shape for path, shape in _SHAPES.items()}

# Each stands below the next; numbers that stand in pairs do so one by one.
BELOW: tuple[tuple[str, ...], ...] = (
    ("bp.pre_green", "bp.pre_red", "bp.pre_stop"), ("bp.post_amber", "bp.post_red", "bp.post_crisis"),
    ("vitals.spo2_red", "vitals.spo2_min"), ("sedation.emergency_le", "sedation.notify_le", "sedation.discharge_eq"),
    ("screening.adult_years", "screening.older_years"), ("screening.liver.override_times_uln", "screening.liver.block_times_uln"),
    ("deadlines_h.dosing_note", "deadlines_h.note_red"),
)  # fmt: skip
# Each stands below the next or is the same.
NOT_ABOVE: tuple[tuple[str, ...], ...] = (
    ("dose_mg_sl.first_soft", "dose_mg_sl.first_hard", "dose_mg_sl.hard"), ("dose_mg_sl.soft", "dose_mg_sl.hard"),
    ("clearance.after_dose_days", "clearance.valid_days", "clearance.max_days"),
    ("screening.hours_since_taken.benzodiazepine", "screening.hours_since_taken.benzodiazepine_ideal"),
    ("screening.bp.high_readings", "screening.bp.readings"), ("screening.bp.days", "screening.bp.readings"),
    ("risk.red_ack_min", "risk.red_contact_min", "risk.welfare_check_min"),
)  # fmt: skip
# The same across units: how much of the smaller one the first and the second are.
NOT_ABOVE_IN: tuple[tuple[str, int, str, int], ...] = (
    ("risk.orange_after_hours_min", 1, "risk.orange_hours", 60),
    ("screening.event.block_weeks", 7, "screening.event.override_months", 30),
)


def problems(values: dict[str, Any]) -> list[tuple[Path, str]]:
    """Return what is wrong with a set of limits as (limit, sentence): missing, implausible or out of order."""
    given = dict(leaves(values))
    found = [(path, _("This limit is not set.")) for path in SHAPES if path not in given]
    found += [
        (path, _("This is not a plausible value.")) for path, shape in SHAPES.items() if path in given and not shape.fits(given[path])
    ]  # fmt: skip
    wrong = {path for path, _said in found}
    return [*found, *_out_of_order({path: value for path, value in given.items() if path not in wrong})]


def _out_of_order(given: dict[Path, Any]) -> Iterator[tuple[Path, str]]:
    for low, high, is_below in _neighbours():
        if low not in given or high not in given or is_below(given[low], given[high]):
            continue
        yield high, _("This has to be above “%(other)s”.") % {"other": label_of(low)}


def _neighbours() -> Iterator[tuple[Path, Path, Callable[[Any, Any], bool]]]:
    for chain in BELOW:
        for low, high in itertools.pairwise(chain):
            yield _path(low), _path(high), lambda a, b: all(x < y for x, y in _both(a, b))
    for chain in NOT_ABOVE:
        for low, high in itertools.pairwise(chain):
            yield _path(low), _path(high), lambda a, b: all(x <= y for x, y in _both(a, b))
    for low, of_low, high, of_high in NOT_ABOVE_IN:
        yield _path(low), _path(high), _not_above_in(of_low, of_high)


def _not_above_in(of_low: int, of_high: int) -> Callable[[Any, Any], bool]:
    return lambda low, high: bool(low * of_low <= high * of_high)


def _path(dotted: str) -> Path:
    return tuple(dotted.split("."))


def _both(low: Any, high: Any) -> list[tuple[Any, Any]]:
    return list(zip(low, high, strict=True)) if isinstance(low, list) else [(low, high)]


def put(values: dict[str, Any], path: Path, value: Any) -> None:
    """Set the limit at a path, with the sections above it."""
    for step in path[:-1]:
        values = values.setdefault(step, {})
    values[path[-1]] = value
